"""The scores of a generator as a table for the terminal, and all of them as one page of HTML."""

from __future__ import annotations

import base64
import json
from html import escape
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sntorch.atomic import atomic_write
from sntorch.generative.evaluate.score_table import HEADINGS, rows, verdict

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLE = (
    "body{font-family:sans-serif;max-width:75rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse}td,th{padding:.25rem .8rem;text-align:right}"
    "td:first-child,th:first-child{text-align:left}tr{border-bottom:1px solid #ddd}"
    "img{max-width:100%;display:block;margin:.5rem 0 2rem}"
)


def summary(metrics: dict[str, Any]) -> str:
    """The scores that matter most, as a table for the terminal."""
    lines = [
        f"{name:<33}{ideal:>8}{generated:>11}{interval:>17}{fresh:>12}{train:>10}"
        for name, ideal, generated, interval, fresh, train in (
            HEADINGS,
            *(row.cells() for row in rows(metrics)),
        )
    ]
    return "\n".join([*lines, verdict(metrics)])


def write_report(
    output: Path, metrics: dict[str, Any], figures: dict[str, Figure], title: str
) -> None:
    """Write ``metrics.json``, every figure as PNG, and ``report.html`` that holds all of it.

    Args:
        output: The folder.
        metrics: As ``evaluate_generator`` returns them.
        figures: By name.
        title: What was evaluated.
    """
    images = {name: _png(figure) for name, figure in figures.items()}
    for name, image in images.items():
        with atomic_write(output / "figures" / f"{name}.png") as path:
            path.write_bytes(image)
    with atomic_write(output / "metrics.json") as path:
        path.write_text(json.dumps(metrics, indent=2) + "\n")
    with atomic_write(output / "report.html") as path:
        path.write_text(page(metrics, images, title), encoding="utf-8")


def page(metrics: dict[str, Any], images: dict[str, bytes], title: str) -> str:
    """A page of HTML that needs no other file.

    Args:
        metrics: As ``evaluate_generator`` returns them.
        images: PNG files by name.
        title: What was evaluated.
    """
    head = "".join(f"<th>{escape(text)}</th>" for text in HEADINGS)
    body = "\n".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row.cells()) + "</tr>"
        for row in rows(metrics)
    )
    pictures = "\n".join(
        f'<h2>{escape(name.replace("_", " "))}</h2>\n<img alt="{escape(name)}" '
        f'src="data:image/png;base64,{base64.b64encode(image).decode()}">'
        for name, image in images.items()
    )
    counts = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in metrics["n"].items())
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        f"<h1>Generated light curves</h1>\n<p>{escape(title)}</p>\n"
        f"<p>{escape(counts)} objects. {escape(verdict(metrics))}.</p>\n"
        f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>\n"
        f"{pictures}\n</body>\n</html>\n"
    )


def _png(figure: Figure) -> bytes:
    file = BytesIO()
    figure.savefig(file, format="png", dpi=110)
    return file.getvalue()
