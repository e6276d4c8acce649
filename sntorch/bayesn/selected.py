"""P(selected | redshift, population) of every supernova of a sample that was selected by peaks.

Supernovae that were seen because they are bright have less dust than the population. With the
redshifts taken as given, the likelihood of each is divided by the probability that a supernova of
the population at its redshift is selected,

    p(D | z, φ, selected) = p(D | z, φ) P(selected | D) / P(selected | z, φ),
    P(selected | z, φ) = ∫ dA_V dR_V dDs p(A_V, R_V, Ds | z, φ) ε(A_V, R_V, Ds; z).

ε is tabulated at knots in A_V, 1 / R_V and Ds for every supernova (``selection`` learns it). The
integral is then a product of the table with weights that depend on the population alone: cubic
splines between the knots, averaged over quantiles of A_V and by Gauss-Hermite quadrature of the
other two. It is smooth in the population's parameters, and differentiable.

Assumptions. Redshift decides nothing but what the cuts say of it. P(selected | D) does not depend
on φ: the selection is one of what was seen. A selection of true peaks by another telescope is
nearly that where the light curve tells the peak: at a soft edge of 0.3 mag, and with a peak known
to 0.03 mag, what is left out moves the peak by some 0.002 mag. The SED model, with its
distribution of θ and ε, is held fixed as that of all supernovae: where it was trained on selected
ones it is not quite that.

Letters in shapes: ``S`` supernovae, ``I``, ``J``, ``K`` knots in A_V, 1 / R_V and Ds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch
from torch import Tensor

from sntorch.bayesn.hierarchy import population_rv
from sntorch.bayesn.populations import Conditions
from sntorch.bayesn.training_sample import TrainingSample
from sntorch.errors import ConfigError
from sntorch.physics.splines import spline_matrix

# Knots in A_V, mag: close where populations are, and at 0, where a natural spline is straight.
AV_KNOTS = (0.0, 0.02, 0.06, *(0.15 * i for i in range(1, 21)), 3.4, 4.0, 5.0, 6.5, 8.0)
INVERSE_RV_KNOTS = tuple(np.linspace(0.1, 1.0, 7).tolist())
# Knots in Ds less the expected distance, mag.
SHIFT_KNOTS = tuple(np.linspace(-1.5, 1.5, 21).tolist())
# Where ε falls by more between neighbouring shifts the splines do not resolve it: 0.55 is a normal
# cumulative 0.1 mag wide, where ln P is off by up to 0.14 (0.02 at 0.15 mag, 0.7 at 0.05 mag) and
# below which the splines give negative probabilities.
STEEPEST, NARROWEST = 0.55, 0.1
# A supernova's density is divided by no less: what splines leave near 0 is error.
LEAST_P = 1e-6
# Points of the averages over A_V, R_V and Ds.
N_AV, N_RV, N_SHIFT = 32, 12, 6


@dataclass(eq=False)
class SelectedSample:
    """The selection of a sample's supernovae, each with its own redshift.

    Attributes:
        efficiency: ε at the knots, shape (S, K, I J): 33 kB a supernova.
        distance_err: Standard deviation of the expected distances, mag, shape (S,).
        rule: What was selected, in words.

    Raises:
        ConfigError: An efficiency that is sharper than the knots resolve.
    """

    efficiency: Tensor
    distance_err: Tensor
    rule: str

    def __post_init__(self) -> None:
        steepest = float(self.efficiency.detach().diff(dim=1).abs().max())
        if steepest > STEEPEST:
            step = SHIFT_KNOTS[1] - SHIFT_KNOTS[0]
            raise ConfigError(
                f"selection {self.rule}: P changes by {steepest:.2f} within {step:.2f} mag, at "
                f"most {STEEPEST} is resolved; a width of at least {NARROWEST} mag is accepted"
            )

    def __len__(self) -> int:
        return len(self.efficiency)

    def check(self, sample: TrainingSample) -> None:
        """Refuse a sample of other supernovae: each has an efficiency at its own distance.

        Raises:
            ConfigError: Another number of supernovae, or another error of an expected distance.
        """
        if len(sample) != len(self):
            raise ConfigError(
                f"selection: it is that of {len(self)} supernovae, the sample has {len(sample)}; "
                "learn it from this sample"
            )
        expected = sample.distance_err.to(self.distance_err)
        other = (expected != self.distance_err).nonzero().flatten().tolist()
        if other:
            i = other[0]
            raise ConfigError(
                f"selection: it is that of other supernovae: the distance of "
                f"{sample.object_id[i]} is expected to {float(expected[i]):.4f} mag, there to "
                f"{float(self.distance_err[i]):.4f} mag; learn it from this sample"
            )

    def log_selected(self, c: Conditions) -> Tensor:
        """ln P(selected) under a population, shape (..., S).

        Args:
            c: Of the population; values of shape (..., S) or (..., 1).

        Raises:
            ConfigError: A population with SEDs of its own.
        """
        if c.w0_shift is not None:
            raise ConfigError(
                "selection: a population with mean SEDs of its own has peaks of its own; "
                "populations of dust and grey offsets are accepted"
            )
        by_dust = self._av(c)[..., :, None] * self._rv(c)[..., None, :]
        by_shift = self._shift(c)
        seen = torch.einsum("...sk,skn->...sn", by_shift, self.efficiency)
        found = (seen * by_dust.flatten(-2)).sum(-1)
        # Splines ring a little where next to all are selected, or next to none.
        return found.clamp(LEAST_P, 1.0).log()

    def take(self, index: Tensor) -> SelectedSample:
        """The chosen supernovae."""
        efficiency, error = self.efficiency[index], self.distance_err[index]
        return replace(self, efficiency=efficiency, distance_err=error)

    def _av(self, c: Conditions) -> Tensor:
        """Weights of the knots in A_V, shape (..., S or 1, I)."""
        node, weight = _legendre(N_AV)
        av = -c.tau_a[..., None] * torch.log1p(-self._number(node))
        return self._weights(AV_KNOTS, av, weight)

    def _rv(self, c: Conditions) -> Tensor:
        """Weights of the knots in 1 / R_V, shape (..., S or 1, J)."""
        if c.rv is not None:
            return self._weights(INVERSE_RV_KNOTS, 1 / c.rv[..., None], [1.0])
        assert c.mu_r is not None
        assert c.sigma_r is not None
        node, weight = _hermite(N_RV)
        rv = population_rv(self._number(node), c.mu_r[..., None], c.sigma_r[..., None])
        return self._weights(INVERSE_RV_KNOTS, 1 / rv, weight)

    def _shift(self, c: Conditions) -> Tensor:
        """Weights of the knots in Ds, shape (..., S, K)."""
        node, weight = _hermite(N_SHIFT)
        scale = torch.sqrt(self.distance_err.square() + c.sigma0.square())
        shift = scale[..., None] * self._number(node)
        if c.delta_m is not None:
            shift = shift + c.delta_m[..., None]
        return self._weights(SHIFT_KNOTS, shift, weight)

    def _weights(self, knots: Sequence[float], at: Tensor, weight: Sequence[float]) -> Tensor:
        """Mean over points (..., Q) of a spline's rows; beyond the knots the last ones count."""
        place = self._number(knots)
        rows = spline_matrix(place, at.clamp(place[0], place[-1]))
        return self._number(weight) @ rows

    def _number(self, values: Sequence[float]) -> Tensor:
        return self.efficiency.new_tensor(values)


@cache
def _legendre(n: int) -> tuple[list[float], list[float]]:
    """Points and weights of the mean over (0, 1)."""
    node, weight = np.polynomial.legendre.leggauss(n)
    return ((1 + node) / 2).tolist(), (weight / 2).tolist()


@cache
def _hermite(n: int) -> tuple[list[float], list[float]]:
    """Points and weights of the mean over a standard normal."""
    node, weight = np.polynomial.hermite_e.hermegauss(n)
    return node.tolist(), (weight / weight.sum()).tolist()
