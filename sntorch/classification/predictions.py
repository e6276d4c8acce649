"""What a classifier said of objects whose class is known: all that its scores are computed from.

Letters in shapes: ``N`` objects, ``C`` classes, ``S`` draws.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sntorch.atomic import atomic_write
from sntorch.data.batch import LightCurveBatch
from sntorch.errors import DataError

Array = NDArray[np.float64]
Index = NDArray[np.int64]
OPTIONAL = ("redshift", "snr", "n_observations")
PROBABILITY = "p_"


@dataclass(frozen=True, eq=False)
class Predictions:
    """Probabilities and labels of the same objects.

    Attributes:
        object_id: Names of the N objects.
        probabilities: Shape (N, C); rows are brought to a sum of one.
        label: Index into ``classes``, shape (N,); -1 where unknown.
        classes: Names of the C classes.
        redshift: Shape (N,), or None.
        snr: Largest signal-to-noise ratio among the observations used, shape (N,), or None.
        n_observations: How many observations were used, shape (N,), or None.
        type: Finer types of the objects (IIP, IIn, …) for contamination by type, or None.

    Raises:
        DataError: Lengths that differ, labels outside the classes, or probabilities that are
            negative, not finite or all zero.
    """

    object_id: Sequence[str]
    probabilities: Array
    label: Index
    classes: tuple[str, ...]
    redshift: Array | None = None
    snr: Array | None = None
    n_observations: Array | None = None
    type: Sequence[str] | None = None

    def __post_init__(self) -> None:
        put = lambda name, value: object.__setattr__(self, name, value)  # noqa: E731
        put("object_id", [str(name) for name in self.object_id])
        put("classes", tuple(self.classes))
        put("probabilities", np.asarray(self.probabilities, dtype=np.float64))
        put("label", np.asarray(self.label, dtype=np.int64))
        for name in OPTIONAL:
            if getattr(self, name) is not None:
                put(name, np.asarray(getattr(self, name), dtype=np.float64))
        if self.type is not None:
            put("type", [str(name) for name in self.type])
        self._check()
        put("probabilities", self.probabilities / self.probabilities.sum(1, keepdims=True))

    def _check(self) -> None:
        n = len(self.object_id)
        if self.probabilities.shape != (n, len(self.classes)):
            raise DataError(
                f"probabilities of shape {self.probabilities.shape} for {n} objects and "
                f"{len(self.classes)} classes"
            )
        for name in ("label", *OPTIONAL, "type"):
            value = getattr(self, name)
            if value is not None and len(value) != n:
                raise DataError(f"{len(value)} values of {name} for {n} objects")
        if n and (self.label.min() < -1 or self.label.max() >= len(self.classes)):
            raise DataError(
                f"labels from {self.label.min()} to {self.label.max()}; accepted are -1 "
                f"(unknown) to {len(self.classes) - 1} ({self.classes[-1]})"
            )
        p = self.probabilities
        bad = ~np.isfinite(p).all(1) | (p < 0).any(1) | (p.sum(1) <= 0)
        if bad.any():
            raise DataError(
                f"{self.object_id[int(bad.argmax())]}: probabilities {p[bad][0].tolist()}; "
                "accepted are non-negative, finite numbers, not all of them zero"
            )

    @classmethod
    def of(
        cls,
        batch: LightCurveBatch,
        probabilities: ArrayLike,
        classes: Sequence[str] | None = None,
        type: Sequence[str] | None = None,
    ) -> Predictions:
        """Probabilities with what a batch says of its objects.

        Args:
            batch: The light curves as the classifier saw them.
            probabilities: Shape (B, C).
            classes: Names of the C classes; default: the batch's.
            type: See the class; default: none.

        Raises:
            DataError: As for the class, and a class of a labelled object that the classifier
                does not have.
        """
        names = tuple(classes) if classes is not None else batch.classes
        place = {name: i for i, name in enumerate(names)}
        known = [batch.classes[k] for k in np.unique(batch.label.cpu().numpy()) if k >= 0]
        if missing := [name for name in known if name not in place]:
            raise DataError(
                f"class {', '.join(missing)} of the objects is not one of the classifier's: "
                f"{', '.join(names)}"
            )
        mapped = np.array([*(place.get(name, -1) for name in batch.classes), -1], dtype=np.int64)
        snr = (batch.flux / batch.flux_err).where(batch.mask & ~batch.upper_limit, 0.0)
        best = snr.amax(1) if snr.shape[1] else snr.sum(1)
        return cls(
            batch.object_id,
            np.asarray(probabilities),
            mapped[batch.label.cpu().numpy()],
            names,
            batch.redshift.cpu().numpy(),
            best.cpu().numpy(),
            batch.n_observations.cpu().numpy(),
            type,
        )

    def __len__(self) -> int:
        return len(self.object_id)

    def __getitem__(self, index: Any) -> Predictions:
        """The chosen objects: a mask, indices or a slice."""
        picked = np.arange(len(self))[index].reshape(-1)
        chosen: dict[str, Any] = {}
        for f in fields(self):
            value = getattr(self, f.name)
            if f.name == "classes" or value is None:
                continue
            array = isinstance(value, np.ndarray)
            chosen[f.name] = value[picked] if array else [value[i] for i in picked]
        return replace(self, **chosen)

    @property
    def predicted(self) -> Index:
        """Most probable class, shape (N,)."""
        return self.probabilities.argmax(1)

    @property
    def counts(self) -> Index:
        """Objects of each class, shape (C,)."""
        return np.bincount(self.label[self.label >= 0], minlength=len(self.classes))

    def labelled(self) -> Predictions:
        """The objects whose class is known."""
        return self if (self.label >= 0).all() else self[self.label >= 0]

    def is_class(self, name: str) -> NDArray[np.bool_]:
        """Whether objects are of a class, shape (N,)."""
        return self.label == self.class_index(name)

    def score(self, name: str) -> Array:
        """Probability of a class, shape (N,)."""
        return self.probabilities[:, self.class_index(name)]

    def class_index(self, name: str) -> int:
        """Where a class stands.

        Raises:
            DataError: No such class.
        """
        if name not in self.classes:
            raise DataError(f"no class {name!r}; the classes are {', '.join(self.classes)}")
        return self.classes.index(name)

    def write(self, path: str | Path) -> None:
        """Write a Parquet table: ``object_id``, ``p_<class>``, ``label`` and what else is known.

        Raises:
            DataError: It cannot be written.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        columns: dict[str, Any] = {"object_id": list(self.object_id)}
        for name, column in zip(self.classes, self.probabilities.T, strict=True):
            columns[PROBABILITY + name] = column
        columns["label"] = self.label
        known = [name for name in (*OPTIONAL, "type") if getattr(self, name) is not None]
        table = pa.table(columns | {name: getattr(self, name) for name in known})
        table = table.replace_schema_metadata({"classes": json.dumps(self.classes)})
        with atomic_write(path) as draft:
            pq.write_table(table, draft)

    @classmethod
    def read(cls, path: str | Path) -> Predictions:
        """Read what ``write`` wrote; probabilities come back to the last bits.

        Raises:
            DataError: Not such a file.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            table = pq.read_table(path)
        except (pa.ArrowException, OSError) as error:
            reason = str(error).splitlines()[0]
            raise DataError(f"{path}: not a readable Parquet file ({reason})") from error
        classes = json.loads((table.schema.metadata or {}).get(b"classes", b"[]"))
        missing = {"object_id", "label", *(PROBABILITY + c for c in classes)} - {
            *table.schema.names
        }
        if not classes or missing:
            raise DataError(
                f"{path}: no table of predictions; it has the columns "
                f"{', '.join(table.schema.names)}"
            )
        column = {name: table[name].to_numpy() for name in table.schema.names}
        return cls(
            column["object_id"].tolist(),
            np.stack([column[PROBABILITY + c] for c in classes], axis=1),
            column["label"],
            tuple(classes),
            **{name: column.get(name) for name in (*OPTIONAL, "type")},
        )
