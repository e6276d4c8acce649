"""From light curves to what training needs: photometry, expected distances and their errors.

Mandel et al. (2022, arXiv:2008.07538) and Thorp et al. (2021, arXiv:2102.05678): a distance is
expected at mu(z_CMB) with the error that the redshift's own error and peculiar velocities leave,

    sigma_mu = 5 / (z ln 10) sqrt(sigma_z^2 + (sigma_pec / c)^2).

The z before the root is heliocentric, as in the reference implementation. Deviation: c is not
rounded to 300,000 km/s.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sntorch.bayesn.candidates import (
    Candidate,
    Headers,
    candidates,
    contents,
    cut,
    join_by_name,
    left_out,
)
from sntorch.bayesn.knots import check_knots
from sntorch.bayesn.observations import Observations
from sntorch.bayesn.preparation import as_light_curves, prepare, read_headers
from sntorch.bayesn.sample_settings import SampleSettings
from sntorch.data.batch import LightCurveBatch
from sntorch.errors import DataError
from sntorch.physics.cosmology import SPEED_OF_LIGHT, Cosmology
from sntorch.physics.sed import SEDModel

__all__ = ["SampleSettings", "TrainingSample", "distance_error", "training_sample"]

log = logging.getLogger(__name__)


@dataclass(eq=False)
class TrainingSample:
    """Supernovae to train on; S of them.

    Attributes:
        observations: Their photometry; ``muhat`` is the distance modulus of ``redshift_cmb``.
        distance_err: Standard deviation of the expected distance modulus, mag, shape (S,).
        host_mass: log10 of the host's stellar mass in solar masses, shape (S,), NaN where unknown.
        redshift_cmb: In the frame of the cosmic microwave background, shape (S,).
        object_id: Names, length S.
        excluded: Names and reasons of those left out.
        notes: What was left out or assumed, counted, for the report.
    """

    observations: Observations
    distance_err: Tensor
    host_mass: Tensor
    redshift_cmb: Tensor
    object_id: list[str]
    excluded: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.object_id)

    def take(self, index: Tensor) -> TrainingSample:
        """The chosen supernovae.

        Args:
            index: Places, integers of shape (N,), or True for each chosen one, shape (S,).
        """
        places = torch.arange(len(self))[index.cpu()].tolist()
        return replace(
            self,
            observations=self.observations.take(index),
            distance_err=self.distance_err[index],
            host_mass=self.host_mass[index],
            redshift_cmb=self.redshift_cmb[index],
            object_id=[self.object_id[i] for i in places],
        )

    def to(self, *args: Any, **kwargs: Any) -> TrainingSample:
        """Move to a device; a dtype applies to floating-point tensors."""
        return replace(
            self,
            observations=self.observations.to(*args, **kwargs),
            distance_err=self.distance_err.to(*args, **kwargs),
            host_mass=self.host_mass.to(*args, **kwargs),
            redshift_cmb=self.redshift_cmb.to(*args, **kwargs),
        )


def distance_error(redshift: Tensor, redshift_err: Tensor, peculiar_velocity: float) -> Tensor:
    """Standard deviation of the distance modulus expected for a redshift, mag.

    Args:
        redshift: Heliocentric, shape (S,).
        redshift_err: Its standard deviation, shape (S,).
        peculiar_velocity: Standard deviation of peculiar velocities, km/s.
    """
    spread = (redshift_err.square() + (peculiar_velocity / SPEED_OF_LIGHT) ** 2).sqrt()
    return 5 / (redshift * math.log(10)) * spread


def training_sample(
    light_curves: Any,
    sed: SEDModel,
    settings: SampleSettings | None = None,
    headers: Headers | str | Path | None = None,
    cosmology: Cosmology | None = None,
) -> TrainingSample:
    """Supernovae to train on, those left out, and what was assumed.

    Args:
        light_curves: Light curves, one or many; a batch; an astropy table; a file or a folder.
            Those of one name are joined: photometry of one supernova by several telescopes.
        sed: Has the knots: bands outside its wavelengths and observations outside its phases go.
        settings: What else goes.
        headers: A table of better headers, a file or its content (``preparation.read_headers``):
            times of peak above all, since most training holds them fixed.
        cosmology: For the expected distances.

    Raises:
        ConfigError: A band that is in no registry.
        DataError: Too few supernovae, or a knot that the data do not reach.
    """
    settings = settings or SampleSettings()
    table = read_headers(headers) if isinstance(headers, str | Path) else headers or {}
    given = as_light_curves(light_curves)
    joined = join_by_name(given)
    _check_names([lc.object_id for lc in joined], settings)
    prepared = prepare(joined, sed, settings.preparation, table)
    found = candidates(prepared, table, settings)
    chosen, excluded = cut(found, settings)
    excluded = prepared.failures + excluded
    _check_number(len(chosen), len(joined), excluded, settings)
    check_knots([c.light_curve for c in chosen], sed)
    sample = _assembled(chosen, settings, cosmology or Cosmology())
    _check_finite(sample)
    sample.excluded = excluded
    names = {c.light_curve.object_id for c in chosen}
    kept = [i for i, c in enumerate(found) if c.light_curve.object_id in names]
    before, dropped = [found[i] for i in kept], [prepared.dropped[i] for i in kept]
    sample.notes = [*contents(chosen), *left_out(before, joined, dropped, sed, settings)]
    if len(given) > len(joined):
        n = len(given) - len(joined)
        sample.notes.append(f"{n} light curves joined to others of the same name")
    for line in sample.notes:
        log.info("%s", line)
    return sample


def _assembled(
    chosen: Sequence[Candidate], settings: SampleSettings, cosmology: Cosmology
) -> TrainingSample:
    batch = LightCurveBatch.from_light_curves([c.light_curve for c in chosen])
    redshift_cmb, host_mass = (
        torch.tensor([getattr(c, name) for c in chosen], dtype=torch.float64)
        for name in ("redshift_cmb", "host_mass")
    )
    muhat = cosmology.distmod(redshift_cmb)
    observations = Observations.from_batch(batch, muhat, settings.error_floor)
    error = distance_error(batch.redshift, batch.redshift_err, settings.peculiar_velocity)
    return TrainingSample(observations, error, host_mass, redshift_cmb, list(batch.object_id))


def _check_names(names: Sequence[str], settings: SampleSettings) -> None:
    unknown = [name for name in map(str, settings.exclude) if name not in names]
    if unknown:
        alike = ", ".join(get_close_matches(unknown[0], names, n=3)) or "none"
        raise DataError(
            f"exclude: no light curve of {', '.join(unknown)}; names like it are: {alike}"
        )


def _check_number(
    n: int, of: int, excluded: Sequence[tuple[str, str]], settings: SampleSettings
) -> None:
    if n >= settings.min_supernovae:
        return
    some = "; ".join(f"{name}: {why}" for name, why in excluded[:3])
    more = f" (and {len(excluded) - 3} more)" if len(excluded) > 3 else ""
    raise DataError(
        f"{n} of {of} supernovae can be trained on, at least {settings.min_supernovae} are needed "
        f"(min_supernovae){'; left out: ' * bool(some)}{some}{more}"
    )


def _check_finite(sample: TrainingSample) -> None:
    """Refuse what would make the density NaN: a wild header, say."""
    columns = {"distance_err": sample.distance_err, "redshift_cmb": sample.redshift_cmb}
    for f in fields(sample.observations):
        value = getattr(sample.observations, f.name)
        if isinstance(value, Tensor):
            columns[f.name] = value
    for name, value in columns.items():
        bad = ~value.isfinite().reshape(len(sample), -1).all(1)
        if bad.any():
            names = [sample.object_id[i] for i in bad.nonzero().flatten().tolist()]
            raise DataError(f"{name} of {', '.join(names)} is no finite number: leave these out")
