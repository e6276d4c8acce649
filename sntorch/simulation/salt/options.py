"""What a SALT fit can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sntorch.errors import ConfigError, check_number
from sntorch.physics.salt.bands import COLOR_MAX

N_PARAMETERS = 4


@dataclass(frozen=True)
class SALTOptions:
    """Choices of a fit; the defaults are those of sncosmo's ``fit_lc``.

    Attributes:
        source: sncosmo source of the model: ``salt3``, ``salt3-nir``, ``salt2:2.4``, ….
        model_covariance: Add SALT's own errors to those of the data (``modelcov``).
        phase_range: First and last rest-frame day of observations that count; null: all.
        wave_range: Rest-frame Å between which a band's mean wavelength must lie; null: all.
        min_snr: A supernova without an observation above is not fitted.
        min_observations: One with fewer observations is not fitted.
        x1_range, c_range: Bounds; a fit that ends at one is not converged.
        starts: Starting points in t0 at most; a second one is tried where the fit is poor.
        refit_change: With model errors: refit until no parameter changes by more standard
            deviations than this.
        max_fits: At most so many fits.
        chunk: Supernovae fitted side by side: bounds the memory.

    Raises:
        ConfigError: A value that is not accepted.
    """

    source: str = "salt3"
    model_covariance: bool = False
    phase_range: tuple[float, float] | None = None
    wave_range: tuple[float, float] | None = None
    min_snr: float = 5.0
    min_observations: int = N_PARAMETERS + 1
    x1_range: tuple[float, float] = (-20.0, 20.0)
    c_range: tuple[float, float] = (-COLOR_MAX, COLOR_MAX)
    starts: int = 2
    refit_change: float = 0.1
    max_fits: int = 22
    chunk: int = 256

    def __post_init__(self) -> None:
        for name in ("phase_range", "wave_range", "x1_range", "c_range"):
            self._check_range(name)
        low, high = self.c_range
        if max(-low, high) > COLOR_MAX:
            raise ConfigError(
                f"c_range={list(self.c_range)}: within ±{COLOR_MAX:g} is accepted, where the "
                "photometry holds"
            )
        for name in ("min_snr", "refit_change"):
            check_number(name, getattr(self, name))
        for name in ("starts", "max_fits", "chunk", "min_observations"):
            least = N_PARAMETERS + 1 if name == "min_observations" else 1
            value = getattr(self, name)
            check_number(name, value, whole=True)
            if value < least:
                raise ConfigError(f"{name}={value}: at least {least} is accepted")

    def _check_range(self, name: str) -> None:
        value: Any = getattr(self, name)
        if value is None and name in ("phase_range", "wave_range"):
            return
        try:
            low, high = (float(v) for v in value or ())
        except (TypeError, ValueError):
            low, high = 0.0, 0.0
        if not low < high:
            raise ConfigError(f"{name}={value}: two increasing numbers are accepted")
        object.__setattr__(self, name, (low, high))
