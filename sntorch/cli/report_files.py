"""The files of a report: metrics.json, tables, figures, and one page of HTML with all of it."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sntorch.atomic import atomic_write
from sntorch.cli.html import png

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Rows = Sequence[dict[str, Any]]


def write_report_files(
    output: Path,
    metrics: Mapping[str, Any],
    figures: Mapping[str, Figure],
    tables: Mapping[str, Rows],
    page: Callable[[dict[str, bytes]], str],
) -> None:
    """Write ``figures/*.png``, ``tables/*.csv``, ``metrics.json`` and ``report.html``.

    Args:
        output: The folder.
        metrics: What JSON can hold.
        figures: By name.
        tables: Rows by name.
        page: Makes the page of HTML from the figures as PNG.
    """
    images = {
        name: write_png(output / "figures" / f"{name}.png", figure)
        for name, figure in figures.items()
    }
    for name, rows in tables.items():
        with atomic_write(output / "tables" / f"{name}.csv") as path:
            _write_csv(path, rows)
    with atomic_write(output / "metrics.json") as path:
        path.write_text(json.dumps(metrics, indent=2) + "\n")
    with atomic_write(output / "report.html") as path:
        path.write_text(page(images), encoding="utf-8")


def write_png(path: Path, figure: Figure) -> bytes:
    """Write a figure; returns the file's content."""
    image = png(figure)
    with atomic_write(path) as draft:
        draft.write_bytes(image)
    return image


def _write_csv(path: Path, rows: Rows) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
