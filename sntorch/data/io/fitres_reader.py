"""Reader of SNANA's FITRES tables: what light-curve fits found, one supernova a row.

Reference: the SNANA manual, "Fit results" (Kessler et al. 2009, PASP 121, 1028): a line
``VARNAMES:`` with the columns, then a line ``SN:`` for each supernova.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sntorch.errors import DataError


def read_fitres(
    path: str | Path, columns: Sequence[str]
) -> tuple[list[str], dict[str, NDArray[np.float64]]]:
    """Names and numeric columns of a FITRES table.

    Args:
        path: The file.
        columns: Names of the wanted columns, as in its line ``VARNAMES:``.

    Returns:
        Names of the supernovae (column ``CID``) and the columns, shape (N,) each.

    Raises:
        DataError: No file, no table, a missing column, a row of another length, or what is not a
            number.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    names: list[str] | None = None
    rows: list[list[str]] = []
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1):
        words = line.split()
        if words[:1] == ["VARNAMES:"]:
            names = words[1:]
        if words[:1] != ["SN:"]:
            continue
        if names is None or len(words) - 1 != len(names):
            found = "no VARNAMES: before it" if names is None else f"{len(words) - 1} values"
            raise DataError(f"{path}, line {number}: {found}; a value a column is accepted")
        rows.append(words[1:])
    if names is None or not rows:
        raise DataError(f"{path}: no table; lines VARNAMES: and SN: are accepted")
    missing = [name for name in ("CID", *columns) if name not in names]
    if missing:
        raise DataError(f"{path}: no column {missing[0]}; there are {', '.join(names)}")
    labels = [row[names.index("CID")] for row in rows]
    return labels, {name: _numbers(path, name, names.index(name), rows) for name in columns}


def _numbers(
    path: Path, name: str, place: int, rows: Sequence[Sequence[str]]
) -> NDArray[np.float64]:
    values = np.empty(len(rows))
    for i, row in enumerate(rows):
        try:
            values[i] = float(row[place])
        except ValueError:
            raise DataError(
                f"{path}: {name} of {row[0]} is {row[place]!r}; a number is accepted"
            ) from None
    return values
