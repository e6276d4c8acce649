"""A cut on what a SALT fit finds: stretch, colour, their errors, and whether it fits at all."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from sntorch.data.batch import LightCurveBatch
from sntorch.errors import ConfigError
from sntorch.physics.salt.photometry import T0, X1, C
from sntorch.simulation.salt.fit import fit_salt3
from sntorch.simulation.salt.options import SALTOptions
from sntorch.simulation.salt.result import SALTFit
from sntorch.simulation.selection.base import Cut, Truth


@dataclass(frozen=True)
class SALTFitCut(Cut):
    """Kept where the fit converges and what it finds lies within limits.

    The limits are those of the Pantheon sample (Scolnic et al. 2018, ApJ 859, 101).
    All measurements are fitted, by what the header says of redshift and dust.

    Attributes:
        x1: |x1| is smaller.
        c: |c| is smaller.
        x1_err: Its error is smaller.
        t0_err: Its error is smaller, days.
        least_probability: Of χ², at least; 0 keeps bad fits.
        options: Of the fit.
    """

    x1: float = 3.0
    c: float = 0.3
    x1_err: float = 1.0
    t0_err: float = 2.0
    least_probability: float = 0.001
    options: SALTOptions = field(default_factory=SALTOptions)

    def __post_init__(self) -> None:
        for name in ("x1", "c", "x1_err", "t0_err"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"SALT cut: {name} > 0 is accepted; found {getattr(self, name)}")
        if not 0 <= self.least_probability < 1:
            raise ConfigError(
                f"SALT cut: least_probability in [0, 1) is accepted; found "
                f"{self.least_probability}"
            )

    def fit(self, batch: LightCurveBatch) -> SALTFit:
        """The fit that ``accepts`` judges."""
        return fit_salt3(batch, self.options)

    def accepts(self, fit: SALTFit) -> Tensor:
        """Whether each fit is one to keep, shape (B,), bool."""
        theta, errors = fit.parameters.abs(), fit.errors
        good = fit.converged & (theta[:, X1] < self.x1) & (theta[:, C] < self.c)
        good &= (errors[:, X1] < self.x1_err) & (errors[:, T0] < self.t0_err)
        if self.least_probability > 0:
            good &= fit.probability >= self.least_probability
        return good

    def probability(self, batch: LightCurveBatch, truth: Truth) -> Tensor:
        """1 where the fit of the measurements is one to keep, else 0, shape (B,)."""
        return self.accepts(self.fit(batch)).double()

    def __str__(self) -> str:
        return f"SALT fit with |x1| < {self.x1:g}, |c| < {self.c:g}"
