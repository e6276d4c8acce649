"""sncosmo-style tables, as ECSV: columns ``time band flux fluxerr zp zpsys``, header in ``meta``.

Reference: sncosmo's documentation, "Photometric data". Its other names of the columns are
accepted, and (where there are many objects in one table) a column ``object_id`` with the headers
in ``meta["objects"]``.

Fluxes are kept exactly. ``zp`` is written for the magnitude system of each bandpass (``zpsys``),
so that sncosmo understands it: for a bandpass whose standard has another magnitude than 0 (CSP) it
differs by that magnitude.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sntorch.atomic import atomic_write
from sntorch.data.io.checks import Columns
from sntorch.data.io.reading import Reading, number
from sntorch.data.light_curve import FLUXCAL_ZEROPOINT, LightCurve
from sntorch.data.magnitudes import native_system, offset
from sntorch.errors import ConfigError, DataError

if TYPE_CHECKING:
    from astropy.table import Table

ALIASES = {
    "time": ("time", "date", "jd", "mjd", "mjdobs", "mjd_obs"),
    "band": ("band", "bandpass", "filter", "flt", "passband"),
    "flux": ("flux", "f", "fluxcal"),
    "fluxerr": ("fluxerr", "fe", "fluxerror", "flux_error", "flux_err", "fluxcalerr"),
    "zp": ("zp", "zpt", "zeropoint", "zero_point", "zeropt"),
    "zpsys": ("zpsys", "zpmagsys", "magsys"),
    "upper_limit": ("upper_limit", "upperlimit"),
    "object_id": ("object_id", "snid", "name"),
}
# MJD, and zero points; the zero point is what fluxes are in units of.
UNITS = {"time": "d", "zp": "mag"}
REQUIRED = ("time", "band", "flux", "fluxerr")
HEADER = {
    "object_id": ("object_id", "snid", "name", "id"),
    "redshift": ("redshift", "z", "redshift_helio", "zhel"),
    "redshift_err": ("redshift_err", "zerr", "z_err", "redshift_helio_err"),
    "mwebv": ("mwebv", "ebv", "mw_ebv"),
    "peak_mjd": ("peak_mjd", "peakmjd", "t0", "tmax"),
    "type": ("type", "sntype", "class"),
    "survey": ("survey",),
}
NUMBERS = ("redshift", "redshift_err", "mwebv", "peak_mjd")


def to_table(lc: LightCurve) -> Table:
    """A light curve as an astropy table in sncosmo's columns."""
    from astropy.table import Table

    columns = _columns(lc)
    if np.asarray(lc.upper_limit).any():
        columns["upper_limit"] = lc.upper_limit
    return Table(columns, meta=_meta(lc), units=UNITS)


def from_table(table: Table, object_id: str = "", **read_options: Any) -> LightCurve:
    """A light curve from a table in sncosmo's columns (or their aliases).

    Args:
        table: One object's observations.
        object_id: Name of the object where ``table.meta`` has none.
        **read_options: ``strict``, ``bands``, ``survey`` as in ``sntorch.read``.

    Raises:
        DataError: A missing column, or an observation that cannot be used.
    """
    reading = Reading(Path(object_id or "table"), strict=True, **read_options)
    found = list(_light_curves(table, reading, object_id or "table"))
    if len(found) != 1:
        raise DataError(f"{object_id or 'table'}: one object is needed, found {len(found)}")
    return found[0]


def read(reading: Reading) -> list[LightCurve]:
    """All objects of an ECSV file, or of all ECSV files of a folder."""
    return [lc for path in files(reading.path) for lc in _read_file(path, reading)]


def files(path: Path) -> list[Path]:
    """The file, or the ``.ecsv`` files of a folder in the order of their names."""
    if not path.is_dir():
        return [path]
    found = sorted(p for p in path.iterdir() if p.name.endswith(".ecsv"))
    if not found:
        raise DataError(f"{path}: no .ecsv files in this folder")
    return found


