"""From light curves as a survey gives them to those that can be fitted, and why others cannot."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from sntorch.data.light_curve import FLUXCAL_ZEROPOINT, LightCurve
from sntorch.errors import ConfigError, DataError, check_number
from sntorch.physics.bandpasses import canonical_name, get_bandpass
from sntorch.physics.cosmology import Cosmology
from sntorch.physics.sed import SEDModel

if TYPE_CHECKING:
    from pandas import DataFrame

log = logging.getLogger(__name__)

CMB_KEYS = ("REDSHIFT_CMB", "REDSHIFT_FINAL", "zHD", "ZHD")
# Columns of a table of headers, and the attribute of a light curve that each sets.
HEADER_COLUMNS = {
    "object_id": "object_id",
    "SNID": "object_id",
    "CID": "object_id",
    "SEARCH_PEAKMJD": "peak_mjd",
    "PEAKMJD": "peak_mjd",
    "peak_mjd": "peak_mjd",
    # What an earlier fit found: PKMJD of a FITRES table, peak_mjd_mean of a summary.csv.
    "PKMJD": "peak_mjd",
    "peak_mjd_mean": "peak_mjd",
    "REDSHIFT_HELIO": "redshift",
    "redshift": "redshift",
    "REDSHIFT_HELIO_ERR": "redshift_err",
    "redshift_err": "redshift_err",
    "MWEBV": "mwebv",
    "mwebv": "mwebv",
    "REDSHIFT_CMB": "redshift_cmb",
    "redshift_cmb": "redshift_cmb",
    "REDSHIFT_CMB_ERR": "redshift_cmb_err",
    "redshift_cmb_err": "redshift_cmb_err",
    "HOSTGAL_LOGMASS": "host_mass",
    "HOST_LOGMASS": "host_mass",
    "host_mass": "host_mass",
}
# Of these, those that are no attributes of a light curve.
BESIDE = ("redshift_cmb", "redshift_cmb_err", "host_mass")
PEAKS = ("header", "brightest")
# Models that begin here (M20, W22), Å, were trained with B and redder bands, from there on.
GUESSED = (3000.0, 4000.0)


@dataclass(frozen=True)
class Preparation:
    """What is done to light curves before they are fitted.

    Attributes:
        drop_bands: Bands to leave out.
        min_wavelength: Bands whose pivot wavelength in the rest frame is less, Å, are left out:
            models are trained with some bands and are guesses bluewards of them.
        min_observations: A supernova with fewer observations within the model's phases is
            reported, not fitted.
        peak: Where t_max counts from: the file's ``header``, or the ``brightest`` observation
            (largest flux among those with S/N > 5) where the header gives none.
        mwebv: Milky-Way E(B-V), mag, of supernovae whose file gives none; default: they are
            reported.

    Raises:
        ConfigError: A value that is not accepted.
    """

    drop_bands: tuple[str, ...] = ()
    min_wavelength: float = 0.0
    min_observations: int = 5
    peak: str = "header"
    mwebv: float | None = None

    def __post_init__(self) -> None:
        names = [self.drop_bands] if isinstance(self.drop_bands, str) else self.drop_bands
        object.__setattr__(self, "drop_bands", tuple(canonical_name(name) for name in names))
        check_number("min_observations", self.min_observations, whole=True)
        check_number("min_wavelength", self.min_wavelength)
        check_number("mwebv", self.mwebv)
        if self.peak not in PEAKS:
            raise ConfigError(f"peak={self.peak}: accepted are {', '.join(PEAKS)}")
        if self.min_observations < 1:
            raise ConfigError(f"min_observations={self.min_observations}: at least 1 is accepted")


@dataclass(eq=False)
class Prepared:
    """Light curves that can be fitted.

    Attributes:
        light_curves: With only the observations that the model describes; the header complete.
        muhat: Distance modulus expected for each redshift (in the frame of the cosmic microwave
            background where the file gives it), mag, length B.
        redshift_cmb: The redshift that it is expected for, length B.
        dropped: Bands left out of each, length B.
        failures: Names and reasons of those that cannot be fitted.
    """

    light_curves: list[LightCurve] = field(default_factory=list)
    muhat: list[float] = field(default_factory=list)
    redshift_cmb: list[float] = field(default_factory=list)
    dropped: list[tuple[str, ...]] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)

    def statistics(self) -> DataFrame:
        """The columns of ``Posterior.statistics`` that are known before fitting."""
        from pandas import DataFrame

        return DataFrame(
            {
                "object_id": [lc.object_id for lc in self.light_curves],
                "n_observations": [len(lc) for lc in self.light_curves],
                "n_dropped_bands": [len(names) for names in self.dropped],
                "dropped_bands": [",".join(names) for names in self.dropped],
                "muhat": self.muhat,
            }
        )

    def take(self, index: Iterable[int]) -> Prepared:
        """The chosen ones, without the failures."""
        chosen = list(index)
        columns = ("light_curves", "muhat", "redshift_cmb", "dropped")
        return Prepared(**{k: [getattr(self, k)[i] for i in chosen] for k in columns})


def as_light_curves(data: Any) -> Sequence[LightCurve]:
    """Light curves from whatever a user has: objects, a batch, a table, a file or a folder."""
    from sntorch.data.batch import LightCurveBatch
    from sntorch.data.io import read

    if isinstance(data, LightCurve):
        return [data]
    if isinstance(data, LightCurveBatch):
        return data.to_light_curves()
    if isinstance(data, str | Path):
        return read(data)
    if hasattr(data, "colnames"):
        from sntorch.data.io.sncosmo import from_table

        return [from_table(data)]
    return list(data)


def read_headers(path: str | Path) -> dict[str, dict[str, Any]]:
    """Headers by object name and file name, from a table in text.

    Its columns are separated by blanks or commas. It takes precedence over the files' own
    headers: a better time of peak, a redshift. -9, -99 and -999 stand for what is missing.

    Raises:
        DataError: No such file, or no column with the objects' names.
    """
    import pandas as pd

    from sntorch.data.io.reading import MISSING

    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    lines = [line for line in path.read_text().splitlines() if line.strip()]
    separator = "," if lines and "," in lines[0] else r"\s+"
    table: Any = pd.read_csv(path, sep=separator, comment="#", dtype=str)
    known = {c: HEADER_COLUMNS[c] for c in table.columns if c in HEADER_COLUMNS}
    if "object_id" not in known.values():
        raise DataError(f"{path}: no column SNID, CID or object_id; found {list(table.columns)}")
    files = table["files"] if "files" in table.columns else [""] * len(table)
    table = table[list(known)].rename(columns=known)
    table = table.loc[:, ~table.columns.duplicated()]
    try:
        numbers = table.drop(columns="object_id").astype(float).replace(list(MISSING), np.nan)
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error
    rows = [dict(row) for row in numbers.to_dict("records")]
    found = {str(n): row for n, row in zip(table["object_id"], rows, strict=True)}
    # Files whose own name for the object differs are told by their file name.
    for names, row in zip(files, rows, strict=True):
        found.update({Path(name).name: row for name in str(names).split(",") if name})
    return found


def prepare(
    light_curves: Sequence[LightCurve],
    sed: SEDModel,
    options: Preparation | None = None,
    headers: Mapping[str, Mapping[str, float]] | None = None,
    cosmology: Cosmology | None = None,
) -> Prepared:
    """Complete headers, choose observations, and find who cannot be fitted.

    Args:
        light_curves: As read.
        sed: The model; bands outside its wavelengths and observations outside its phases go.
        options: What else goes.
        headers: Header values by object name that replace the files'.
        cosmology: For the expected distances.

    Raises:
        ConfigError: A band that is in no registry.
        DataError: No supernova can be fitted; the message says why.
    """
    options = options or Preparation()
    headers = headers or {}
    prepared = Prepared()
    for light_curve in light_curves:
        header = find_header(headers, light_curve)
        try:
            chosen, names, redshift = _prepare_one(light_curve, sed, options, header)
        except _CannotFit as reason:
            prepared.failures.append((light_curve.object_id, str(reason)))
            continue
        prepared.light_curves.append(chosen)
        prepared.dropped.append(names)
        prepared.redshift_cmb.append(redshift)
    _report(prepared, len(light_curves))
    _warn_of_guesses(prepared, sed)
    z = torch.tensor(prepared.redshift_cmb, dtype=torch.float64)
    prepared.muhat = (cosmology or Cosmology()).distmod(z).tolist()
    return prepared


def find_header(
    headers: Mapping[str, Mapping[str, float]], light_curve: LightCurve
) -> Mapping[str, float]:
    """What a table of headers says of a light curve, by its name or its file's; or nothing."""
    file = Path(light_curve.source.split(": ")[0]).name
    return headers.get(light_curve.object_id) or headers.get(file) or {}


