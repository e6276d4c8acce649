"""What is asked of supernovae that a model is trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from sntorch.bayesn.preparation import Preparation
from sntorch.errors import ConfigError, check_number

LIKELIHOODS = ("magnitude", "flux")
LOWEST = {
    "peculiar_velocity": 0.0,
    "redshift_err": 0.0,
    "error_floor": 0.0,
    "min_redshift": 0.0,
    "max_redshift": 0.0,
    "max_mwebv": 0.0,
    "min_bands": 1,
    "min_supernovae": 2,
}
WHOLE = ("min_bands", "min_supernovae")
OPTIONAL = ("redshift_err", "min_redshift", "max_redshift", "max_mwebv")


@dataclass(frozen=True)
class SampleSettings:
    """Which supernovae and observations a model is trained on, and with which errors.

    Attributes:
        likelihood: Of ``magnitude``, as published models were trained, which cannot use fluxes
            <= 0: these are left out; or of ``flux``.
        peculiar_velocity: Standard deviation of peculiar velocities, km/s.
        flow_correction: Whether the files' redshifts are corrected for the peculiar velocity that
            the files give (VPEC); redshifts of a table of headers are left as they are.
        redshift_err: Of supernovae whose file gives none; None counts it as 0.
        error_floor: Least error of an observation, mag.
        min_redshift, max_redshift: Of the accepted, in the frame of the cosmic microwave
            background.
        max_mwebv: Largest Milky-Way E(B-V), mag.
        min_bands: A supernova with observations in fewer bands is left out.
        need_host_mass: Whether supernovae without a host mass are left out.
        exclude: Names of supernovae to leave out.
        min_supernovae: Fewer are refused: a population cannot be learnt from them.
        preparation: What else is left out.

    Raises:
        ConfigError: A value that is not accepted.
    """

    likelihood: str = "magnitude"
    peculiar_velocity: float = 150.0
    flow_correction: bool = False
    redshift_err: float | None = None
    error_floor: float = 0.0
    min_redshift: float | None = None
    max_redshift: float | None = None
    max_mwebv: float | None = None
    min_bands: int = 2
    need_host_mass: bool = False
    exclude: Sequence[str] = ()
    min_supernovae: int = 10
    preparation: Preparation = field(default_factory=Preparation)

    def __post_init__(self) -> None:
        if self.likelihood not in LIKELIHOODS:
            accepted = ", ".join(LIKELIHOODS)
            raise ConfigError(f"likelihood={self.likelihood}: accepted are {accepted}")
        for name, least in LOWEST.items():
            value = getattr(self, name)
            check_number(name, value, whole=name in WHOLE)
            if value is None and name in OPTIONAL:
                continue
            if value is None or not least <= value < float("inf"):
                raise ConfigError(f"{name}={value}: at least {least:g} is accepted")
        for name in ("flow_correction", "need_host_mass"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"{name}={getattr(self, name)}: true or false is accepted")
        if isinstance(self.exclude, str) or not isinstance(self.exclude, Sequence):
            raise ConfigError(f"exclude={self.exclude}: a list of names is accepted")
        if not isinstance(self.preparation, Preparation):
            raise ConfigError(f"preparation={self.preparation}: a Preparation is accepted")