def _read_file(path: Path, reading: Reading) -> Iterator[LightCurve]:
    from astropy.table import Table

    from sntorch.data.io.sources import read_text

    text = read_text(path)
    if not text.startswith("# %ECSV"):
        raise DataError(f"{path}: not an ECSV table (the first line is not '# %ECSV …')")
    try:
        table = Table.read(text, format="ascii.ecsv")
    except Exception as error:  # astropy raises many types for damaged tables
        reason = (str(error).splitlines() or ["unknown reason"])[0]
        raise DataError(f"{path}: not a readable ECSV table ({reason})") from error
    yield from _light_curves(table, reading, path.name.removesuffix(".ecsv"))


def _light_curves(table: Table, reading: Reading, name: str) -> Iterator[LightCurve]:
    column = _mapped(table.colnames, ALIASES)
    missing = [c for c in REQUIRED if c not in column]
    if missing:
        found = ", ".join(table.colnames)
        raise DataError(f"{reading.path}: missing column {', '.join(missing)} (found: {found})")
    meta: dict[str, Any] = {str(k): v for k, v in (table.meta or {}).items()}
    headers = {str(h.get("object_id")): h for h in meta.pop("objects", [])}
    fields = {role: table[own] for role, own in column.items()}
    if "object_id" not in fields:
        yield from _one(fields, meta, name, reading)
        return
    ids = np.asarray(fields.pop("object_id"), dtype=str)
    for object_id in dict.fromkeys(ids.tolist()):
        rows = {role: values[ids == object_id] for role, values in fields.items()}
        header = {**meta, **headers.get(object_id, {}), "object_id": object_id}
        yield from _one(rows, header, object_id, reading)


