"""SNANA's FITS format: ``X_HEAD.FITS`` (a row an object), ``X_PHOT.FITS`` (a row an observation).

Reference: the SNANA manual, "FITS format" (Kessler+09, PASP 121, 1028). ``PTROBS_MIN`` and
``PTROBS_MAX`` of a row of HEAD are the first and last row of the object in PHOT, counted from 1.

What the format holds: as the text format (``sntorch.data.io.snana``). Without ``SURVEY`` in the
header the survey is taken from the names of the file and its folder (``des_mini`` -> DES), since
filter letters alone mean nothing.
"""

from __future__ import annotations

import re
import warnings
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sntorch.atomic import atomic_write
from sntorch.data import filters
from sntorch.data.io.checks import Columns
from sntorch.data.io.reading import Reading
from sntorch.data.io.snana_header import attributes
from sntorch.data.light_curve import FLUXCAL_ZEROPOINT, LightCurve
from sntorch.data.taxonomy import default_taxonomy
from sntorch.errors import DataError

HEAD = re.compile(r"_HEAD(\.FITS?(\.gz)?)$", re.IGNORECASE)
HEAD_COLUMNS = ("SNID", "NOBS", "PTROBS_MIN", "PTROBS_MAX")
PHOT_COLUMNS = ("MJD", "FLT", "FLUXCAL", "FLUXCALERR")
END_OF_OBJECT = -777.0


def read(reading: Reading) -> list[LightCurve]:
    """All objects of a pair of files, named by its HEAD, or of all pairs of a folder."""
    return [lc for head in files(reading.path) for lc in _read_pair(head, reading)]


def files(path: Path) -> list[Path]:
    """The HEAD files."""
    if path.is_dir():
        found = sorted(p for p in path.iterdir() if HEAD.search(p.name))
        if not found:
            raise DataError(f"{path}: no *_HEAD.FITS in this folder")
        return found
    if not HEAD.search(path.name):
        raise DataError(
            f"{path}: name the HEAD file of an SNANA pair, X_HEAD.FITS or X_HEAD.FITS.gz"
        )
    return [path]


def phot_file(head: Path) -> Path:
    """The PHOT file that belongs to a HEAD file; either may be packed."""
    plain = head.name.removesuffix(".gz")
    stem, ending = plain[: HEAD.search(plain).start()], Path(plain).suffix  # pyright: ignore[reportOptionalMemberAccess]
    word = "_PHOT" if "_HEAD" in plain else "_phot"
    candidates = [head.with_name(f"{stem}{word}{ending}{packed}") for packed in (".gz", "")]
    found = next((p for p in candidates if p.exists()), None)
    if found is None:
        raise DataError(f"{head}: no {candidates[1].name} or {candidates[0].name} beside it")
    return found


def _read_pair(head: Path, reading: Reading) -> Iterator[LightCurve]:
    objects, keywords = _table(head, HEAD_COLUMNS[:1])
    rows, _ = _table(phot_file(head), PHOT_COLUMNS)
    first, last = _pointers(objects, head, len(rows["MJD"]))
    lengths = last - first
    # Rows between the objects (SNANA's -777 markers) are left out here.
    index = np.repeat(first - np.concatenate([[0], np.cumsum(lengths)[:-1]]), lengths) + np.arange(
        lengths.sum()
    )
    names, code = np.unique(np.char.strip(rows["FLT"][index]), return_inverse=True)
    time, flux, error = (
        rows[k][index].astype(np.float64) for k in ("MJD", "FLUXCAL", "FLUXCALERR")
    )
    limit = rows["UPPERLIMIT"][index] > 0 if "UPPERLIMIT" in rows else None
    columns = Columns(time, flux, error, code.reshape(-1), [str(n) for n in names], limit)
    survey = reading.survey or str(keywords.get("SURVEY") or guess_survey(head))
    headers = _headers(objects, survey, head, reading)
    missing = (columns.flux == -9) & (columns.flux_err == -9)
    if missing.any():
        owner = np.repeat(np.arange(len(lengths)), lengths)
        lengths = np.bincount(owner[~missing], minlength=len(lengths))
        columns = columns.part(~missing)
    yield from reading.split(
        columns, lengths, headers, reading.band_names(columns.filters, survey)
    )


