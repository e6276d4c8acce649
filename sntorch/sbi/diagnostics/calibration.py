"""Whether intervals hold the truth as often as they say, over many simulated surveys.

Two tests, both from draws alone, so that one pass of sampling serves them all:

* SBC (Talts et al. 2018, arXiv:1804.06788): the rank of the truth among a posterior's draws is
  uniform for every parameter. Central intervals of any level follow from the ranks.
* TARP (Lemos et al. 2023, arXiv:2302.03026): so is the share of draws that are closer than the
  truth to a random point of the parameter space; it looks at all parameters together.

A posterior that is too wide, or the prior itself, may pass both: they do not see lost information.

Letters in shapes: ``B`` surveys, ``S`` draws of each, ``D`` parameters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sntorch.errors import ConfigError
from sntorch.sbi.prior import BoxPrior
from sntorch.statistics.estimate import Estimate
from sntorch.statistics.shares import share

TARP_STREAM = 20_230_203
# Of intervals that reports tell of, percent.
LEVELS = (68, 95)


@dataclass(frozen=True, eq=False)
class Calibration:
    """Places of the truths in their posteriors; uniform numbers if the posteriors are right.

    Attributes:
        names: Of the parameters, D.
        ranks: Share of draws below the truth, shape (B, D).
        tarp: Share of draws closer to a random point than the truth, shape (B,).
    """

    names: tuple[str, ...]
    ranks: Tensor
    tarp: Tensor

    def coverage(self, level: float) -> list[Estimate]:
        """Share of surveys whose central interval of a level holds the truth, by parameter.

        Intervals of the shares are Wilson's (1927) 95 %.
        """
        inside = (self.ranks - 0.5).abs() <= level / 2
        return [share(int(count), len(self.ranks)) for count in inside.sum(0)]

    def expected_coverage(self, levels: Tensor) -> Tensor:
        """Share of surveys with the truth in TARP's region of each level, shape (L,) of (L,)."""
        return (self.tarp[:, None] <= levels).to(levels).mean(0)

    @property
    def tarp_deviation(self) -> float:
        """Largest distance of the expected coverage from its level: Kolmogorov's D."""
        return _kolmogorov(self.tarp)[0]

    def p_values(self) -> dict[str, float]:
        """Kolmogorov-Smirnov p-values: of the ranks by parameter, and of ``tarp``."""
        columns = zip((*self.names, "tarp"), (*self.ranks.T, self.tarp), strict=True)
        return {name: _kolmogorov(values)[1] for name, values in columns}


def calibrate(draws: Tensor, truth: Tensor, prior: BoxPrior, seed: int = 0) -> Calibration:
    """Where the truths lie in their posteriors.

    Args:
        draws: shape (B, S, D).
        truth: Parameters that the surveys were simulated with, drawn from ``prior``, shape (B, D).
        prior: Of the parameters. TARP's random points are drawn from it, and distances are
            measured in units of its widths.
        seed: Of the random points.

    Raises:
        ConfigError: Shapes that do not match, or truths outside the prior.
    """
    if draws.ndim != 3 or draws[:, 0].shape != truth.shape or truth.shape[1:] != (prior.dim,):
        raise ConfigError(
            f"calibration: draws (B, S, {prior.dim}) and truths (B, {prior.dim}) are accepted; "
            f"found {tuple(draws.shape)} and {tuple(truth.shape)}"
        )
    low, high = truth.new_tensor(prior.low), truth.new_tensor(prior.high)
    if bool(((truth < low) | (truth > high)).any()):
        raise ConfigError("calibration: a truth lies outside the prior that the surveys are of")
    point = reference_points(len(truth), prior.dim, seed).to(truth)
    width = high - low
    reach = ((truth - low) / width - point).norm(dim=-1)
    distance = ((draws - low) / width - point[:, None]).norm(dim=-1)
    return Calibration(
        prior.names,
        (draws < truth[:, None]).double().mean(1),
        (distance < reach[:, None]).double().mean(1),
    )


def floors(n: int, dim: int, chance: float = 0.95) -> dict[str, tuple[float, float]]:
    """What right posteriors of n surveys stay between, with a chance.

    Args:
        n: Number of surveys.
        dim: Number of parameters, all of whose shares have to stay there.
        chance: Of that.

    Returns:
        Least and largest of ``coverage_68`` and ``coverage_95`` (shares, by binomial chance for
        each parameter) and of ``tarp_deviation`` (Kolmogorov's D).
    """
    from scipy.stats import binom, kstwo

    tail = (1 - chance) / (2 * dim)
    found = {"tarp_deviation": (0.0, float(kstwo.ppf(chance, n)))}
    for level in LEVELS:
        low, high = (float(binom.ppf(q, n, level / 100)) / n for q in (tail, 1 - tail))
        found[f"coverage_{level}"] = low, high
    return found


def reference_points(n: int, dim: int, seed: int) -> Tensor:
    """TARP's random points in the unit box, shape (n, dim).

    They must know nothing of the truths: a stream of their own, so that no simulation with the
    same seed shares it.
    """
    return torch.from_numpy(np.random.default_rng([seed, TARP_STREAM]).random((n, dim)))


def _kolmogorov(values: Tensor) -> tuple[float, float]:
    from scipy.stats import kstest

    found = kstest(values.numpy(), "uniform")
    return float(found.statistic), float(found.pvalue)
