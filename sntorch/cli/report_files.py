"""The files of a report: metrics.json, tables, figures, and one page of HTML with all of it.

Figures and scalars are events of TensorBoard, too.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sntorch.atomic import atomic_write
from sntorch.cli.html import png

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Rows = Sequence[dict[str, Any]]
TENSORBOARD = "tensorboard"
# Ends the names of their files of events.
OF_REPORTS = ".report"


def write_report_files(
    output: Path,
    metrics: Mapping[str, Any],
    figures: Mapping[str, Figure],
    tables: Mapping[str, Rows],
    page: Callable[[dict[str, bytes]], str],
    scalars: Mapping[str, float] | None = None,
) -> None:
    """Write ``figures/*.png``, ``tables/*.csv``, ``metrics.json``, ``report.html``, and the
    figures into ``tensorboard/``.

    Args:
        output: The folder.
        metrics: What JSON can hold.
        figures: By name.
        tables: Rows by name.
        page: Makes the page of HTML from the figures as PNG.
        scalars: What TensorBoard is to show beside the figures, by tag.
    """
    images = write_images(output, figures.items())
    for name, rows in tables.items():
        with atomic_write(output / "tables" / f"{name}.csv") as path:
            _write_csv(path, rows)
    with atomic_write(output / "metrics.json") as path:
        path.write_text(json.dumps(metrics, indent=2) + "\n")
    with atomic_write(output / "report.html") as path:
        path.write_text(page(images), encoding="utf-8")
    write_events(output, images, scalars or {})


def write_images(output: Path, figures: Iterable[tuple[str, Figure]]) -> dict[str, bytes]:
    """Write ``figures/*.png``; the PNG by name."""
    return {
        name: write_png(output / "figures" / f"{name}.png", figure) for name, figure in figures
    }


def write_events(output: Path, images: Mapping[str, bytes], scalars: Mapping[str, float]) -> None:
    """Write pictures and scalars into ``tensorboard/``, in place of those of an earlier report.

    What a training wrote there stays.

    Args:
        output: The folder of the report or run.
        images: PNG by name.
        scalars: By tag.
    """
    from matplotlib.image import imread
    from torch.utils.tensorboard import SummaryWriter

    folder = output / TENSORBOARD
    earlier = [*folder.glob(f"*{OF_REPORTS}")]
    with SummaryWriter(str(folder), filename_suffix=OF_REPORTS) as board:
        for name, image in images.items():
            board.add_image(name, imread(BytesIO(image))[..., :3], 0, dataformats="HWC")
        for tag, value in scalars.items():
            board.add_scalar(tag, value, 0)
    for path in earlier:
        path.unlink()


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
