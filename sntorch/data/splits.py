"""Which object is for training, validation or test: a split of one's own, and cross-validation.

A split is by object and kept in a file, so that every score can be repeated and no object is ever
on both sides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from sntorch.atomic import atomic_write
from sntorch.errors import ConfigError, DataError

PARTS = ("train", "val", "test")


def read_split(
    path: str | Path,
    object_id: str = "object_id",
    part: str = "part",
    names: Mapping[str, Sequence[str | int]] | None = None,
) -> dict[str, str]:
    """Part of each object from a table.

    Args:
        path: CSV (also .gz) with a row an object.
        object_id: Column of the names.
        part: Column of the parts.
        names: What the file writes for ``train``, ``val`` and ``test``; default: these words.

    Returns:
        ``train``, ``val`` or ``test`` by name of the object; objects of other parts are not there.

    Raises:
        DataError: No such file or column, or an object that stands in it twice.
    """
    try:
        table = pd.read_csv(path, dtype=str)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: not readable as a CSV table ({error})") from error
    for column in (object_id, part):
        if column not in table:
            raise DataError(f"{path}: no column {column}; found {', '.join(table.columns)}")
    twice = table[object_id][table[object_id].duplicated()]
    if len(twice):
        raise DataError(f"{path}: {twice.iloc[0]} stands in it more than once")
    words = {str(w): p for p, ws in (names or {p: [p] for p in PARTS}).items() for w in ws}
    unknown = sorted(set(words.values()) - set(PARTS))
    if unknown:
        raise ConfigError(f"split names {', '.join(unknown)}: accepted are {', '.join(PARTS)}")
    pairs = zip(table[object_id], table[part], strict=True)
    return {str(name): words[word] for name, word in pairs if word in words}


def given_split(
    object_id: Sequence[str], parts: Mapping[str, str], where: str
) -> list[np.ndarray]:
    """Indices of training, validation and test objects; objects of no part are left out.

    Args:
        object_id: Names, length B.
        parts: As ``read_split`` returns it.
        where: What the split is called in a message.

    Raises:
        DataError: None of the objects is in the split, or a name that two objects have.
    """
    if len(set(object_id)) < len(object_id):
        raise DataError(f"{where}: two objects have the same name, so a split by name is no split")
    found = np.array([parts.get(name, "") for name in object_id])
    if not (found != "").any():
        raise DataError(
            f"{where}: none of the {len(object_id)} objects is in it (the first is {object_id[0]})"
        )
    return [np.flatnonzero(found == part) for part in PARTS]


def write_split(path: str | Path, names: Mapping[str, Sequence[str]]) -> None:
    """Write names of objects by part as a table that ``read_split`` reads."""
    rows = [(name, part) for part, members in names.items() for name in members]
    with atomic_write(Path(path)) as draft:
        pd.DataFrame(rows, columns=["object_id", "part"]).to_csv(draft, index=False)


def fold_split(
    label: np.ndarray, fold: int, n_folds: int, validation: float, seed: int
) -> list[np.ndarray]:
    """Indices of training, validation and test objects in cross-validation, by class.

    Args:
        label: Class of each object, shape (B,).
        fold: Which fold is the test, 0 to ``n_folds`` - 1.
        n_folds: Number of folds.
        validation: Share of the other objects that validates.
        seed: Of the shuffle, the same for all folds.

    Raises:
        ConfigError: A fold that there is not.
    """
    if n_folds < 2 or not 0 <= fold < n_folds or not 0 <= validation < 1:
        raise ConfigError(
            f"fold {fold} of {n_folds}, validation {validation}: two folds or more, counted from "
            "0, and a share of 0 to below 1 are accepted"
        )
    rng = np.random.default_rng(seed)
    place = np.empty(len(label), dtype=int)
    kept = np.zeros(len(label), dtype=bool)
    for c in np.unique(label):
        members = rng.permutation(np.flatnonzero(label == c))
        # The random offset keeps small classes from all leaving their extra objects in fold 0.
        place[members] = (np.arange(len(members)) + rng.integers(n_folds)) % n_folds
        others = members[place[members] != fold]
        kept[others[: round(validation * len(others))]] = True
    test = place == fold
    return [np.flatnonzero(~test & ~kept), np.flatnonzero(~test & kept), np.flatnonzero(test)]
