"""SNANA's text format: one file an object, or a folder with a ``.LIST`` of them.

Reference: the SNANA manual, "Text format" (Kessler+09, PASP 121, 1028;
github.com/RickKessler/SNANA).

What the format holds: FLUXCAL, zero point 27.5 (other zero points are converted on writing), one
word for the name, and the header below. Upper limits are kept in a column ``UPPERLIMIT`` of our
own, the class in ``SNTYPE_NAME``; ``synthetic`` and ``seed`` of generated objects stand in the
header, what generated them in the folder's ``.README``. Numbers are written with all their
digits, so that what is read back is equal. Columns other than time, filter, flux and error are
not kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, count
from pathlib import Path

import numpy as np

from sntorch.atomic import atomic_folder, atomic_write
from sntorch.data import filters
from sntorch.data.io.checks import Columns
from sntorch.data.io.reading import Reading
from sntorch.data.io.snana_folder import is_ours, origin, write_side_files
from sntorch.data.io.snana_header import attributes, header_lines, is_number
from sntorch.data.io.sources import read_text
from sntorch.data.light_curve import FLUXCAL_ZEROPOINT, LightCurve
from sntorch.errors import DataError

SUFFIXES = (".dat", ".txt")
SIDE_FILES = (".LIST", ".README", ".IGNORE")
NEEDED = ("MJD", "FLT", "FLUXCAL", "FLUXCALERR")
_HEADER = re.compile(r"^\s*([A-Za-z_][\w.()\-\[\]]*):(?:\s+(.*))?$")
_ERROR = re.compile(r"\+-\s*(\S+)")


def read(reading: Reading) -> list[LightCurve]:
    """All objects of a file, a ``.LIST`` or a folder."""
    found: list[LightCurve] = []
    single = reading.path.is_file() and reading.path.suffix != ".LIST"
    for path in files(reading.path):
        try:
            found += _read_file(path, reading)
        except DataError as error:
            if single:
                raise
            reading.skip(str(error))
    return found


def files(path: Path) -> list[Path]:
    """Files of the objects.

    A ``.LIST`` stands for the files it names. A folder stands for the ``.dat``, ``.DAT`` and
    ``.txt`` files in it, in the order of its ``.LIST`` where it has one (published lists have
    misspelt names); a folder without any for those of its sub-folders.
    """
    if path.is_dir():
        lists = sorted(path.glob("*.LIST"))
        rank = {p.name: i for i, p in enumerate(files(lists[0]))} if len(lists) == 1 else {}
        found = [p for p in path.iterdir() if p.suffix.lower() in SUFFIXES and looks_like(p)]
        if not found and (inner := subfolders(path)):
            return [p for folder in inner for p in files(folder)]
        if not found:
            raise DataError(f"{path}: no SNANA text files (with SNID: and OBS:) in this folder")
        return sorted(found, key=lambda p: (rank.get(p.name, len(rank)), p.name))
    if path.suffix != ".LIST":
        return [path]
    names = [line.split("#")[0].strip() for line in read_text(path).splitlines()]
    return [path.parent / name for name in names if name]


def subfolders(path: Path) -> list[Path]:
    """Folders directly below with a ``.LIST`` or SNANA text files in them."""
    inner = sorted(p for p in path.iterdir() if p.is_dir() and not p.name.startswith("."))
    return [p for p in inner if any(_is_listed(f) for f in p.iterdir())]


def _is_listed(path: Path) -> bool:
    return path.suffix == ".LIST" or (path.suffix.lower() in SUFFIXES and looks_like(path))


def looks_like(path: Path) -> bool:
    """Whether a file begins like an SNANA text file."""
    if not path.is_file() or path.suffix in SIDE_FILES or path.name.startswith("."):
        return False
    with path.open("rb") as file:
        start = file.read(20_000)
    return (
        re.search(rb"^\s*(SNID|SURVEY)\s*:", start, re.MULTILINE) is not None
        and b"\0" not in start
    )


def _read_file(path: Path, reading: Reading) -> Iterator[LightCurve]:
    header, names, rows = _parse(read_text(path), path)
    if "SNID" not in header:
        raise DataError(f"{path}: no SNID: in the header; an SNANA text file needs one")
    where = f"{path}: {header['SNID']}"
    columns = _observations(names, rows, header, where)
    given = attributes(header, reading, where)
    bands = reading.band_names(columns.filters, given["survey"])
    lc = reading.make(columns, where, bands, object_id=header["SNID"], **given)
    if lc is not None:
        yield lc


def _observations(
    names: list[str], rows: list[list[str]], header: dict[str, str], where: str
) -> Columns:
    position = _columns(names, where)
    _check_rows(rows, names, header, where)
    table = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    time, flux, error = (_floats(table[position[k]], k, where) for k in NEEDED if k != "FLT")
    limit = None
    if "UPPERLIMIT" in position:
        limit = _floats(table[position["UPPERLIMIT"]], "UPPERLIMIT", where) > 0
    columns = Columns.named(
        time, flux, error, table[position["FLT"]], upper_limit=limit, unit_stated=False
    )
    return columns.part(~((flux == -9) & (error == -9)))


def _parse(text: str, path: Path) -> tuple[dict[str, str], list[str], list[list[str]]]:
    """Header words, column names, and the observations as words."""
    header: dict[str, str] = {}
    columns: list[str] = []
    rows: list[list[str]] = []
    documentation = False
    for line in text.splitlines():
        words = line.split()
        first = words[0] if words else ""
        if first in ("DOCUMENTATION:", "DOCUMENTATION_END:"):
            documentation = first == "DOCUMENTATION:"
        if documentation or not first or first[0] == "#":
            continue
        if first == "END_PHOTOMETRY:":
            break
        if first == "OBS:":
            rows.append(words[1:])
        elif first in ("VARLIST:", "VARNAMES:"):
            columns = words[1:]
        elif match := _HEADER.match(line):
            _put(header, match.group(1), re.sub(r"(^|\s)#.*", "", match.group(2) or "").strip())
    if not rows and not header:
        raise DataError(f"{path}: no SNANA text file; SNID:, VARLIST: and OBS: lines are needed")
    return header, columns, rows


def _put(header: dict[str, str], key: str, text: str) -> None:
    error = _ERROR.search(text)
    words = text.split()
    header[key] = words[0] if words else ""
    if error:
        header[f"{key}_ERR"] = error.group(1)
    # The SNPCC (Kessler+10) tells the true type only here.
    if kind := re.search(r"SN Type = ([\w-]+)", text):
        header["SIM_TYPE_NAME"] = kind.group(1)


def _columns(columns: Sequence[str], where: str) -> dict[str, int]:
    position = {name: i for i, name in enumerate(columns)}
    if "BAND" in position:
        position.setdefault("FLT", position["BAND"])
    missing = [k for k in NEEDED if k not in position]
    if missing:
        found = " ".join(columns) or "no VARLIST"
        raise DataError(f"{where}: missing column {', '.join(missing)} (VARLIST has: {found})")
    return position


def _check_rows(
    rows: list[list[str]], columns: Sequence[str], header: dict[str, str], where: str
) -> None:
    for i, row in enumerate(rows):
        if len(row) < len(columns):
            raise DataError(
                f"{where}: OBS row {i + 1} has {len(row)} values, VARLIST has {len(columns)}"
            )
        del row[len(columns) :]
    stated = header.get("NOBS", "")
    if stated.isdigit() and int(stated) > len(rows):
        raise DataError(
            f"{where}: NOBS is {stated} but there are {len(rows)} OBS rows; the file is truncated"
        )


def _floats(words: Sequence[str], name: str, where: str) -> np.ndarray:
    try:
        return np.array(words, dtype=np.float64)
    except ValueError:
        for i, word in enumerate(words):
            if not is_number(word):
                raise DataError(
                    f"{where}: OBS row {i + 1}: {name} is {word!r}, a number is needed"
                ) from None
        raise


def write(light_curves: Iterable[LightCurve], path: Path) -> None:
    """One file, or a folder with one file an object, a ``.LIST`` and a ``.README``.

    Args:
        light_curves: The objects.
        path: ``NAME.dat`` / ``.DAT`` / ``.txt`` for a single object, else a folder.

    Raises:
        DataError: The folder holds files that sntorch did not write.
    """
    if path.suffix.lower() in (".dat", ".txt"):
        _write_one(list(light_curves), path)
        return
    with atomic_folder(path, replaceable=is_ours) as folder:
        names: dict[str, None] = {}
        origins: list[str] = []
        for lc in light_curves:
            name = _file_name(lc.object_id, names)
            (folder / name).write_text(to_text(lc), encoding="utf-8")
            names[name] = None
            origins.append(origin(lc))
        write_side_files(folder, path.name, list(names), origins)


def _write_one(light_curves: list[LightCurve], path: Path) -> None:
    if len(light_curves) != 1:
        raise DataError(
            f"{path}: a text file holds one object, not {len(light_curves)}; name a folder"
        )
    with atomic_write(path) as draft:
        draft.write_text(to_text(light_curves[0]), encoding="utf-8")


def _file_name(object_id: str, taken: Mapping[str, None]) -> str:
    """A file's name after the object; an object may occur more than once (seen by two cameras)."""
    stem = re.sub(r"[^A-Za-z0-9._+-]", "_", object_id)[:100].lstrip(".") or "object"
    lower = {name.lower() for name in taken}
    candidates = (f"{stem}{suffix}.DAT" for suffix in chain([""], (f"_{n}" for n in count(2))))
    return next(name for name in candidates if name.lower() not in lower)


