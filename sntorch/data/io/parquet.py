"""Parquet with list columns, one row an object, written and read in groups of rows.

The list columns (``time``, ``flux``, ``flux_err``, ``band``, ``upper_limit``) are what
nested-pandas and LSDB nest: ``nested_pandas.read_parquet(path).nest_lists(["time", …],
"light_curve")``; a file in which they are packed into one struct column is read as well.
Everything of a light curve is kept exactly; ``meta`` as JSON, arrays in it as lists. The
provenance of an augmented sample stands in columns, so that other tools can select by it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sntorch.atomic import atomic_write
from sntorch.data import provenance
from sntorch.data.io.checks import Columns
from sntorch.data.io.reading import Reading
from sntorch.data.light_curve import FLUXCAL_ZEROPOINT, LightCurve
from sntorch.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

ROW_GROUP = 2048
NUMBERS = ("redshift", "redshift_err", "mwebv", "peak_mjd", "zeropoint")
TEXTS = ("object_id", "type", "survey")
LISTS = ("time", "flux", "flux_err", "band", "upper_limit")
REQUIRED = ("object_id", "time", "flux", "flux_err", "band")


def read(reading: Reading) -> list[LightCurve]:
    """All objects of a file, or of all ``.parquet`` files of a folder."""
    return list(stream(reading))


def stream(reading: Reading) -> Iterator[LightCurve]:
    """All objects one by one, ``ROW_GROUP`` of them in memory at a time."""
    for path in files(reading.path):
        yield from _objects(path, reading)


def count_objects(path: Path) -> int:
    """Number of objects, which Parquet says without being read."""
    import pyarrow.parquet as pq

    with _readable(path):
        return sum(pq.read_metadata(file).num_rows for file in files(path))


def files(path: Path) -> list[Path]:
    """The file, or the Parquet files of a folder in the order of their names."""
    if not path.is_dir():
        return [path]
    found = sorted(p for p in path.iterdir() if p.suffix in (".parquet", ".pq"))
    if not found:
        raise DataError(f"{path}: no .parquet files in this folder")
    return found


def _objects(path: Path, reading: Reading) -> Iterator[LightCurve]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with _readable(path), pq.ParquetFile(path) as file:
        # Not by row group: other programs write files of a single one.
        for rows in file.iter_batches(ROW_GROUP):
            yield from _group(pa.Table.from_batches([rows]), path, reading)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{path}: not a readable Parquet file ({str(error).splitlines()[0]})"
        ) from error


def _group(table: pa.Table, path: Path, reading: Reading) -> Iterator[LightCurve]:
    import pyarrow as pa
    import pyarrow.compute as pc

    while structs := [f.name for f in table.schema if pa.types.is_struct(f.type)]:
        table = _unpack(table, structs[0])
    missing = [c for c in REQUIRED if c not in table.column_names]
    if missing:
        raise DataError(
            f"{path}: missing column {', '.join(missing)} (found: {', '.join(table.column_names)})"
        )
    lists = {c: _flat(table, c, path) for c in LISTS if c in table.column_names}
    headers = [_header(row) for row in table.drop_columns(list(lists)).to_pylist()]
    names, index = lists.pop("band")
    columns = Columns(filter=index, filters=names, **lists)
    counts = pc.call_function("list_value_length", [table["time"]])
    lengths = pc.fill_null(counts, 0).to_numpy().astype(np.int64)
    if any(len(values) != lengths.sum() for values in (*lists.values(), index)):
        raise DataError(f"{path}: the lists of {', '.join(LISTS)} differ in length")
    surveys = {header["survey"] for header in headers}
    survey = surveys.pop() if len(surveys) == 1 else ""
    yield from reading.split(columns, lengths, headers, reading.band_names(names, survey))


def _unpack(table: pa.Table, column: str) -> pa.Table:
    packed = table[column].combine_chunks()
    table = table.drop_columns([column])
    for i, part in enumerate(packed.type):
        table = table.append_column(part.name, packed.field(i))
    return table


def _flat(table: pa.Table, column: str, path: Path) -> Any:
    """All values of a list column one after another; bands as (names, index)."""
    import pyarrow as pa

    array = table[column].combine_chunks()
    if not (pa.types.is_list(array.type) or pa.types.is_large_list(array.type)):
        raise DataError(f"{path}: column {column} holds {array.type}; a list an object is needed")
    values = array.flatten()
    if column == "band":
        coded = values.cast(pa.string()).dictionary_encode()
        return coded.dictionary.to_pylist(), coded.indices.to_numpy(zero_copy_only=False).astype(
            np.int64
        )
    dtype = bool if column == "upper_limit" else np.float64
    return values.to_numpy(zero_copy_only=False).astype(dtype)


def _header(row: dict[str, Any]) -> dict[str, Any]:
    """Attributes of a light curve from a row's plain columns; unknown columns go to ``meta``."""
    numbers = {k: math.nan if row.get(k) is None else float(row[k]) for k in NUMBERS}
    if math.isnan(numbers["zeropoint"]):
        numbers["zeropoint"] = FLUXCAL_ZEROPOINT
    texts = {k: str(row[k]) if row.get(k) is not None else "" for k in TEXTS}
    meta = json.loads(row.get("meta") or "{}")
    origin = provenance.entries(row)
    others = provenance.without(row) if provenance.MARK in row else row
    meta.update({k: v for k, v in others.items() if k not in (*TEXTS, *NUMBERS, "meta")})
    meta = {k: math.nan if v is None else v for k, v in meta.items()}
    return {**texts, **numbers, "meta": {**meta, **origin}}


