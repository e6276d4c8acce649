"""What every reader shares: names of bands and types, and counting what is left out."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sntorch.data import filters
from sntorch.data.io.checks import Columns, bad_rows, problem, repeated_rows
from sntorch.data.light_curve import LightCurve, LightCurves
from sntorch.data.taxonomy import Taxonomy, default_taxonomy
from sntorch.errors import DataError, SntorchWarning

BAD_ROWS = ("skip", "drop")
NAN = float("nan")
MISSING = (-9.0, -99.0, -999.0)


@dataclass
class Reading:
    """One call of ``read``: what was asked for, and what was left out on the way.

    Attributes:
        path: What is read, for messages.
        strict: Raise at the first bad object instead of leaving it out.
        bad_rows: ``"skip"`` leaves out an object with a bad observation, ``"drop"`` only that
            observation.
        bands: Names of bandpasses for the file's own names of filters; they win over the survey's.
        survey: Survey to use whatever the header says.
        taxonomy: Tree of classes to which the file's types are mapped.
        options: What only one format understands.
    """

    path: Path
    strict: bool = False
    bad_rows: str = "skip"
    bands: Mapping[str, str] | None = None
    survey: str | None = None
    taxonomy: Taxonomy = field(default_factory=default_taxonomy)
    options: dict[str, Any] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    dropped: int = 0
    repeated: list[str] = field(default_factory=list)
    unknown_types: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        if self.bad_rows not in BAD_ROWS:
            raise DataError(f"bad_rows={self.bad_rows!r}: accepted are {', '.join(BAD_ROWS)}")
        self.bands = {letter: filters.known(name) for letter, name in (self.bands or {}).items()}

    def skip(self, reason: str) -> None:
        """Leave out an object (``reason`` names file and object), or raise when strict."""
        if self.strict:
            raise DataError(reason)
        self.skipped.append(reason)

    def type_of(self, value: Any, scheme: str, where: str) -> str:
        """Node of the taxonomy for a file's own type; empty (and counted) where unknown."""
        try:
            return self.taxonomy.resolve(value, scheme)
        except DataError as error:
            if self.strict:
                raise DataError(f"{where}: {error}") from error
            self.unknown_types[str(value)] += 1
            return ""

    def band_names(self, letters: Iterable[str], survey: str = "") -> dict[str, str]:
        """Bandpass of each of a file's filter names, empty where there is none."""
        own = self.bands or {}
        names: dict[str, str] = {}
        for letter in letters:
            if letter in own:
                names[letter] = own[letter]
                continue
            try:
                names[letter] = filters.band(letter, self.survey or survey)
            except DataError:
                names[letter] = ""
        return names

    def make(
        self, columns: Columns, where: str, names: Mapping[str, str], **header: Any
    ) -> LightCurve | None:
        """The checked light curve of one object's columns, or None where it was left out.

        Args:
            columns: The object's observations.
            where: File and object, for messages.
            names: Bandpass of each of the file's filters, empty where there is none
                (``band_names``).
            **header: Attributes of ``LightCurve`` that are no columns.
        """
        lookup = np.full(len(columns.filters) + 1, -1, dtype=np.int64)
        used = np.flatnonzero(np.bincount(columns.filter))
        found = [names[columns.filters[i]] for i in used]
        bands = sorted({n for n in found if n})
        lookup[used] = [bands.index(n) if n else -1 for n in found]
        lc = LightCurve(
            time=columns.time,
            flux=columns.flux,
            flux_err=columns.flux_err,
            band_index=lookup[columns.filter],
            bands=tuple(bands),
            upper_limit=columns.upper_limit,
            source=where,
            **header,
        )
        return self.accept(lc, where, columns)

    def split(
        self,
        columns: Columns,
        lengths: NDArray[np.int64],
        headers: Iterable[dict[str, Any]],
        names: Mapping[str, str],
    ) -> Iterator[LightCurve]:
        """Light curves of consecutive objects with these numbers of rows and these headers."""
        stop = 0
        for header, length in zip(headers, lengths.tolist(), strict=True):
            part = columns.part(slice(stop, stop + length))
            stop += length
            lc = self.make(part, f"{self.path}: {header['object_id']}", names, **header)
            if lc is not None:
                yield lc

    def accept(self, lc: LightCurve, where: str, columns: Columns) -> LightCurve | None:
        """The light curve when it is usable; else it, or its bad rows, are left out."""
        if not self.strict:
            lc, columns = self._tidy(lc, columns, where)
        reason = problem(lc, columns, self.survey or lc.survey, repeats=self.strict)
        if reason:
            self.skip(f"{where}: {reason}")
            return None
        return lc

    def _tidy(self, lc: LightCurve, columns: Columns, where: str) -> tuple[LightCurve, Columns]:
        """Without repeated rows (published files have some) and, if so asked, without bad ones."""
        repeated = repeated_rows(lc)
        bad = bad_rows(lc) if self.bad_rows == "drop" else np.zeros(len(lc), dtype=bool)
        self.repeated += [where] * int((repeated & ~bad).sum())
        self.dropped += int(bad.sum())
        left_out = repeated | bad
        return (lc.keep(~left_out), columns.part(~left_out)) if left_out.any() else (lc, columns)

    def finish(self, light_curves: list[LightCurve]) -> LightCurves:
        """All that was read; one warning counts what was not.

        Raises:
            DataError: Nothing usable was found.
        """
        self.report(len(light_curves), stacklevel=4)
        return LightCurves(light_curves, self.skipped)

    def report(self, n_read: int, stacklevel: int = 3) -> None:
        """Count in one warning what was left out beside ``n_read`` usable objects.

        Raises:
            DataError: Nothing usable was found.
        """
        if not n_read:
            reason = self.skipped[0] if self.skipped else f"{self.path}: no light curves found"
            more = (
                f" (and {len(self.skipped) - 1} more bad objects)" if len(self.skipped) > 1 else ""
            )
            raise DataError(reason + more)
        parts = []
        if self.skipped:
            total = n_read + len(self.skipped)
            parts.append(
                f"left out {len(self.skipped)} of {total} objects, the first: {self.skipped[0]}"
            )
        if self.dropped:
            parts.append(f"dropped {self.dropped} bad observations")
        if self.repeated:
            first = self.repeated[0]
            parts.append(
                f"dropped {len(self.repeated)} repeated observations, the first in {first}"
            )
        if self.unknown_types:
            found = ", ".join(f"{name} ({n})" for name, n in self.unknown_types.most_common(5))
            parts.append(f"unknown types, left empty: {found}")
        if parts:
            hint = "strict=True stops at the first"
            message = f"{self.path}: {'; '.join(parts)}; {hint}"
            warnings.warn(message, SntorchWarning, stacklevel=stacklevel)


def number(text: Any, default: float = NAN) -> float:
    """A header's number; ``default`` where it is missing, -9 or not a number."""
    try:
        value = float(text)
    except (TypeError, ValueError):
        return default
    return default if value in MISSING else value