def guess_survey(head: Path) -> str:
    """A survey that the name of the file or of its folder mentions, empty where none does."""
    words = re.split(r"[^A-Za-z0-9]+", f"{head.name} {head.resolve().parent.name}")
    return next((name for w in words if len(w) > 2 and (name := filters.survey_name(w))), "")


def _table(path: Path, needed: tuple[str, ...]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Columns of the first table of a FITS file, and the keywords of its primary header."""
    from astropy.io import fits
    from astropy.io.fits.verify import VerifyError
    from astropy.utils.exceptions import AstropyUserWarning, AstropyWarning

    if path.is_dir():
        raise DataError(f"{path}: is a folder, a FITS file is needed")
    damaged = (OSError, EOFError, zlib.error, VerifyError, AstropyUserWarning)
    foreign = (IndexError, TypeError, ValueError, AttributeError)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)
            warnings.filterwarnings("error", "File may have been truncated", AstropyUserWarning)
            with fits.open(path, memmap=False) as opened:
                columns, keywords = _content(opened)
    except (*damaged, *foreign) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{path}: not a readable FITS table, or truncated ({reason})") from error
    missing = [c for c in needed if c not in columns]
    if missing:
        found = ", ".join(columns)
        raise DataError(f"{path}: missing column {', '.join(missing)} (found: {found})")
    return {k: _native(v) for k, v in columns.items()}, keywords


def _content(hdus: Any) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    data = hdus[1].data
    columns = {name: np.asarray(data[name]) for name in data.dtype.names}
    return columns, {**hdus[1].header, **hdus[0].header}


def _native(values: np.ndarray) -> np.ndarray:
    if values.dtype.kind in "SU":
        return values.astype(str)
    return values.astype(values.dtype.newbyteorder("="))


def _pointers(
    objects: dict[str, np.ndarray], head: Path, n_rows: int
) -> tuple[np.ndarray, np.ndarray]:
    """First row of each object in PHOT and the one after its last, counted from 0."""
    if "PTROBS_MIN" in objects and "PTROBS_MAX" in objects:
        first, last = (
            objects["PTROBS_MIN"].astype(np.int64) - 1,
            objects["PTROBS_MAX"].astype(np.int64),
        )
    elif "NOBS" in objects:
        last = np.cumsum(objects["NOBS"].astype(np.int64) + 1) - 1
        first = last - objects["NOBS"].astype(np.int64)
    else:
        raise DataError(
            f"{head}: missing column PTROBS_MIN, PTROBS_MAX (found: {', '.join(objects)})"
        )
    first, last = np.where(last < first, 0, first), np.where(last < first, 0, last)
    if len(last) and (last.max() > n_rows or first.min() < 0):
        worst = int(last.argmax())
        raise DataError(
            f"{head}: {objects['SNID'][worst]} ends at row {last[worst]} of PHOT, "
            f"which has {n_rows}; truncated?"
        )
    return first, last


def _headers(
    objects: dict[str, np.ndarray], survey: str, head: Path, reading: Reading
) -> Iterator[dict[str, Any]]:
    names = [n for n in objects if n not in ("NOBS", "PTROBS_MIN", "PTROBS_MAX")]
    rows = zip(*(_words(objects[n]) for n in names), strict=True)
    for row in rows:
        header = {"SURVEY": survey, **dict(zip(names, row, strict=True))}
        object_id = header["SNID"]
        yield {"object_id": object_id, **attributes(header, reading, f"{head}: {object_id}")}


def _words(values: np.ndarray) -> list[Any]:
    """A column as Python values; single precision by its own digits (0.0005)."""
    if values.dtype.kind == "U":
        return np.char.strip(values).tolist()
    if values.dtype == np.float32:
        return [float(str(v)) for v in values]
    return values.tolist()


def write(light_curves: Iterable[LightCurve], path: Path) -> None:
    """Write ``X_HEAD.FITS`` and ``X_PHOT.FITS`` (packed when the name ends in ``.gz``).

    Args:
        light_curves: The objects; their survey must be one.
        path: Name of the HEAD file.
    """
    files(path)
    objects = [
        lc.with_zeropoint(FLUXCAL_ZEROPOINT) if lc.zeropoint != FLUXCAL_ZEROPOINT else lc
        for lc in light_curves
    ]
    found = sorted({lc.survey for lc in objects})
    if len(found) > 1:
        raise DataError(
            f"{path}: one survey a file is needed, found {', '.join(map(repr, found))}"
        )
    start = HEAD.search(path.name).start()  # pyright: ignore[reportOptionalMemberAccess]
    phot = path.with_name(f"{path.name[:start]}_PHOT{path.name[start + 5 :]}")
    with atomic_write(phot) as draft_phot, atomic_write(path) as draft_head:
        _save(draft_phot, _phot_columns(objects), {})
        _save(draft_head, _head_columns(objects), {"SURVEY": found[0], "PHOTFILE": phot.name})


def _save(path: Path, columns: dict[str, Any], keywords: dict[str, str]) -> None:
    from astropy.io import fits
    from astropy.table import Table

    primary = fits.PrimaryHDU()
    primary.header.update(keywords)
    fits.HDUList([primary, fits.table_to_hdu(Table(columns))]).writeto(path)


def _phot_columns(objects: list[LightCurve]) -> dict[str, Any]:
    """Columns of PHOT: a row of -777 ends each object."""

    def joined(parts: list[Any], end: Any) -> np.ndarray:
        return np.concatenate([values for part in parts for values in (part, [end])])

    columns = {
        "MJD": joined([lc.time for lc in objects], END_OF_OBJECT),
        "FLT": joined([_letters(lc) for lc in objects], "-"),
        "FLUXCAL": joined([lc.flux for lc in objects], END_OF_OBJECT),
        "FLUXCALERR": joined([lc.flux_err for lc in objects], END_OF_OBJECT),
    }
    limits = joined([np.asarray(lc.upper_limit, dtype=np.int16) for lc in objects], 0).astype(
        np.int16
    )
    return {**columns, "UPPERLIMIT": limits} if limits.any() else columns


def _letters(lc: LightCurve) -> np.ndarray:
    names = np.array([filters.letter(b, lc.survey) or b for b in lc.bands] or [""], dtype=str)
    return names[lc.band_index]


def _head_columns(objects: list[LightCurve]) -> dict[str, Any]:
    taxonomy = default_taxonomy()
    lengths = np.array([len(lc) for lc in objects], dtype=np.int64)
    last = np.cumsum(lengths + 1) - 1
    columns: dict[str, Any] = {
        "SNID": np.array([lc.object_id for lc in objects], dtype=str),
        "SNTYPE": np.array(
            [int(taxonomy.code(lc.type, "snana") or -9) if lc.type else -9 for lc in objects]
        ),
        "SNTYPE_NAME": np.array([lc.type or "NULL" for lc in objects], dtype=str),
        "NOBS": lengths,
        "PTROBS_MIN": last - lengths + 1,
        "PTROBS_MAX": last,
    }
    names = {
        "REDSHIFT_HELIO": "redshift",
        "REDSHIFT_HELIO_ERR": "redshift_err",
        "MWEBV": "mwebv",
        "PEAKMJD": "peak_mjd",
    }
    for key, name in names.items():
        columns[key] = np.nan_to_num(
            np.array([getattr(lc, name) for lc in objects], dtype=np.float64), nan=-9.0
        )
    return columns