def _mapped(names: Iterable[str], aliases: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """The table's own name of each known column."""
    lower = {str(n).lower(): n for n in names}
    found = {key: [lower[a] for a in known if a in lower] for key, known in aliases.items()}
    return {key: own[0] for key, own in found.items() if own}


def _one(
    fields: dict[str, Any], meta: dict[str, Any], name: str, reading: Reading
) -> Iterator[LightCurve]:
    key = _mapped(meta, HEADER)
    given = {role: meta[own] for role, own in key.items()}
    object_id = str(given.get("object_id", name))
    where = f"{reading.path}: {object_id}"
    survey = reading.survey or str(given.get("survey", ""))
    columns = Columns.named(
        _numbers(fields["time"]),
        _numbers(fields["flux"]),
        _numbers(fields["fluxerr"]),
        np.char.strip(np.asarray(fields["band"], dtype=str)),
        upper_limit=np.asarray(fields["upper_limit"], dtype=bool)
        if "upper_limit" in fields
        else None,
        unit_stated="zp" in fields,
    )
    names = reading.band_names(columns.filters, survey)
    zeropoint = FLUXCAL_ZEROPOINT
    if "zp" in fields and len(columns.time):
        zeropoints = _native_zeropoints(fields, columns, names, where)
        columns, zeropoint = _at_one_zeropoint(columns, zeropoints, meta.get("zeropoint"))
    own = (*key.values(), "zeropoint")
    lc = reading.make(
        columns,
        where,
        names,
        object_id=object_id,
        zeropoint=zeropoint,
        **{k: number(given.get(k)) for k in NUMBERS},
        type=reading.type_of(given.get("type", ""), "snana", where),
        survey=survey,
        meta={k: v for k, v in meta.items() if k not in own},
    )
    if lc is not None:
        yield lc


def _numbers(values: Any) -> np.ndarray:
    """A column as float64; masked entries and what is no number become NaN."""
    try:
        plain = np.ma.filled(np.ma.asarray(values).astype(np.float64), np.nan)
    except (TypeError, ValueError):
        return np.full(len(values), np.nan)
    return np.asarray(plain)


def _native_zeropoints(
    fields: dict[str, Any], columns: Columns, names: Mapping[str, str], where: str
) -> np.ndarray:
    """Zero point of each row in the magnitude system of its bandpass, shape (T,)."""
    band = np.array([names[f] for f in columns.filters])[columns.filter]
    default = np.full(len(band), "native")
    system = np.char.lower(np.asarray(fields.get("zpsys", default), dtype=str))
    shift = np.zeros(len(band))
    for name, kind in {(str(b), str(s)) for b, s in zip(band, system, strict=True) if b}:
        try:
            shift[(band == name) & (system == kind)] = offset(name, kind)
        except DataError as error:
            raise DataError(f"{where}: {error}") from error
    return np.round(_numbers(fields["zp"]) + shift, 10)


def _at_one_zeropoint(
    columns: Columns, zeropoint: np.ndarray, stated: float | None
) -> tuple[Columns, float]:
    """Columns at one zero point; unchanged where they have one already."""
    if np.ptp(zeropoint) == 0:
        found = float(zeropoint[0])
        exact = stated is not None and abs(stated - found) < 1e-9
        return columns, stated if exact and stated is not None else found
    scale = 10 ** (0.4 * (FLUXCAL_ZEROPOINT - zeropoint))
    flux, error = columns.flux * scale, columns.flux_err * scale
    return replace(columns, flux=flux, flux_err=error), FLUXCAL_ZEROPOINT


def _columns(lc: LightCurve) -> dict[str, Any]:
    systems = [_system(b) for b in lc.bands]
    zp = np.array([round(lc.zeropoint - magzero, 10) for _, magzero in systems])
    return {
        "time": lc.time,
        "band": lc.band,
        "flux": lc.flux,
        "fluxerr": lc.flux_err,
        "zp": zp[lc.band_index],
        "zpsys": np.array([name for name, _ in systems] or [""])[lc.band_index],
    }


def _system(band: str) -> tuple[str, float]:
    """Magnitude system of a band; ``native`` where the registry does not have it."""
    try:
        return native_system(band)
    except ConfigError:
        return "native", 0.0


def _meta(lc: LightCurve) -> dict[str, Any]:
    numbers = {k: float(getattr(lc, k)) for k in NUMBERS if not np.isnan(getattr(lc, k))}
    header = {
        "object_id": lc.object_id,
        "type": lc.type,
        "survey": lc.survey,
        **numbers,
        "zeropoint": lc.zeropoint,
    }
    taken = {alias for aliases in HEADER.values() for alias in aliases}
    others = {
        k: _plain(v) for k, v in lc.meta.items() if k.lower() not in taken and k != "objects"
    }
    return {**header, **others}


def _plain(value: Any) -> Any:
    """What YAML can write: NumPy's and torch's numbers and arrays as Python's."""
    return value.tolist() if hasattr(value, "tolist") else value


def write(light_curves: Iterable[LightCurve], path: Path) -> None:
    """Write all objects into one ECSV table; several are told apart by a column ``object_id``."""
    objects = list(light_curves)
    table = to_table(objects[0]) if len(objects) == 1 else _stacked(objects, path)
    with atomic_write(path) as draft:
        table.write(draft, format="ascii.ecsv", overwrite=True)


def _stacked(objects: list[LightCurve], path: Path) -> Table:
    from astropy.table import Table

    names = [lc.object_id for lc in objects]
    if len(set(names)) < len(names):
        raise DataError(
            f"{path}: two objects have the same name; one table cannot tell them apart"
        )
    parts = [_columns(lc) for lc in objects]
    columns = {"object_id": np.repeat(names, [len(lc) for lc in objects])}
    columns |= {k: np.concatenate([p[k] for p in parts]) for k in parts[0]}
    limits = np.concatenate([np.asarray(lc.upper_limit) for lc in objects])
    if limits.any():
        columns["upper_limit"] = limits
    return Table(columns, meta={"objects": [_meta(lc) for lc in objects]}, units=UNITS)
