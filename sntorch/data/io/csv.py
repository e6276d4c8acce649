"""Long CSV tables: one row an observation, as fluxes or as magnitudes, of one object or of many.

Columns are found by their usual names (``ALIASES``); the option ``columns={"flux": "my_flux"}``
names others. Magnitudes become fluxes at the zero point 27.5. Where the table or the option
``magsys`` names a magnitude system (``ab``, ``vega``), values are brought to that of the bandpass.
An upper limit is kept as the flux of the limit with ``upper_limit`` true; without an error of its
own its ``flux_err`` is a third of it (a 3-sigma limit).

A table with the Open Supernova Catalog's columns ``instrument`` and ``system`` is read by the
catalog's rules of ``filters.yaml``; redshifts, types and E(B-V) come from ``objects.csv`` beside
it, or from the option ``objects``.

What we write holds everything of a light curve but ``meta``, with all digits; of ``meta`` it keeps
the provenance of an augmented sample.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sntorch.data import filters, magnitudes, provenance
from sntorch.data.io import tables
from sntorch.data.io.checks import Columns
from sntorch.data.io.reading import NAN, Reading, number
from sntorch.data.light_curve import FLUXCAL_ZEROPOINT, LightCurve
from sntorch.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

ALIASES = {
    "object_id": (
        "object_id",
        "name",
        "snid",
        "cid",
        "id",
        "oid",
        "objid",
        "sn",
        "event",
        "object",
    ),
    "time": ("time", "mjd", "mjd_obs", "mjdobs", "date"),
    "jd": ("jd", "hjd", "bjd"),
    "band": ("band", "filter", "passband", "bandpass", "flt", "filt"),
    "flux": ("flux", "fluxcal", "flux_cal"),
    "flux_err": (
        "flux_err",
        "fluxerr",
        "flux_error",
        "fluxerror",
        "fluxcalerr",
        "e_flux",
        "sigma_flux",
        "dflux",
    ),
    "magnitude": ("magnitude", "mag", "m", "magpsf"),
    "magnitude_err": (
        "e_magnitude",
        "magerr",
        "mag_err",
        "magnitude_err",
        "emag",
        "mag_error",
        "dmag",
        "sigmapsf",
    ),
    "zeropoint": ("zp", "zeropoint", "zpt", "zero_point"),
    "magsys": ("system", "zpsys", "magsys", "magsystem"),
    "instrument": ("instrument", "telescope"),
    "upper_limit": ("upper_limit", "upperlimit", "limit", "is_limit"),
    "type": ("type", "class", "sn_type", "sntype", "label"),
    "redshift": ("redshift", "z", "zhel", "redshift_helio"),
    "redshift_err": ("redshift_err", "z_err", "zerr", "e_redshift"),
    "mwebv": ("mwebv", "ebv", "mw_ebv"),
    "peak_mjd": ("peak_mjd", "peakmjd", "t0", "tmax"),
    "survey": ("survey",),
}
TEXTS = ("object_id", "band", "magsys", "instrument", "type", "survey")
NUMBERS = ("redshift", "redshift_err", "mwebv", "peak_mjd")
LIMIT_SIGMA = 3.0
JD_OFFSET = 2_400_000.5
TRUE = ("true", "t", "1", "yes", "y", "<")


def read(reading: Reading) -> list[LightCurve]:
    """All objects of a table, or of ``photometry.csv`` in a folder."""
    path = table_file(reading.path)
    texts = [name for role in TEXTS for name in ALIASES[role]]
    origin = [name for name, kind in provenance.PROVENANCE.items() if kind is str]
    table = tables.read_csv(path, texts=[*texts, *origin, *_named(reading).values()])
    roles = _roles(table, reading, path)
    if not table.num_rows:
        raise DataError(f"{path}: a header line but no rows")
    ids, index = _ids(table, roles, path)
    order, lengths = tables.by_object(index, len(ids))
    headers = _headers(ids, table.take(order), roles, lengths, reading, path)
    survey = next((h["survey"] for h in headers if h["survey"]), "")
    columns, names, zeropoint = _columns(table.take(order), roles, survey, reading)
    objects = ({**h, "zeropoint": zeropoint} for h in headers)
    return list(reading.split(columns, lengths, objects, names))


def table_file(path: Path) -> Path:
    """The table itself, or ``photometry.csv`` of a folder."""
    if not path.is_dir():
        return path
    found = [p for name in ("photometry.csv.gz", "photometry.csv") if (p := path / name).exists()]
    if not found:
        raise DataError(f"{path}: is a folder without photometry.csv; name the table itself")
    return found[0]


def _named(reading: Reading) -> Mapping[str, str]:
    named = reading.options.get("columns", {})
    unknown = sorted(set(named) - set(ALIASES))
    if unknown:
        raise DataError(
            f"{reading.path}: columns= names {', '.join(unknown)}; "
            f"accepted are {', '.join(ALIASES)}"
        )
    return named


def _roles(table: pa.Table, reading: Reading, path: Path) -> dict[str, str]:
    """The table's own name of each role."""
    lower = {c.lower(): c for c in table.column_names}
    roles = {
        role: next((lower[a] for a in names if a in lower), "") for role, names in ALIASES.items()
    }
    roles |= _named(reading)
    tables.require(table, list(_named(reading).values()), path)
    found = {role: name for role, name in roles.items() if name}
    needs = [("time", "jd"), ("band",), ("flux", "magnitude")]
    needs.append(("flux_err",) if "flux" in found else ("magnitude_err",))
    missing = [" or ".join(group) for group in needs if not any(r in found for r in group)]
    if missing:
        columns = ", ".join(table.column_names)
        raise DataError(
            f"{path}: missing column {', '.join(missing)} (found: {columns}); "
            "columns={role: name} names others"
        )
    return found


