"""The likelihood of one kept supernova of a Tripp sample, learnt: p(d | z, θ, kept).

As ``selected_flow.py``, for supernovae with covariances of their own. Before selection d is
normal, and what a selection by the measured d does to it depends on that normal distribution
alone: on its mean and its covariance C = L Lᵀ, whatever the θ behind them. So the flow sees
L⁻¹ (d - mean), which without selection is white, and as conditions the mean and L: it has to learn
the tilt of selection, not the population, and serves any number of population parameters. d is
taken in the order x1, c, m here, so that where stretch and colour have to lie within a range,
which no smooth density ends at, the white numbers can be stretched to whole normal ones.

Letters in shapes: ``B`` samples, ``N`` supernovae, ``C`` points θ, ``M`` supernovae of a batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Self

import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from sntorch.errors import ConfigError
from sntorch.sbi.kept_density import KeptDensity
from sntorch.sbi.prior import BoxPrior
from sntorch.sbi.summary_simulator import draw_prior
from sntorch.sbi.taking import taken
from sntorch.sbi.tripp import TrippSample, factor_features, simulate_tripp, tripp_moments
from sntorch.sbi.tripp_selection import TrippSelection

# Of m, x1 and c in the data: stretch and colour first.
ORDER = [1, 2, 0]
# Probability that is as good as none.
LEAST = 1e-12
# Supernovae of one θ in a batch.
EACH = 16
N_SCALING = 20_000
# Data (M, 3) in that order, their mean and the factor of their covariance before selection.
Supernovae = tuple[Tensor, Tensor, Tensor]


class TrippFlow(KeptDensity):
    """p(d | kept) given mean and L of the supernova, by a neural spline flow of white data.

    Args:
        ranges: |x1| and |c| beyond which nothing is kept; infinite for none.
        transforms: Number of spline transforms.
        hidden: Width of the two hidden layers of each.
        bins: Number of bins of each spline.
        learning_rate: Largest of a one-cycle schedule.
        steps: Length of the schedule, in batches.
    """

    def __init__(
        self,
        ranges: Sequence[float] = (math.inf, math.inf),
        transforms: int = 3,
        hidden: int = 64,
        bins: int = 8,
        learning_rate: float = 3e-3,
        steps: int = 1_500,
    ) -> None:
        super().__init__(3, 9, transforms, hidden, bins, learning_rate, steps)
        self.ranges = tuple(float(r) for r in ranges)
        self.config = {"ranges": list(self.ranges), **self.network}
        self.save_hyperparameters(self.config)

    def columns(self, *supernovae: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Conditions (..., 9) of ``Supernovae``, white data (..., 3), ln of their volume (...)."""
        _, mean, factor = supernovae
        white, log_volume = self.whitened(*supernovae)
        return torch.cat([mean, factor_features(factor)], -1), white, log_volume

    def whitened(self, data: Tensor, mean: Tensor, factor: Tensor) -> tuple[Tensor, Tensor]:
        """White data (..., 3), and ln of their volume for that of the data (...).

        Beyond the ranges, where nothing is kept, that is -inf.
        """
        residual = (data - mean)[..., None]
        white = torch.linalg.solve_triangular(factor, residual, upper=False)[..., 0]
        log_volume = -factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        columns = list(white.unbind(-1))
        middle = mean[..., 0], mean[..., 1] + factor[..., 1, 0] * columns[0]
        for k, (reach, centre) in enumerate(zip(self.ranges, middle, strict=True)):
            if math.isinf(reach):
                continue
            size = factor[..., k, k]
            columns[k], more = stretched(
                columns[k], (-reach - centre) / size, (reach - centre) / size
            )
            inside = data[..., k].abs() < reach
            log_volume = torch.where(inside, log_volume + more, -torch.inf)
        return torch.stack(columns, -1), log_volume


