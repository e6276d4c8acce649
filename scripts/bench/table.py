"""One table for all benchmarks: each bench script yields rows, this prints and stores them."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

COLUMNS = ("part", "what", "target", "measured", "reference", "ratio", "met")
PARTS = ("ground", "bayesn-fit", "bayesn-train", "generative", "classification", "sbi")


@dataclass(frozen=True)
class Row:
    """One target of one issue and what was measured.

    Attributes:
        part: One of ``PARTS``.
        what: What was measured, in a few words.
        target: The target as the issue states it.
        measured: The figure with its unit, or the longer command that prints it.
        reference: The figure of what we compare with (another library, a floor), or "-".
        ratio: Measured against reference, or "-".
        met: "yes", "no", "-" (reported only) or "run" (the command in ``measured`` prints it).
    """

    part: str
    what: str
    target: str
    measured: str
    reference: str = "-"
    ratio: str = "-"
    met: str = "-"


def markdown(rows: Iterable[Row]) -> str:
    """The rows as a Markdown table."""
    lines = [" | ".join(COLUMNS), " | ".join("---" for _ in COLUMNS)]
    lines += [" | ".join(str(asdict(row)[c]) for c in COLUMNS) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)


def said(rows: Iterable[Row]) -> Iterator[Row]:
    """The rows, each told as soon as it is there, lest a later one's failure loses it."""
    for row in rows:
        print(f"{row.what}: {row.measured} ({row.reference})", file=sys.stderr, flush=True)
        yield row


def main(rows: Callable[[bool], Iterable[Row]]) -> None:
    """Run one bench script: ``--quick`` for the short version, ``--json FILE`` to store the
    rows.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="the version that make bench runs")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    options = parser.parse_args()
    measured = list(said(rows(options.quick)))
    print(markdown(measured))
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in measured], indent=2) + "\n")