def write(light_curves: Iterable[LightCurve], path: Path) -> None:
    """Write one file, a row group in memory at a time; the objects may come from a generator."""
    import pyarrow.parquet as pq

    objects = iter(light_curves)
    with atomic_write(path) as draft:
        writer, marked = None, False
        while group := list(islice(objects, ROW_GROUP)):
            # All row groups have the columns of the first one.
            marked = marked if writer else provenance.any_marked(group)
            table = to_arrow(group, marked)
            writer = writer or pq.ParquetWriter(draft, table.schema, compression="zstd")
            writer.write_table(table)
        if writer is None:
            raise DataError(f"{path}: no light curves to write")
        writer.close()


def to_arrow(light_curves: Sequence[LightCurve], marked: bool = False) -> pa.Table:
    """Light curves as a table of one row an object, with columns of their provenance if marked."""
    import pyarrow as pa

    offsets = np.concatenate([[0], np.cumsum([len(lc) for lc in light_curves])]).astype(np.int32)
    columns: dict[str, Any] = {
        k: pa.array([getattr(lc, k) for lc in light_curves], pa.string()) for k in TEXTS
    }
    columns |= {
        k: pa.array([float(getattr(lc, k)) for lc in light_curves], pa.float64()) for k in NUMBERS
    }
    metas = [provenance.without(lc.meta) if marked else lc.meta for lc in light_curves]
    columns["meta"] = pa.array([_json(meta) for meta in metas], pa.string())
    if marked:
        kinds = {bool: pa.bool_(), str: pa.string(), int: pa.int64()}
        columns |= {
            k: pa.array(values, kinds[provenance.PROVENANCE[k]])
            for k, values in provenance.columns(light_curves).items()
        }
    for name in LISTS:
        values = np.concatenate([np.asarray(getattr(lc, name)) for lc in light_curves])
        kind = {"band": pa.string(), "upper_limit": pa.bool_()}.get(name, pa.float64())
        columns[name] = pa.ListArray.from_arrays(
            pa.array(offsets), pa.array(values.tolist() if name == "band" else values, kind)
        )
    return pa.table(columns).replace_schema_metadata({"sntorch": "light curves, 1"})


def _json(meta: dict[str, Any]) -> str:
    """``meta`` as JSON, which has no NaN: null instead."""
    missing = {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in meta.items()}
    return json.dumps(missing, default=_plain)


def _plain(value: Any) -> Any:
    """What JSON cannot write: numbers and arrays of NumPy and torch; everything else as text."""
    return value.tolist() if hasattr(value, "tolist") else str(value)
