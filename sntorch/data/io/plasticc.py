"""PLAsTiCC's CSV files: light curves (one row an observation) and metadata (one row an object).

Reference: the PLAsTiCC team, arXiv:1810.00001 (data note), arXiv:1903.11756 (models and
simulation).

What the format holds: whole numbers as names, the LSST bands (passband 0 to 5), fluxes at the zero
point 27.5, the class as a number, redshift (``hostgal_specz``) and ``mwebv``; no error of the
redshift, no upper limits, no survey. The true time of peak (``true_peakmjd``), as all ``true_…``
columns, stays in ``meta``: a survey would not know it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sntorch.data import filters
from sntorch.data.io import tables
from sntorch.data.io.checks import Columns
from sntorch.data.io.reading import Reading, number
from sntorch.data.light_curve import FLUXCAL_ZEROPOINT, LightCurve
from sntorch.data.taxonomy import default_taxonomy
from sntorch.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = ("object_id", "mjd", "passband", "flux", "flux_err")
SURVEY = "PLASTICC"
TARGETS = ("target", "true_target")


def read(reading: Reading) -> list[LightCurve]:
    """All objects of a light-curve file and its metadata, or of all such pairs of a folder.

    The option ``metadata`` names the metadata file; by default it is looked for beside the light
    curves.
    """
    return list(stream(reading))


def stream(reading: Reading) -> Iterator[LightCurve]:
    """All objects one by one, a light-curve file in memory at a time."""
    metadata: dict[Path, pa.Table] = {}
    for path in files(reading.path):
        yield from _read_pair(path, reading, metadata)


def files(path: Path) -> list[Path]:
    """The light-curve files."""
    if not path.is_dir():
        return [path]
    found = sorted(p for p in path.iterdir() if _is_csv(p) and "metadata" not in p.name)
    if not found:
        raise DataError(f"{path}: no PLAsTiCC light curves (*.csv or *.csv.gz) in this folder")
    return found


def metadata_file(path: Path) -> Path | None:
    """The metadata beside a light-curve file, None where there is none.

    ``plasticc_train_lightcurves.csv.gz`` goes with ``plasticc_train_metadata.csv.gz``,
    ``training_set.csv`` with ``training_set_metadata.csv``, and the many
    ``plasticc_test_lightcurves_01.csv.gz`` with one metadata file.
    """
    stem = path.name.removesuffix(".gz").removesuffix(".csv")
    start = stem.split("_lightcurves")[0]
    candidates = [
        f"{s}_metadata.csv{z}" for s in dict.fromkeys((stem, start)) for z in ("", ".gz")
    ]
    return next((path.with_name(c) for c in candidates if path.with_name(c).exists()), None)


def _is_csv(path: Path) -> bool:
    return path.name.endswith((".csv", ".csv.gz"))


def _read_pair(path: Path, reading: Reading, metadata: dict[Path, pa.Table]) -> list[LightCurve]:
    """Objects of one file; ``metadata`` keeps tables that many files share."""
    table = tables.read_csv(path, texts=("object_id", "passband"))
    tables.require(table, ROWS, path)
    names, index = tables.codes(table, "object_id")
    order, lengths = tables.by_object(index, len(names))
    letters, code = tables.codes(table, "passband")
    time, flux, error = (tables.numbers(table, c)[order] for c in ("mjd", "flux", "flux_err"))
    columns = Columns(time, flux, error, code[order], letters)
    option = reading.options.get("metadata")
    beside = Path(option) if option else metadata_file(path)
    if beside is not None and beside not in metadata:
        metadata[beside] = tables.read_csv(beside, texts=("object_id",))
        tables.require(metadata[beside], ("object_id",), beside)
    headers = _headers(names, beside, metadata, reading)
    bands = reading.band_names(letters, SURVEY)
    return list(reading.split(columns, lengths, headers, bands))


def _headers(
    names: list[str], path: Path | None, metadata: dict[Path, pa.Table], reading: Reading
) -> list[dict[str, Any]]:
    survey = reading.survey or SURVEY
    if path is None:
        return [{"object_id": n, "survey": survey} for n in names]
    rows = _rows(metadata[path], names)
    return [_header(n, rows.get(n), path, survey, reading) for n in names]


def _rows(table: pa.Table, names: list[str]) -> dict[str, dict[str, Any]]:
    """Row of each of these objects as a dictionary."""
    ids, index = tables.codes(table, "object_id")
    wanted = set(names)
    chosen = np.flatnonzero(np.array([i in wanted for i in ids])[index])
    rows = table.take(chosen).to_pylist()
    return {ids[index[k]]: row for k, row in zip(chosen.tolist(), rows, strict=True)}


def _header(
    name: str, row: dict[str, Any] | None, path: Path, survey: str, reading: Reading
) -> dict[str, Any]:
    if row is None:
        return {"object_id": name, "survey": survey}
    target = next((row[k] for k in TARGETS if row.get(k) is not None), None)
    kind = "" if target is None else reading.type_of(target, "plasticc", f"{path}: {name}")
    meta = {k: v for k, v in row.items() if k != "object_id"}
    return {
        "object_id": name,
        "survey": survey,
        "type": kind,
        "redshift": number(row.get("hostgal_specz")),
        "mwebv": number(row.get("mwebv")),
        "meta": meta,
    }


def write(light_curves: Iterable[LightCurve], path: Path) -> None:
    """Write the light curves to ``path`` and the metadata beside it.

    Args:
        light_curves: The objects.
        path: ``X_lightcurves.csv`` or ``X.csv``, with ``X_metadata.csv`` beside it; also ``.gz``.
    """
    if not _is_csv(path) or "metadata" in path.name:
        raise DataError(f"{path}: name the file of the light curves, X_lightcurves.csv or .csv.gz")
    objects = [_checked(lc, path) for lc in light_curves]
    stem, _, packed = (
        path.name.removesuffix(".gz").removesuffix(".csv"),
        "",
        path.name.endswith(".gz"),
    )
    ending = ".csv.gz" if packed else ".csv"
    tables.write_csv(
        _metadata(objects), path.with_name(f"{stem.split('_lightcurves')[0]}_metadata{ending}")
    )
    tables.write_csv(_observations(objects), path)


def _checked(lc: LightCurve, path: Path) -> LightCurve:
    if not lc.object_id.isdigit():
        raise DataError(f"{path}: {lc.object_id!r}: PLAsTiCC's names are whole numbers")
    unknown = [b for b in sorted(set(lc.band.tolist())) if not filters.letter(b, SURVEY)]
    if unknown:
        raise DataError(
            f"{path}: {lc.object_id}: band {unknown[0]!r} is not a passband, lsstu to lssty"
        )
    if np.asarray(lc.upper_limit).any():
        raise DataError(f"{path}: {lc.object_id}: PLAsTiCC's format has no upper limits")
    return lc if lc.zeropoint == FLUXCAL_ZEROPOINT else lc.with_zeropoint(FLUXCAL_ZEROPOINT)


def _observations(objects: list[LightCurve]) -> dict[str, Any]:
    ids = np.repeat(np.array([int(lc.object_id) for lc in objects]), [len(lc) for lc in objects])
    flux, flux_err = (
        np.concatenate([getattr(lc, k) for lc in objects]) for k in ("flux", "flux_err")
    )
    letters = [[int(filters.letter(b, SURVEY)) for b in lc.bands] for lc in objects]
    return {
        "object_id": ids,
        "mjd": np.concatenate([lc.time for lc in objects]),
        "passband": np.concatenate(
            [np.array(k)[lc.band_index] for k, lc in zip(letters, objects, strict=True)]
        ),
        "flux": flux,
        "flux_err": flux_err,
        "detected_bool": (flux > 5 * flux_err).astype(np.int64),
    }


def _metadata(objects: list[LightCurve]) -> dict[str, Any]:
    codes = [default_taxonomy().code(lc.type, "plasticc") if lc.type else "" for lc in objects]
    plain = {
        name: [float(lc.meta.get(name, -9.0)) for lc in objects]
        for name in ("ra", "decl", "true_peakmjd")
    }
    return {
        "object_id": [int(lc.object_id) for lc in objects],
        **plain,
        "hostgal_specz": [-9.0 if np.isnan(lc.redshift) else lc.redshift for lc in objects],
        "mwebv": [-9.0 if np.isnan(lc.mwebv) else lc.mwebv for lc in objects],
        "target": [int(code or -9) for code in codes],
    }