def _ids(table: pa.Table, roles: Mapping[str, str], path: Path) -> tuple[list[str], np.ndarray]:
    if "object_id" in roles:
        return tables.codes(table, roles["object_id"])
    name = path.name.removesuffix(".gz").rpartition(".")[0]
    return [name], np.zeros(table.num_rows, dtype=np.int64)


def _columns(
    table: pa.Table, roles: Mapping[str, str], survey: str, reading: Reading
) -> tuple[Columns, dict[str, str], float]:
    """Observations as fluxes, the bandpass of each kind of filter, and the zero point."""
    labels, kind = _kinds(table, roles)
    names, systems = _bandpasses(labels, survey, reading, "instrument" in roles)
    shifts = _shifts(zip(names, systems, strict=True), reading.path)
    shift = np.array([shifts.get(pair, 0.0) for pair in zip(names, systems, strict=True)])[kind]
    limit = _limits(table, roles)
    if "flux" in roles:
        flux, error, zeropoint = _fluxes(table, roles, shift, reading)
    else:
        flux, error = _from_magnitudes(table, roles, shift)
        zeropoint = FLUXCAL_ZEROPOINT
    error = np.where(limit & ~(error > 0), np.abs(flux) / LIMIT_SIGMA, error)
    stated = "flux" not in roles or "zeropoint" in roles or "zeropoint" in reading.options
    text = [_text(label) for label in labels]
    columns = Columns(_times(table, roles), flux, error, kind, text, limit, unit_stated=stated)
    return columns, dict(zip(text, names, strict=True)), zeropoint


