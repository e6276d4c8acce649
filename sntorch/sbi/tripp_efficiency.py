"""The share of a Tripp sample that is kept, by an efficiency that was learnt from injections.

Nothing is asked of a selection but to say of measured supernovae whether they are kept. Injections
are supernovae of known true magnitude, stretch and colour with the errors of those of the sample;
the network learns the share of their measurements that is kept as a function of true values and
errors. Given θ the true values are normal, so that

    P(kept | z_i, W_i, θ) = ∫ N(t; mean_i, P(θ)) ε(t, W_i) dt,

here by Gauss-Hermite quadrature over the three of them.

Letters in shapes: ``N`` supernovae, ``M`` injections.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from sntorch.errors import ConfigError
from sntorch.inference.efficiency import EfficiencyModule, fit_efficiency
from sntorch.sbi.prior import BoxPrior
from sntorch.sbi.summary_simulator import draw_prior
from sntorch.sbi.tripp import TrippSample, factor_features, population_root, tripp_moments
from sntorch.sbi.tripp_selection import TrippSelection, draw_all
from sntorch.simulation.streams import Streams

# Gauss-Hermite nodes in magnitude, stretch and colour: cuts of the latter two are sharp.
NODES = (4, 9, 9)
# ln L may differ by so much between draws of a posterior for twice as many nodes; draws looked at.
MOST_OFF, N_CHECKED = 0.5, 20
# Standard deviations of true values are this much larger than the population's.
BROADER = 1.5
REPEATS = 32
# Numbers that are held of one layer of the network at once.
AT_ONCE = 1 << 22


def inject_tripp(
    sample: TrippSample, selection: TrippSelection, prior: BoxPrior, n: int, seed: int
) -> tuple[Tensor, Tensor]:
    """Supernovae of known true values, measured with the errors of a sample, kept or not.

    Args:
        sample: Redshifts, distances and covariances.
        selection: What is kept.
        prior: Of the θ whose supernovae are injected, somewhat broader than they are.
        n: Number of injections.
        seed: Any integer.

    Returns:
        Latents, shape (M, 9), of ``latents``, and the mean of P(kept | d) over measurements of
        each, shape (M,).
    """
    streams = Streams(seed, torch.arange(n), "tripp-injections/")
    each = (len(sample.names) * streams.uniform("supernova", 1)[:, 0]).long()
    theta = draw_prior(prior, n, seed)
    population = population_root(theta)
    mean = tripp_moments(sample, theta)[0][torch.arange(n), each]
    white = BROADER * streams.normal("true", 3)
    true = mean + (population @ white[..., None])[..., 0]
    factor = torch.linalg.cholesky(sample.covariance)[each]
    measured = draw_all(
        true[:, None].expand(-1, REPEATS, -1), factor[:, None], streams.within("measured")
    )
    kept = selection.log_probability(measured).exp().mean(1)
    # A mean of ones may come out above one by rounding.
    return latents(true, factor), kept.clamp(max=1.0)


def latents(true: Tensor, factor: Tensor) -> Tensor:
    """What an efficiency depends on, shape (..., 9).

    Args:
        true: Magnitude, stretch and colour before noise, shape (..., 3).
        factor: Of the covariance of the errors, lower triangular, shape (..., 3, 3).
    """
    return torch.cat([true, factor_features(factor).expand(*true.shape[:-1], 6)], -1)


def fit_tripp_efficiency(
    sample: TrippSample,
    selection: TrippSelection,
    prior: BoxPrior,
    n: int,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
) -> LearntShare:
    """Learn the efficiency of a selection from n injections.

    Args:
        sample: Redshifts, distances and covariances.
        selection: What is kept.
        prior: Of the θ whose supernovae are injected.
        n: Number of injections.
        seed: Of injections and first weights.
        progress: Called with the fraction done, now and then.

    Raises:
        ConfigError: A selection that keeps all of them, or none.
    """
    given, kept = inject_tripp(sample, selection, prior, n, seed)
    return LearntShare(selection, sample, fit_efficiency(given, kept, seed, progress))


@dataclass(frozen=True, eq=False)
class LearntShare(TrippSelection):
    """A selection whose share of kept supernovae was learnt.

    Attributes:
        selection: What is kept.
        sample: The supernovae whose errors count, in the order of all moments.
        efficiency: Of ``latents``.
        nodes: Of the integral over magnitude, stretch and colour.
    """

    selection: TrippSelection
    sample: TrippSample
    efficiency: EfficiencyModule
    nodes: tuple[int, ...] = NODES

    @property
    def ranges(self) -> tuple[float, float]:
        """|x1| and |c| beyond which nothing is kept."""
        return self.selection.ranges

    def check(self, theta: Tensor) -> None:
        """Refuse an integral that has not converged where a posterior is.

        Args:
            theta: Draws of the posterior, shape (S, 8).

        Raises:
            ConfigError: With twice as many nodes the likelihood differs by more than it may.
        """
        moments = tripp_moments(self.sample, theta[:: max(len(theta) // N_CHECKED, 1)])
        finer = replace(self, nodes=tuple(2 * n for n in self.nodes))
        off = (finer.log_kept(*moments) - self.log_kept(*moments)).sum(-1).std()
        if not float(off) < MOST_OFF:
            raise ConfigError(
                f"selection {self.selection}: too sharp for the integral over true values, which "
                f"leaves ln L uncertain by {float(off):.2g}; methods=[selected_flow] is accepted, "
                "or a closed form"
            )

    def log_probability(self, data: Tensor) -> Tensor:
        """ln P(kept | d), shape (...), of measured m, x1 and c (..., 3)."""
        return self.selection.log_probability(data)

    def log_kept(self, mean: Tensor, covariance: Tensor) -> Tensor:
        """ln of the share that is kept, shape (..., N); see ``TrippSelection``.

        Args:
            mean: Of the sample's N supernovae, shape (..., N, 3).
            covariance: Errors included, shape (..., N, 3, 3).
        """
        factor = torch.linalg.cholesky(covariance - self.sample.covariance)
        rows = mean.reshape(-1, *mean.shape[-2:]), factor.reshape(-1, *factor.shape[-3:])
        size = self.efficiency.hidden * len(self._nodes[0]) * mean.shape[-2]
        parts = (part.split(max(AT_ONCE // size, 1)) for part in rows)
        found = [self._log_mean(*each) for each in zip(*parts, strict=True)]
        return torch.cat(found).reshape(mean.shape[:-1])

    def draw_kept(self, mean: Tensor, factor: Tensor, streams: Streams) -> Tensor:
        """Kept d, shape (B, N, 3); see ``TrippSelection``."""
        return self.selection.draw_kept(mean, factor, streams)

    def __str__(self) -> str:
        return f"{self.selection}, its share learnt"

    def _log_mean(self, mean: Tensor, factor: Tensor) -> Tensor:
        node, log_weight = self._nodes
        true = mean[..., None, :] + node @ factor.mT
        given = latents(true, self._errors[:, None].expand(-1, len(node), -1, -1))
        # Single precision: two thirds of the time of an inference go into these.
        found = self._fast(given.float()).to(true)
        return (found + log_weight).logsumexp(-1)

    @cached_property
    def _fast(self) -> EfficiencyModule:
        return copy.deepcopy(self.efficiency).float()

    @cached_property
    def _errors(self) -> Tensor:
        return torch.linalg.cholesky(self.sample.covariance)

    @cached_property
    def _nodes(self) -> tuple[Tensor, Tensor]:
        """Standard normal nodes (K, 3) and their ln weights (K,)."""
        axes = [np.polynomial.hermite_e.hermegauss(n) for n in self.nodes]
        node = torch.tensor(list(itertools.product(*(axis[0] for axis in axes))))
        weight = torch.tensor(list(itertools.product(*(a[1] / a[1].sum() for a in axes))))
        return node.double(), weight.double().log().sum(-1)
