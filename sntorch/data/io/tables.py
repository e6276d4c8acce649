"""CSV tables as Arrow tables: reading with errors for the astronomer, writing with all digits."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sntorch.atomic import atomic_write
from sntorch.data.io.sources import read_bytes
from sntorch.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa


def read_csv(path: Path, texts: Iterable[str] = ()) -> pa.Table:
    """A CSV, TSV or semicolon-separated table with a header line; ``#`` begins a comment line.

    Args:
        path: The file, ``.gz`` or plain.
        texts: Columns to keep as text even where they look like numbers (lower case).

    Raises:
        DataError: Missing, damaged, not text, empty, or rows of different lengths.
    """
    import pyarrow as pa
    from pyarrow import csv

    content = _without_comments(read_bytes(path))
    if b"\0" in content[:10_000]:
        raise DataError(f"{path}: binary data, a CSV table is needed")
    if not content.strip():
        raise DataError(f"{path}: the file is empty, a CSV table with a header line is needed")
    first = content.lstrip().split(b"\n", 1)[0]
    delimiter = max((",", "\t", ";", "|"), key=lambda d: first.count(d.encode()))
    wanted = {t.lower() for t in texts}
    names = [
        n.strip().strip('"') for n in first.decode("utf-8-sig", "replace").strip().split(delimiter)
    ]
    kinds = {n: pa.string() for n in names if n.lower() in wanted}
    parse = csv.ParseOptions(delimiter=delimiter)
    options = csv.ConvertOptions(column_types=kinds)
    try:
        table = csv.read_csv(io.BytesIO(content), parse_options=parse, convert_options=options)
    except pa.ArrowInvalid as error:
        reason = " ".join(str(error).split())[:200]
        raise DataError(f"{path}: not a readable CSV table ({reason})") from error
    return table.rename_columns([n.strip() for n in table.column_names])


def _without_comments(content: bytes) -> bytes:
    content = content.removeprefix(b"\xef\xbb\xbf")
    if content.startswith(b"#") or b"\n#" in content:
        return re.sub(rb"(?m)^#.*\n?", b"", content)
    return content


def numbers(table: pa.Table, column: str) -> np.ndarray:
    """A column as float64, without the sign of a limit; NaN where empty or not a number."""
    import pyarrow as pa
    import pyarrow.compute as pc

    values = table[column]
    if pa.types.is_string(values.type):
        return np.array([_float(v) for v in values.to_pylist()], dtype=np.float64)
    if not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type)):
        return np.full(len(values), np.nan)
    return pc.cast(values, pa.float64()).to_numpy()


def _float(text: str | None) -> float:
    try:
        return float((text or "").lstrip("<> "))
    except ValueError:
        return np.nan


def codes(table: pa.Table, column: str) -> tuple[list[str], np.ndarray]:
    """A column as (values in the order of their first appearance, index of each row's value)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = pc.cast(table[column], pa.string())
    values = pc.fill_null(pc.call_function("utf8_trim_whitespace", [texts]), "")
    coded = values.combine_chunks().dictionary_encode()
    return coded.dictionary.to_pylist(), coded.indices.to_numpy().astype(np.int64)


def require(table: pa.Table, columns: Sequence[str], path: Path) -> None:
    """Check that a table has these columns.

    Raises:
        DataError: It has not; names those that are missing and those found.
    """
    missing = [c for c in columns if c not in table.column_names]
    if missing:
        found = ", ".join(table.column_names)
        raise DataError(f"{path}: missing column {', '.join(missing)} (found: {found})")


def by_object(index: np.ndarray, n_objects: int) -> tuple[np.ndarray, np.ndarray]:
    """Order that brings the rows of each object together, and the number of rows of each."""
    lengths = np.bincount(index, minlength=n_objects)
    if len(index) and (index[1:] >= index[:-1]).all():
        return np.arange(len(index)), lengths
    return np.argsort(index, kind="stable"), lengths


def write_csv(columns: Mapping[str, Any], path: Path) -> None:
    """Write columns with all digits of their numbers, packed when the name ends in ``.gz``."""
    import pyarrow as pa
    from pyarrow import csv

    with atomic_write(path) as draft:
        packed = "gzip" if path.suffix == ".gz" else None
        with pa.output_stream(str(draft), compression=packed) as stream:
            csv.write_csv(
                pa.table(dict(columns)), stream, csv.WriteOptions(quoting_style="needed")
            )
