"""Light curves one by one, for files that do not fit into memory."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from sntorch.data.io.dispatch import format_to_read
from sntorch.data.io.reading import Reading
from sntorch.data.light_curve import LightCurve, LightCurves


class Stream:
    """The objects of a file or a folder, in chunks.

    Parquet is read some thousand objects at a time, PLAsTiCC a file at a time, the other formats
    at once. When all has been read, one warning counts what was left out.

    Args:
        path: File or folder.
        format: As of ``read``.
        **options: As of ``read``: ``strict``, ``bad_rows``, ``bands``, ``survey``, ``taxonomy``,
            and what only one format understands.

    Raises:
        DataError: As ``read``.

    Example:
        >>> for chunk in Stream("million.parquet").chunks(4096):  # doctest: +SKIP
        ...     batch = chunk.to_batch()
    """

    def __init__(self, path: str | Path, format: str | None = None, **options: Any) -> None:
        common = {k: options.pop(k) for k in _COMMON if k in options}
        chosen = format_to_read(Path(path), format, options)
        own = {k: v for k, v in options.items() if v is not None}
        self._reading = Reading(Path(path), **common, options=own)
        self._format = chosen.load()

    @property
    def total(self) -> int | None:
        """Number of objects in the files, usable or not; None where only reading tells."""
        count = getattr(self._format, "count_objects", None)
        return None if count is None else count(self._reading.path)

    def __iter__(self) -> Iterator[LightCurve]:
        read = getattr(self._format, "stream", self._format.read)
        n_read = 0
        for light_curve in read(self._reading):
            n_read += 1
            yield light_curve
        self._reading.report(n_read)

    def chunks(self, size: int) -> Iterator[LightCurves]:
        """As many objects at a time; the last chunk may be smaller."""
        objects = iter(self)
        while group := list(islice(objects, size)):
            yield LightCurves(group)


_COMMON = ("strict", "bad_rows", "bands", "survey", "taxonomy")
