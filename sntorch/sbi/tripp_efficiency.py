"""The share of a Tripp sample that is kept, learnt from injections.

Nothing is asked of a selection but to say of measured supernovae whether they are kept, and it may
be as sharp as it likes. Given θ the measured d of a supernova is normal before selection, so that
with injections d_k of density q,

    P(kept | z_i, W_i, θ) = Σ_k w_k P(kept | d_k) / Σ_k w_k,
    w_k = N(d_k; mean_i(θ), P(θ) + W_i) / q_i(d_k),

as in gravitational-wave astronomy (Tiwari 2018, CQG 35, 145009; Farr 2019, RNAAS 3, 66), with
injections of each supernova's own (``tripp_injections.py``). The same injections serve all θ: the
share is a smooth function of θ even of a sharp cut, and what is wrong of it hardly changes from
one θ of a posterior to the next. Deviation: the weights are divided by their sum, which makes the
share of a selection that keeps everything exactly one.

Letters in shapes: ``N`` supernovae, ``K`` injections of each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from sntorch.errors import ConfigError
from sntorch.sbi.prior import BoxPrior
from sntorch.sbi.tripp import TrippSample, tripp_moments
from sntorch.sbi.tripp_injections import Injections, inject_tripp, whitened
from sntorch.sbi.tripp_selection import TrippSelection
from sntorch.simulation.streams import Streams

# Standard deviation that ln L may have between draws of a posterior because of the injections;
# draws looked at.
MOST_OFF, N_CHECKED = 0.3, 20
# A share below which no injection has shown what it is.
LEAST = 1e-9
# Distance moduli and covariances that rounding may change, mag and mag².
ROUNDING = 1e-6
# Weights that are held at once.
AT_ONCE = 1 << 22


def fit_tripp_efficiency(
    sample: TrippSample, selection: TrippSelection, prior: BoxPrior, n: int, seed: int = 0
) -> LearntShare:
    """Learn the share that a selection keeps from n injections.

    Args:
        sample: Redshifts, distances, covariances, and the supernovae, which were kept.
        selection: What is kept.
        prior: The region of θ.
        n: Number of injections at least, see ``inject_tripp``.
        seed: Of injections.

    Raises:
        ConfigError: A selection that keeps none of them.
    """
    return LearntShare(selection, sample, inject_tripp(sample, selection, prior, n, seed))


@dataclass(frozen=True, eq=False)
class LearntShare(TrippSelection):
    """A selection whose share of kept supernovae was learnt.

    Attributes:
        selection: What is kept.
        sample: The supernovae whose distances and errors count, in the order of all moments.
        injections: Of these supernovae.
    """

    selection: TrippSelection
    sample: TrippSample
    injections: Injections

    @property
    def ranges(self) -> tuple[float, float]:
        """|x1| and |c| beyond which nothing is kept."""
        return self.selection.ranges

    def check(self, theta: Tensor) -> None:
        """Refuse too few injections where a posterior is.

        The two halves of the injections are independent: half of their difference scatters as the
        error of both together. A bias of second order in their errors, which both have, is not
        seen.

        Args:
            theta: Draws of the posterior, shape (S, 8).

        Raises:
            ConfigError: The likelihood is less certain than it may be.
        """
        moments = tripp_moments(self.sample, theta[:: max(len(theta) // N_CHECKED, 1)])
        middle = self.injections.kept.shape[1] // 2
        first, second = (
            self._log_share(*moments, part) for part in (slice(middle), slice(middle, None))
        )
        off = float((first - second).sum(-1).std()) / 2
        blind = float(torch.maximum(first, second).min()) <= math.log(LEAST) + ROUNDING
        if blind or not off < MOST_OFF:
            found = "show nothing kept" if blind else f"leave ln L uncertain by {off:.2g}"
            raise ConfigError(
                f"selection {self.selection}: {self.injections.kept.numel()} injections "
                f"{found} where the posterior is; more of them (efficiency.injections=…), "
                "methods=[selected_flow] or a closed form is accepted"
            )

    def log_probability(self, data: Tensor) -> Tensor:
        """ln P(kept | d), shape (...), of measured m, x1 and c (..., 3)."""
        return self.selection.log_probability(data)

    def log_kept(self, mean: Tensor, covariance: Tensor) -> Tensor:
        """ln of the share that is kept, shape (..., N); see ``TrippSelection``.

        Args:
            mean: Of the sample's N supernovae, shape (..., N, 3).
            covariance: Errors included, shape (..., N, 3, 3).

        Raises:
            ConfigError: Moments of other supernovae.
        """
        self._check_sample(mean.detach(), covariance.detach())
        return self._log_share(mean, covariance, slice(None))

    def draw_kept(self, mean: Tensor, factor: Tensor, streams: Streams) -> Tensor:
        """Kept d, shape (B, N, 3); see ``TrippSelection``."""
        return self.selection.draw_kept(mean, factor, streams)

    def __str__(self) -> str:
        return f"{self.selection}, its share learnt"

    def _check_sample(self, mean: Tensor, covariance: Tensor) -> None:
        """Distances and errors have to be the sample's: what is left of them is the population's,
        the same for all supernovae.
        """
        n = len(self.sample.names)
        if mean.shape[-2:] != (n, 3):
            raise ConfigError(
                f"{self}: of the {n} supernovae from {self.sample.names[0]} on; moments of "
                f"another sample were found, shape {tuple(mean.shape)}"
            )
        left = {
            "redshifts": mean[..., 0] - self.sample.mu,
            "covariances": (covariance - self.sample.covariance).flatten(-2).movedim(-2, -1),
        }
        for name, values in left.items():
            if bool((values.amax(-1) - values.amin(-1) > ROUNDING).any()):
                raise ConfigError(
                    f"{self}: of the {n} supernovae from {self.sample.names[0]} on; moments of "
                    f"a sample with other {name}, or in another order, were found"
                )

    def _log_share(self, mean: Tensor, covariance: Tensor, part: slice) -> Tensor:
        """That by a part of the injections."""
        rows = mean.reshape(-1, *mean.shape[-2:]), covariance.reshape(-1, *covariance.shape[-3:])
        size = self.injections.kept.numel()
        parts = (one.split(max(AT_ONCE // size, 1)) for one in rows)
        found = [self._weighed(one, two, part) for one, two in zip(*parts, strict=True)]
        return torch.cat(found).reshape(mean.shape[:-1])

    def _weighed(self, mean: Tensor, covariance: Tensor, part: slice) -> Tensor:
        known = self.injections
        centre = torch.linalg.solve_triangular(
            known.factor, (mean - known.mean)[..., None], upper=False
        )
        spread = torch.linalg.solve_triangular(known.factor, covariance, upper=False)
        spread = torch.linalg.solve_triangular(known.factor, spread.mT, upper=False)
        # Single precision: nearly all of the time of an inference goes into these.
        terms = _normal_terms(centre[..., 0], spread).float().permute(1, 2, 0)
        log_weight = self._powers[:, part] @ terms - self._log_density[:, part]
        weight = (log_weight - log_weight.detach().amax(1, keepdim=True)).exp()
        kept, every = (self._counts[..., part] @ weight).unbind(1)
        return (kept / every).clamp(min=LEAST).log().T.to(mean)

    @cached_property
    def _powers(self) -> Tensor:
        """What ln of a normal density is linear in, of injections, shape (N, K, 10)."""
        known = self.injections
        place = whitened(known.data, known.mean, known.factor)
        first, second = PAIRS
        square = place[..., first] * place[..., second]
        return torch.cat([torch.ones_like(place[..., :1]), place, square], -1).float()

    @cached_property
    def _log_density(self) -> Tensor:
        return self.injections.log_density[..., None].float()

    @cached_property
    def _counts(self) -> Tensor:
        """Of kept injections and of all, shape (N, 2, K)."""
        kept = self.injections.kept
        return torch.stack([kept, torch.ones_like(kept)], 1).float()


PAIRS = torch.triu_indices(3, 3)


def _normal_terms(mean: Tensor, covariance: Tensor) -> Tensor:
    """ln of normal densities as factors of 1, d and products of two of d, shape (..., 10)."""
    factor = torch.linalg.cholesky(covariance)
    precision = torch.cholesky_inverse(factor)
    slope = (precision @ mean[..., None])[..., 0]
    constant = -(slope * mean).sum(-1) / 2 - factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    first, second = PAIRS
    both = precision[..., first, second] * torch.where(first == second, -0.5, -1.0)
    return torch.cat([constant[..., None], slope, both], -1)
