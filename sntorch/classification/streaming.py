"""Tables written piece by piece, for more rows than fit into memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sntorch.atomic import atomic_write
from sntorch.errors import ConfigError

if TYPE_CHECKING:
    from pandas import DataFrame

SUFFIXES = (".parquet", ".csv")
# Rows that are written together: a Parquet file of tiny row groups is slow to read.
ROWS = 1 << 16


def write_tables(
    tables: Iterable[DataFrame],
    path: Path,
    rows_an_object: int = 1,
    total: int | None = None,
    progress: Callable[[int, int | None], None] | None = None,
) -> int:
    """Write tables one after another into one file, which appears when it is complete.

    Args:
        tables: Of the same columns.
        path: ``.parquet`` or ``.csv``.
        rows_an_object: Rows that an object has.
        total: Number of objects, where it is known beforehand.
        progress: Called after each table with the number of objects done, and ``total``.

    Returns:
        Number of objects.

    Raises:
        ConfigError: Another suffix.
        DataError: The file cannot be written.
    """
    check_suffix(path)
    n_rows = 0
    with atomic_write(path) as draft, _WRITERS[path.suffix](draft) as writer:
        for table in tables:
            writer.add(table)
            n_rows += len(table)
            if progress is not None:
                progress(n_rows // rows_an_object, total)
    return n_rows // rows_an_object


def check_suffix(path: Path) -> None:
    """Refuse a name that no format goes with.

    Raises:
        ConfigError: It does not end in ``.parquet`` or ``.csv``.
    """
    if path.suffix not in SUFFIXES:
        raise ConfigError(f"{path}: a file ending in {' or '.join(SUFFIXES)} is accepted")


class _Writer(ABC):
    """Gathers tables and writes them when they are many rows."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._kept: list[DataFrame] = []
        self._n = 0

    def add(self, table: DataFrame) -> None:
        self._kept.append(table)
        self._n += len(table)
        if self._n >= ROWS:
            self.flush()

    def flush(self) -> None:
        from pandas import concat

        if self._kept:
            self.write(concat(self._kept, ignore_index=True))
        self._kept, self._n = [], 0

    @abstractmethod
    def write(self, table: DataFrame) -> None:
        """Append rows to the file."""

    @abstractmethod
    def close(self) -> None:
        """Finish the file."""

    def __enter__(self) -> _Writer:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.flush()
        self.close()


class _Parquet(_Writer):
    _file: Any = None

    def write(self, table: DataFrame) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        rows = pa.Table.from_pandas(table, preserve_index=False)
        if self._file is None:
            self._file = pq.ParquetWriter(self.path, rows.schema, compression="zstd")
        self._file.write_table(rows)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


class _Csv(_Writer):
    _begun = False

    def write(self, table: DataFrame) -> None:
        table.to_csv(self.path, mode="a", header=not self._begun, index=False)
        self._begun = True

    def close(self) -> None:
        """Every table has been written and closed on its own."""


_WRITERS = {".parquet": _Parquet, ".csv": _Csv}
