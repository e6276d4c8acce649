"""What is free and what is fixed when a supernova is fitted."""

from __future__ import annotations

from dataclasses import dataclass

from sntorch.errors import ConfigError, check_number, check_positive
from sntorch.physics.sed import SEDModel

RV_MODES = ("fixed", "population", "uniform")
RV_RANGE = (1.0, 6.0)
RV_LEAST = 1.2
NUMBERS = (
    "rv",
    "sigma_r",
    "fix_tmax",
    "fix_theta",
    "fix_av",
    "tmax_range",
    "error_floor",
)


@dataclass(frozen=True)
class FitOptions:
    """Choices of the fitting model.

    Attributes:
        rv_mode: ``fixed``, ``population`` (normal, truncated at 1.2) or ``uniform`` (1 to 6);
            default: what the SED model was trained with.
        rv: The fixed R_V, or the mean of the population; default: the SED model's.
        sigma_r: Standard deviation of the population; default: the SED model's.
        fix_tmax: Rest-frame days to hold t_max at; default: free in ±``tmax_range``.
        fix_theta: Value to hold θ at; default: free.
        fix_av: A_V to hold, mag; default: free.
        epsilon: Whether the residual surface ε is free, otherwise 0.
        free_redshift: Whether the redshift is free, with the normal prior of its error (a
            photometric redshift).
        tmax_range: Half-width of the prior of t_max, rest-frame days.
        error_floor: Least error of an observation, mag.

    Raises:
        ConfigError: A value that is not accepted.
    """

    rv_mode: str | None = None
    rv: float | None = None
    sigma_r: float | None = None
    fix_tmax: float | None = None
    fix_theta: float | None = None
    fix_av: float | None = None
    epsilon: bool = True
    free_redshift: bool = False
    tmax_range: float = 10.0
    error_floor: float = 0.0

    def __post_init__(self) -> None:
        if self.rv_mode is not None and self.rv_mode not in RV_MODES:
            raise ConfigError(f"rv_mode={self.rv_mode}: accepted are {', '.join(RV_MODES)}")
        for name in NUMBERS:
            check_number(name, getattr(self, name))
        for name in ("epsilon", "free_redshift"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"{name}={getattr(self, name)}: true or false is accepted")
        for name in ("rv", "sigma_r", "tmax_range"):
            check_positive(name, getattr(self, name))
        for name in ("fix_av", "error_floor"):
            value = getattr(self, name)
            if value is not None and not value >= 0:
                raise ConfigError(f"{name}={value}: zero or a positive number is accepted")

    def resolved(self, sed: SEDModel) -> ResolvedRV:
        """R_V's mode and numbers for an SED model.

        Raises:
            ConfigError: A population whose spread neither the options nor the model name.
        """
        default = "population" if sed.sigma_r > 0 else "fixed"
        mode = self.rv_mode or default
        mean = sed.rv if self.rv is None else self.rv
        spread = sed.sigma_r if self.sigma_r is None else self.sigma_r
        if mode == "population" and not spread > 0:
            raise ConfigError(
                "rv_mode=population: this model has one R_V for all hosts; give sigma_r (and rv)"
            )
        return ResolvedRV(mode, mean, spread)

    @property
    def shift(self) -> float:
        """Largest |t_max| that can occur, rest-frame days."""
        return self.tmax_range if self.fix_tmax is None else abs(self.fix_tmax)


@dataclass(frozen=True)
class ResolvedRV:
    """R_V's mode, its value or mean, and its spread."""

    mode: str
    mean: float
    spread: float
