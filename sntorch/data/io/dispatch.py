"""``read`` and ``write``: the format is named, or guessed from the path and its first bytes."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from sntorch.data.io.reading import Reading
from sntorch.data.io.sources import read_bytes
from sntorch.data.light_curve import LightCurve, LightCurves
from sntorch.data.taxonomy import Taxonomy, default_taxonomy
from sntorch.errors import DataError


@dataclass(frozen=True)
class Format:
    """A file format: the module that reads and writes it, and what it accepts.

    Attributes:
        module: Module of ``sntorch.data.io`` with ``read(reading)`` and
            ``write(light_curves, path)``.
        text: What it is, in a few words.
        options: Keywords of ``read`` that only this format understands.
    """

    module: str
    text: str
    options: tuple[str, ...] = ()

    def load(self) -> ModuleType:
        """The module, imported when it is first needed."""
        return importlib.import_module(f"sntorch.data.io.{self.module}")


FORMATS = {
    "snana": Format("snana", "SNANA text: a file, a .LIST or a folder"),
    "snana_fits": Format(
        "snana_fits", "SNANA FITS: X_HEAD.FITS and X_PHOT.FITS, also .gz, or a folder of them"
    ),
    "sncosmo": Format("sncosmo", "sncosmo-style tables, ECSV: a file or a folder"),
    "plasticc": Format(
        "plasticc", "PLAsTiCC CSV: light curves and metadata, also .gz", ("metadata",)
    ),
    "parquet": Format("parquet", "Parquet with list columns, one row an object"),
    "csv": Format(
        "csv",
        "long CSV tables of fluxes or magnitudes, also .gz",
        ("columns", "objects", "zeropoint", "magsys"),
    ),
    "talk": Format("talk", "CSV with the k-th observation of every band side by side"),
}


def read(
    path: str | Path,
    format: str | None = None,
    strict: bool = False,
    bad_rows: str = "skip",
    bands: Mapping[str, str] | None = None,
    survey: str | None = None,
    taxonomy: Taxonomy | None = None,
    **options: Any,
) -> LightCurves:
    """Read light curves from a file or a folder.

    Args:
        path: File or folder.
        format: One of ``FORMATS``; guessed from the path and the first bytes by default.
        strict: Raise at the first bad object (or repeated row); by default it is left out, counted
            in one warning, and named in ``LightCurves.skipped``.
        bad_rows: What one bad observation (NaN, error not positive, unknown filter) costs:
            ``"skip"`` the object, ``"drop"`` only the observation.
        bands: Names of bandpasses for the file's own names of filters, ``{"g": "ps1::g"}``.
        survey: Survey to use whatever the file says; it decides what filter letters mean.
        taxonomy: Tree to which the file's types are mapped; the packaged one by default.
        **options: What only one format understands; see the modules of ``sntorch.data.io``.

    Returns:
        The objects; what was left out is in ``skipped``.

    Raises:
        DataError: No such file, not the format, nothing usable in it, or (strict) a bad object.
    """
    chosen = format_to_read(Path(path), format, options)
    reading = Reading(
        Path(path),
        strict,
        bad_rows,
        bands,
        survey,
        taxonomy or default_taxonomy(),
        {k: v for k, v in options.items() if v is not None},
    )
    return reading.finish(chosen.load().read(reading))


def format_to_read(path: Path, format: str | None, options: Mapping[str, Any]) -> Format:
    """The format named, or guessed.

    Raises:
        DataError: No such file, none of the formats, or an option that it does not understand.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    chosen = _format(format) if format else FORMATS[guess_format(path)]
    unknown = sorted(set(options) - set(chosen.options))
    if unknown:
        accepted = ", ".join(chosen.options) or "none"
        raise DataError(
            f"{path}: unknown option {', '.join(unknown)} for {chosen.text}; accepted: {accepted}"
        )
    return chosen