def _shifts(pairs: Iterable[tuple[str, str]], path: Path) -> dict[tuple[str, str], float]:
    """What brings magnitudes of each bandpass and system to the bandpass's own system."""
    try:
        return {(band, kind): magnitudes.offset(band, kind) for band, kind in pairs if band}
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def _kinds(
    table: pa.Table, roles: Mapping[str, str]
) -> tuple[list[tuple[str, str, str]], np.ndarray]:
    """Distinct (band, instrument, system), and which of them each row has."""
    labels: list[tuple[str, ...]] = [()]
    kind = np.zeros(table.num_rows, dtype=np.int64)
    for role in ("band", "instrument", "magsys"):
        values, index = (
            tables.codes(table, roles[role]) if role in roles else ([""], np.zeros_like(kind))
        )
        pairs, kind = np.unique(kind * len(values) + index, return_inverse=True)
        labels = [(*labels[p // len(values)], values[p % len(values)]) for p in pairs.tolist()]
    return [(a, b, c) for a, b, c in labels], kind.reshape(-1)


def _bandpasses(
    labels: list[tuple[str, str, str]], survey: str, reading: Reading, catalog: bool
) -> tuple[list[str], list[str]]:
    """Name of the bandpass and magnitude system of each kind of filter."""
    own = reading.bands or {}
    system = reading.options.get("magsys", "")
    names, systems = [], []
    for band, instrument, stated in labels:
        text = _text((band, instrument, stated))
        if catalog and not survey and not {band, text} & set(own):
            name, kind = filters.catalog_band(band, instrument, stated)
        else:
            key = text if text in own else band
            name, kind = reading.band_names([key], survey)[key], stated
        names.append(name)
        systems.append(system or kind)
    return names, systems


def _text(label: tuple[str, str, str]) -> str:
    """A kind of filter in one word or more: ``g+r LSQ``."""
    return " ".join(part for part in label if part)


def _times(table: pa.Table, roles: Mapping[str, str]) -> np.ndarray:
    if "time" in roles:
        return tables.numbers(table, roles["time"])
    return tables.numbers(table, roles["jd"]) - JD_OFFSET


def _limits(table: pa.Table, roles: Mapping[str, str]) -> np.ndarray:
    """Limits by their own column, or by a sign before the magnitude (``>21.5``)."""
    limit = np.zeros(table.num_rows, dtype=bool)
    if "upper_limit" in roles:
        values, index = tables.codes(table, roles["upper_limit"])
        limit |= np.array([v.lower() in TRUE for v in values])[index]
    if "magnitude" in roles and "flux" not in roles:
        values, index = tables.codes(table, roles["magnitude"])
        limit |= np.array([v.startswith((">", "<")) for v in values])[index]
    return limit


def _fluxes(
    table: pa.Table, roles: Mapping[str, str], shift: np.ndarray, reading: Reading
) -> tuple[np.ndarray, np.ndarray, float]:
    """Fluxes and errors at one zero point; as they are where the table has only one."""
    flux, error = (tables.numbers(table, roles[k]) for k in ("flux", "flux_err"))
    default = float(reading.options.get("zeropoint", FLUXCAL_ZEROPOINT))
    own = (
        tables.numbers(table, roles["zeropoint"])
        if "zeropoint" in roles
        else np.full(len(flux), default)
    )
    zeropoint = own + shift
    target = float(zeropoint[0]) if np.ptp(zeropoint) == 0 else FLUXCAL_ZEROPOINT
    scale = np.where(zeropoint == target, 1.0, 10 ** (0.4 * (target - zeropoint)))
    return flux * scale, error * scale, target


def _from_magnitudes(
    table: pa.Table, roles: Mapping[str, str], shift: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    magnitude = tables.numbers(table, roles["magnitude"]) + shift
    magnitude = np.where((magnitude > 90) | (magnitude < -80), np.nan, magnitude)
    flux = magnitudes.to_flux(magnitude, FLUXCAL_ZEROPOINT)
    return flux, magnitudes.to_flux_err(flux, tables.numbers(table, roles["magnitude_err"]))


def _headers(
    ids: list[str],
    table: pa.Table,
    roles: Mapping[str, str],
    lengths: np.ndarray,
    reading: Reading,
    path: Path,
) -> list[dict[str, Any]]:
    """Header of each object: from the first of its rows, then from the table of objects."""
    first = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    rows = {
        r: table[roles[r]].take(first).to_pylist()
        for r in (*NUMBERS, "type", "survey")
        if r in roles
    }
    if provenance.MARK in table.column_names:
        stated = [k for k in provenance.PROVENANCE if k in table.column_names]
        rows |= {k: table[k].take(first).to_pylist() for k in stated}
    objects = _objects(reading, path)
    return [
        _header(name, {r: v[i] for r, v in rows.items()} | objects.get(name, {}), reading, path)
        for i, name in enumerate(ids)
    ]


def _header(name: str, row: dict[str, Any], reading: Reading, path: Path) -> dict[str, Any]:
    origin = provenance.entries(row)
    row = provenance.without(row) if provenance.MARK in row else row
    meta = {k: v for k, v in row.items() if k not in (*NUMBERS, "survey") and v is not None}
    return {
        "object_id": name,
        "type": reading.type_of(row.get("type") or "", "", f"{path}: {name}"),
        "survey": reading.survey or str(row.get("survey") or ""),
        **{k: number(row.get(k), NAN) for k in NUMBERS},
        "meta": {**meta, **origin},
    }


def _objects(reading: Reading, path: Path) -> dict[str, dict[str, Any]]:
    """Rows of the table of objects, by name; its columns under the names of our attributes."""
    option = reading.options.get("objects")
    beside = Path(option) if option else path.with_name("objects.csv")
    if not option and not beside.exists():
        return {}
    table = tables.read_csv(beside, texts=[*ALIASES["object_id"], *ALIASES["type"]])
    lower = {c.lower(): c for c in table.column_names}
    roles = {
        r: lower[a]
        for r in ("object_id", "type", "survey", *NUMBERS)
        for a in ALIASES[r]
        if a in lower
    }
    tables.require(table, [roles.get("object_id", "object_id")], beside)
    back: dict[str, str] = {name: role for role, name in roles.items()}
    rows: list[dict[str, Any]] = table.rename_columns(
        [back.get(c, c) for c in table.column_names]
    ).to_pylist()
    return {str(row.pop("object_id")).strip(): row for row in rows}


def write(light_curves: Iterable[LightCurve], path: Path) -> None:
    """Write one table: a row an observation, the object's header repeated on each of its rows."""
    objects = list(light_curves)
    names = [lc.object_id for lc in objects]
    if len(set(names)) < len(names):
        raise DataError(
            f"{path}: two objects have the same name; one table cannot tell them apart"
        )
    lengths = [len(lc) for lc in objects]
    headers = ("object_id", "type", "survey", *NUMBERS)
    columns = {
        k: np.repeat(np.array([getattr(lc, k) for lc in objects]), lengths) for k in headers
    }
    columns["zp"] = np.repeat([float(lc.zeropoint) for lc in objects], lengths)
    parts = {
        "mjd": "time",
        "band": "band",
        "flux": "flux",
        "flux_err": "flux_err",
        "upper_limit": "upper_limit",
    }
    columns |= {
        k: np.concatenate([np.asarray(getattr(lc, v)) for lc in objects]) for k, v in parts.items()
    }
    order = ("object_id", "mjd", "band", "flux", "flux_err", "zp", "upper_limit", *headers[1:])
    table = {k: columns[k] for k in order}
    if provenance.any_marked(objects):
        origin = provenance.columns(objects)
        table |= {k: _repeated(values, lengths) for k, values in origin.items()}
    tables.write_csv(table, path)


def _repeated(values: list[Any], lengths: list[int]) -> list[Any]:
    return [v for value, n in zip(values, lengths, strict=True) for v in [value] * n]