class _CannotFit(Exception):  # noqa: N818
    """Why a supernova is left out."""


def _prepare_one(
    light_curve: LightCurve, sed: SEDModel, options: Preparation, header: Mapping[str, float]
) -> tuple[LightCurve, tuple[str, ...], float]:
    light_curve = _completed(light_curve, options, header)
    names = np.array([canonical_name(name) for name in light_curve.bands])
    redshift = light_curve.redshift
    least = options.min_wavelength * (1 + redshift)
    seen = [
        n not in options.drop_bands
        and get_bandpass(n).pivot_wavelength >= least
        and bool(sed.covers(n, redshift))
        for n in names
    ]
    used = np.unique(light_curve.band_index)
    dropped = tuple(sorted({str(names[i]) for i in used if not seen[i]}))
    phase = (light_curve.time - light_curve.peak_mjd) / (1 + redshift)
    first, last = sed.phase_range
    keep = np.asarray(seen, dtype=bool)[light_curve.band_index] if len(names) else phase > phase
    keep = keep & (phase > first) & (phase < last) & (light_curve.flux_err > 0)
    keep &= np.isfinite(light_curve.flux) & np.isfinite(light_curve.flux_err)
    keep &= ~np.asarray(light_curve.upper_limit)
    n = int(keep.sum())
    if n < options.min_observations:
        bands = f"; bands outside the model: {', '.join(dropped)}" if dropped else ""
        raise _CannotFit(
            f"too few points: {n} of {len(light_curve)} observations between {first:g} and "
            f"{last:g} rest-frame days of MJD {light_curve.peak_mjd:.2f}, "
            f"{options.min_observations} are needed{bands}"
        )
    chosen = replace(light_curve.keep(keep), bands=tuple(str(name) for name in names))
    return chosen, dropped, _cmb_redshift(light_curve, header)