def write(light_curves: Iterable[LightCurve], path: str | Path, format: str | None = None) -> None:
    """Write light curves; nothing is left half-written.

    Args:
        light_curves: The objects; at least one.
        path: ``.parquet``, ``.ecsv``, ``.csv`` or ``X_HEAD.FITS``; a folder for SNANA text.
        format: One of ``FORMATS``; guessed from the path's name by default.

    Raises:
        DataError: No objects, an object that the format cannot hold, or a path that cannot be
            written.
    """
    target = Path(path)
    chosen = _format(format) if format else FORMATS[format_to_write(target)]
    objects = light_curves if isinstance(light_curves, LightCurves) else list(light_curves)
    if not len(objects):
        raise DataError(f"{target}: no light curves to write")
    chosen.load().write(objects, target)


def guess_format(path: Path) -> str:
    """Format of an existing file or folder.

    Raises:
        DataError: None of the formats fits.
    """
    found = _guess_folder(path) if path.is_dir() else _guess_file(path)
    if not found:
        kind = "folder" if path.is_dir() else "file"
        raise DataError(
            f"{path}: no known light-curve format in this {kind}; accepted are {_formats()}"
        )
    return found


def _guess_folder(path: Path) -> str:
    from sntorch.data.io import snana

    names = [p.name for p in path.iterdir() if p.is_file()]
    patterns = {
        "snana": r".*\.LIST",
        "snana_fits": r".*_HEAD\.FITS(\.gz)?",
        "plasticc": r"(plasticc|training|test)_.*\.csv(\.gz)?",
        "parquet": r".*\.(parquet|pq)",
        "sncosmo": r".*\.ecsv",
        "csv": r"photometry\.csv(\.gz)?",
    }
    for name, pattern in patterns.items():
        if any(re.fullmatch(pattern, n, re.IGNORECASE) for n in names):
            return name
    text = any(snana.looks_like(path / n) for n in names) or snana.subfolders(path)
    return "snana" if text else ""


def _guess_file(path: Path) -> str:
    from sntorch.data.io import snana

    name = path.name.lower()
    if path.suffix == ".LIST":
        return "snana"
    if re.search(r"\.fits?(\.gz)?$", name):
        return "snana_fits"
    if name.endswith((".parquet", ".pq")):
        return "parquet"
    if name.endswith((".ecsv", ".ecsv.gz")):
        return "sncosmo"
    if re.search(r"\.(csv|tsv)(\.gz)?$", name):
        return _guess_csv(path)
    return "snana" if snana.looks_like(path) else ""


def _guess_csv(path: Path) -> str:
    head = read_bytes(path)[:4000].decode("utf-8", errors="replace")
    columns = (
        {c.strip().strip('"') for c in head.splitlines()[0].split(",")} if head.strip() else set()
    )
    if {"object_id", "mjd", "passband", "flux", "flux_err"} <= columns:
        return "plasticc"
    if any(f"{c}_t" in columns and f"{c}_err" in columns for c in columns):
        return "talk"
    return "csv"


def format_to_write(path: Path) -> str:
    """Format that goes with the name of a file or folder to be written.

    Raises:
        DataError: None does.
    """
    name = path.name.lower()
    if name.endswith((".parquet", ".pq")):
        return "parquet"
    if name.endswith(".ecsv"):
        return "sncosmo"
    if name.endswith((".csv", ".csv.gz")):
        return "csv"
    if re.search(r"\.fits?(\.gz)?$", name):
        return "snana_fits"
    if path.is_dir() or path.suffix.lower() in ("", ".dat", ".txt"):
        return "snana"
    raise DataError(
        f"{path}: no format goes with this name; name a folder, or a file ending in .parquet, "
        ".ecsv, .csv, _HEAD.FITS or .dat, or give format=… (" + ", ".join(FORMATS) + ")"
    )


def _format(name: str) -> Format:
    if name not in FORMATS:
        raise DataError(f"unknown format {name!r}; accepted are {_formats()}")
    return FORMATS[name]


def _formats() -> str:
    return "; ".join(f"{name} ({f.text})" for name, f in FORMATS.items())
