"""The seed talk's CSV: the k-th observation of every band side by side, as magnitudes.

Reference: M. Grayling, Machine Learning for Transients workshop (Warwick, December 2023). Columns
``g_t, g, g_err, r_t, r, r_err, …, sn, sn_type, redshift``: days relative to a reference time, AB
magnitude and its error for each band, then the object. Times are sorted within a band, not between
bands.

What the format holds: positive fluxes (as magnitudes, so that a flux comes back to within 1e-14 of
itself, not to the last digit), a whole number for a class, the redshift. Times are kept as they
are, with ``peak_mjd`` 0 marking them as relative. The talk cuts all bands of an object to the
shortest; here shorter bands end in empty cells unless ``write(…, cut=True)``. Letters g r i z are
DECam's unless ``bands`` says otherwise.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sntorch.data import filters, magnitudes
from sntorch.data.io import tables
from sntorch.data.io.checks import Columns
from sntorch.data.io.reading import Reading, number
from sntorch.data.light_curve import FLUXCAL_ZEROPOINT, LightCurve
from sntorch.data.taxonomy import default_taxonomy
from sntorch.errors import DataError, SntorchWarning

if TYPE_CHECKING:
    import pyarrow as pa

SURVEY = "DES"
OBJECT = ("sn", "sn_type", "redshift")


def read(reading: Reading) -> list[LightCurve]:
    """All objects of a file."""
    path = reading.path
    table = tables.read_csv(path, texts=("sn",))
    letters = [c for c in table.column_names if f"{c}_t" in table.column_names]
    if not letters:
        found = ", ".join(table.column_names)
        raise DataError(f"{path}: missing column; g_t, g, g_err, … are needed (found: {found})")
    tables.require(table, [*(f"{c}_err" for c in letters), "sn"], path)
    ids, index = tables.codes(table, "sn")
    order, lengths = tables.by_object(index, len(ids))
    columns, lengths = _columns(table.take(order), letters, lengths)
    first = [int(np.argmax(index == i)) for i in range(len(ids))]
    headers = [_header(n, table, row, reading) for n, row in zip(ids, first, strict=True)]
    names = reading.band_names(letters, SURVEY)
    return list(reading.split(columns, lengths, headers, names))


def _columns(
    table: pa.Table, letters: list[str], lengths: np.ndarray
) -> tuple[Columns, np.ndarray]:
    """Observations of every object, band after band; empty cells left out."""
    owner = np.repeat(np.arange(len(lengths)), lengths)
    time, magnitude, error = (
        np.stack([tables.numbers(table, f"{c}{end}") for c in letters])
        for end in ("_t", "", "_err")
    )
    flux = magnitudes.to_flux(magnitude, FLUXCAL_ZEROPOINT)
    flux_err = magnitudes.to_flux_err(flux, error)
    code = np.broadcast_to(np.arange(len(letters))[:, None], time.shape)
    owner = np.broadcast_to(owner, time.shape)
    order = np.argsort(owner.ravel(), kind="stable")
    full = order[~np.isnan(np.stack([time, magnitude, error])).all(0).ravel()[order]]
    columns = Columns(
        time.ravel()[full],
        flux.ravel()[full],
        flux_err.ravel()[full],
        code.ravel()[full],
        letters,
    )
    return columns, np.bincount(owner.ravel()[full], minlength=len(lengths))


def _header(name: str, table: pa.Table, row: int, reading: Reading) -> dict[str, Any]:
    where = f"{reading.path}: {name}"
    given = {k: table[k][row].as_py() for k in OBJECT[1:] if k in table.column_names}
    kind = given.get("sn_type")
    return {
        "object_id": name,
        "type": "" if kind is None else reading.type_of(kind, "talk", where),
        "redshift": number(given.get("redshift")),
        "peak_mjd": 0.0,
        "survey": reading.survey or SURVEY,
        "meta": {"sn_type": kind},
    }


def write(light_curves: Iterable[LightCurve], path: Path, cut: bool = False) -> None:
    """Write the talk's table.

    Upper limits and fluxes that are not positive have no magnitude and are left out, counted in
    one warning.

    Args:
        light_curves: The objects; times are written relative to ``peak_mjd`` where it is known.
        path: The file.
        cut: Cut the bands of an object to the shortest, as the talk does.

    Raises:
        DataError: No object has a magnitude.
    """
    objects = _with_magnitudes(list(light_curves), path)
    bands = sorted({str(b) for lc in objects for b in lc.band}, key=_rank)
    letters = {b: filters.letter(b, objects[0].survey or SURVEY) or b for b in bands}
    blocks = [_block(lc, bands, cut) for lc in objects]
    lengths = [block.shape[-1] for block in blocks]
    values = np.concatenate(blocks, axis=-1)
    columns: dict[str, Any] = {}
    for i, band in enumerate(bands):
        for j, end in enumerate(("_t", "", "_err")):
            columns[f"{letters[band]}{end}"] = _cells(values[i, j])
    columns["sn"] = np.repeat([lc.object_id for lc in objects], lengths)
    columns["sn_type"] = np.repeat([_code(lc) for lc in objects], lengths)
    columns["redshift"] = np.repeat([lc.redshift for lc in objects], lengths)
    tables.write_csv(columns, path)


def _with_magnitudes(objects: list[LightCurve], path: Path) -> list[LightCurve]:
    """The observations that have a magnitude; one warning counts the others."""
    bright = [lc.keep(~np.asarray(lc.upper_limit) & (lc.flux > 0)) for lc in objects]
    kept = [lc for lc in bright if len(lc)]
    if not kept:
        raise DataError(f"{path}: no observation with a positive flux, and so no magnitude")
    faint = sum(map(len, objects)) - sum(map(len, kept))
    empty = len(objects) - len(kept)
    if faint or empty:
        alone = f", and {empty} of {len(objects)} objects that have no other" if empty else ""
        warnings.warn(
            f"{path}: left out {faint} observations without a magnitude (flux not positive, or "
            f"an upper limit){alone}",
            SntorchWarning,
            stacklevel=4,
        )
    return kept


def _rank(band: str) -> tuple[int, str]:
    return ("ugrizy".find(band[-1]) if band[-1] in "ugrizy" else 9, band)


def _code(lc: LightCurve) -> int:
    if lc.type:
        return int(default_taxonomy().code(lc.type, "talk") or -9)
    return -9


def _block(lc: LightCurve, bands: list[str], cut: bool) -> np.ndarray:
    """Time, magnitude, error of each band's observations, sorted by time, shape (F, 3, L)."""
    lc = lc.sorted()
    time = lc.time - (lc.peak_mjd if np.isfinite(lc.peak_mjd) else 0.0)
    magnitude = magnitudes.to_magnitude(lc.flux, lc.zeropoint)
    error = lc.flux_err / (magnitudes.LN_PER_MAG * lc.flux)
    rows = [np.flatnonzero(lc.band == b) for b in bands]
    length = (min if cut else max)(len(r) for r in rows)
    block = np.full((len(bands), 3, length), np.nan)
    for i, row in enumerate(rows):
        row = row[:length]
        block[i, :, : len(row)] = time[row], magnitude[row], error[row]
    return block


def _cells(values: np.ndarray) -> Any:
    """Numbers with empty cells for NaN."""
    import pyarrow as pa

    return pa.array(values, from_pandas=True)