def _completed(
    light_curve: LightCurve, options: Preparation, header: Mapping[str, float]
) -> LightCurve:
    """The light curve with zero point 27.5 and a header without gaps."""
    given = {k: float(v) for k, v in header.items() if k not in BESIDE and np.isfinite(v)}
    light_curve = replace(light_curve.with_zeropoint(FLUXCAL_ZEROPOINT), **given)
    if options.peak == "brightest" and not np.isfinite(light_curve.peak_mjd):
        light_curve = replace(light_curve, peak_mjd=_brightest(light_curve))
    if options.mwebv is not None and not np.isfinite(light_curve.mwebv):
        light_curve = replace(light_curve, mwebv=options.mwebv)
    missing = [k for k in ("redshift", "peak_mjd", "mwebv") if not _usable(light_curve, k)]
    if missing:
        place = f" in {light_curve.source}" if light_curve.source else ""
        raise _CannotFit(f"no {' and no '.join(missing)}{place}")
    return light_curve


def _usable(light_curve: LightCurve, name: str) -> bool:
    value = getattr(light_curve, name)
    return bool(np.isfinite(value)) and (name != "redshift" or value > 0)


def _brightest(light_curve: LightCurve) -> float:
    """MJD of the largest flux with S/N > 5; NaN where there is none."""
    detected = (light_curve.snr > 5) & ~np.asarray(light_curve.upper_limit)
    if not detected.any():
        return float("nan")
    return float(light_curve.time[detected][np.argmax(light_curve.flux[detected])])


def _cmb_redshift(light_curve: LightCurve, header: Mapping[str, float]) -> float:
    values = [header.get("redshift_cmb"), *(light_curve.meta.get(key) for key in CMB_KEYS)]
    for value in values:
        if isinstance(value, int | float) and np.isfinite(value) and value > 0:
            return float(value)
    return light_curve.redshift


def _warn_of_guesses(prepared: Prepared, sed: SEDModel) -> None:
    """Say which bands lie where the packaged optical-to-infrared models have not been trained."""
    if sed.wave_range[0] > GUESSED[0]:
        return
    curves = prepared.light_curves
    farthest: dict[str, float] = {}
    for lc in curves:
        for i in np.unique(lc.band_index):
            name = lc.bands[i]
            farthest[name] = max(farthest.get(name, 0.0), lc.redshift)
    blue = [name for name, z in farthest.items() if _rest_pivot(name, z) < GUESSED[1]]
    if blue:
        log.warning(
            "%s: bluer than %g Å in the rest frame, where M20 and W22 were trained with no band; "
            "min_wavelength=%g leaves such bands out",
            ", ".join(sorted(blue)),
            GUESSED[1],
            GUESSED[1],
        )


def _rest_pivot(band: str, redshift: float) -> float:
    return get_bandpass(band).pivot_wavelength / (1 + redshift)


def _report(prepared: Prepared, n: int) -> None:
    """Tell the log what was left out; an error where nothing remains."""
    if not prepared.light_curves:
        reasons = "; ".join(f"{name}: {why}" for name, why in prepared.failures[:3])
        more = f" (and {n - 3} more)" if n > 3 else ""
        raise DataError(f"no supernova can be fitted: {reasons or 'no light curves'}{more}")
    bands = Counter(name for names in prepared.dropped for name in names)
    for name, count in sorted(bands.items()):
        log.info("band %s left out of %d supernovae: not within the model", name, count)
    for name, why in prepared.failures:
        log.warning("%s is not fitted: %s", name, why)