def to_text(lc: LightCurve) -> str:
    """An object as SNANA text."""
    if (
        len(lc.object_id.split()) != 1
        or lc.object_id != lc.object_id.strip()
        or lc.object_id[0] == "#"
    ):
        raise DataError(
            f"{lc.object_id!r}: SNANA needs a name of one word that does not begin with '#'"
        )
    lc = lc if lc.zeropoint == FLUXCAL_ZEROPOINT else lc.with_zeropoint(FLUXCAL_ZEROPOINT)
    letters = {b: filters.letter(b, lc.survey) or b for b in lc.bands}
    used = sorted({letters[b] for b in lc.band})
    limits = np.asarray(lc.upper_limit)
    columns = [
        "MJD",
        "FLT",
        "FIELD",
        "FLUXCAL",
        "FLUXCALERR",
        *(["UPPERLIMIT"] if limits.any() else []),
    ]
    lines = [
        *header_lines(lc, used),
        f"NOBS: {len(lc)}",
        f"NVAR: {len(columns)}",
        f"VARLIST: {' '.join(columns)}",
    ]
    flags = [f" {int(v)}" for v in limits] if limits.any() else [""] * len(lc)
    rows = zip(
        lc.time.tolist(),
        lc.band.tolist(),
        lc.flux.tolist(),
        lc.flux_err.tolist(),
        flags,
        strict=True,
    )
    lines += [f"OBS: {t!r} {letters[b]} NULL {f!r} {e!r}{u}" for t, b, f, e, u in rows]
    return "\n".join([*lines, "END:", ""])