def stretched(value: Tensor, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Standard normal numbers between bounds as standard normal ones without, and ln |dv/du|."""
    first, mass = torch.special.ndtr(low), torch.special.ndtr(high) - torch.special.ndtr(low)
    mass = mass.clamp(min=LEAST)
    share = ((torch.special.ndtr(value) - first) / mass).clamp(LEAST, 1 - LEAST)
    found = torch.special.ndtri(share)
    return found, (found**2 - value**2) / 2 - mass.log()


def normal_parts(sample: TrippSample, theta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Data, mean and factor of the covariance before selection, in the order x1, c, m.

    Args:
        sample: B samples.
        theta: shape (B, 8) or (B, C, 8).

    Returns:
        Shapes (B, N, 3) or (B, 1, N, 3), (..., N, 3) and (..., N, 3, 3).
    """
    mean, covariance = tripp_moments(sample, theta)
    factor, _ = torch.linalg.cholesky_ex(covariance[..., ORDER, :][..., ORDER])
    data = sample.data[..., ORDER]
    return data if theta.ndim == 2 else data[:, None], mean[..., ORDER], factor


class KeptSupernovae(IterableDataset[Supernovae]):
    """Batches of kept supernovae, with the redshifts and errors of those of a sample.

    Args:
        sample: Redshifts, distances and covariances.
        selection: What is kept.
        prior: Of θ.
        batch: Supernovae in a batch.
        steps: Number of batches.
        seed: Any integer; batches of other seeds have no number in common.
    """

    def __init__(
        self,
        sample: TrippSample,
        selection: TrippSelection,
        prior: BoxPrior,
        batch: int,
        steps: int,
        seed: int,
    ) -> None:
        self.each = min(EACH, len(sample.names))
        if batch < self.each or steps < 1:
            raise ConfigError(
                f"batches of {self.each} supernovae or more, and one of them at least, are "
                f"accepted; found {batch} and {steps}"
            )
        self.sample, self.selection, self.prior = sample, selection, prior
        self.thetas, self.steps, self.seed = batch // self.each, steps, seed

    def __iter__(self) -> Iterator[Supernovae]:
        generator = torch.Generator().manual_seed(self.seed)
        for step in range(self.steps):
            chosen = torch.randperm(len(self.sample.names), generator=generator)[: self.each]
            part, first = self.sample.of(chosen), step * self.thetas
            theta = draw_prior(self.prior, self.thetas, self.seed, first)
            data = simulate_tripp(part, theta, self.selection, self.seed, first)
            data, mean, factor = normal_parts(data, theta)
            yield data.flatten(0, 1), mean.flatten(0, 1), factor.flatten(0, 1)


def fit_tripp_flow(
    sample: TrippSample,
    selection: TrippSelection,
    prior: BoxPrior,
    batch: int = 2_048,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
    **flow: int | float,
) -> TrippFlow:
    """Train a flow on supernovae simulated as it goes on; ready to be asked.

    Args:
        sample: Redshifts, distances and covariances.
        selection: What is kept.
        prior: Of θ; within it, and nowhere else, the flow is a likelihood.
        batch: Supernovae in a batch.
        seed: Of weights and supernovae.
        progress: Called with the fraction done, now and then.
        flow: Arguments of ``TrippFlow``.
    """
    return TrippFlow.fitted(
        seed,
        KeptSupernovae(sample, selection, prior, N_SCALING, 1, seed + 1),
        lambda steps: KeptSupernovae(sample, selection, prior, batch, steps, seed),
        progress,
        ranges=selection.ranges,
        **flow,
    )


class TrippFlowLikelihood:
    """Σ ln p(d | z, θ, kept) of B samples at C points each.

    Args:
        flow: Trained.
        sample: The supernovae.
    """

    def __init__(self, flow: TrippFlow, sample: TrippSample) -> None:
        self.flow, self.sample = flow, sample

    def __len__(self) -> int:
        return len(self.sample)

    def __call__(self, theta: Tensor) -> Tensor:
        """ln p, shape (B, C), of θ (B, C, 8)."""
        return self.flow.log_prob(*normal_parts(self.sample, theta)).sum(-1)

    def take(self, index: Tensor) -> Self:
        """That of the chosen samples."""
        return taken(self, index, "sample")
