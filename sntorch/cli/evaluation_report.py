"""The scores of a generator as a table for the terminal, and all of them as one page of HTML."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sntorch.atomic import atomic_write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SAMPLES = ("generated", "fresh", "train")
HEADINGS = ("score", "ideal", "generated", "95% interval", "fresh real", "training")
# Section and key of a score, its name, and what a perfect generator gets.
WHOLE = (
    ("c2st.all.auc", "classifier AUC, features", "0.5"),
    ("c2st.no_cadence.auc", "classifier AUC, no cadence", "0.5"),
    ("c2st.sequence.auc", "classifier AUC, sequences", "0.5"),
    ("c2st.all.p_value", "classifier p-value, features", ">0.05"),
    ("prdc.precision", "precision", "fresh"),
    ("prdc.recall", "recall", "fresh"),
    ("prdc.density", "density", "1"),
    ("prdc.coverage", "coverage", "0.97"),
    ("mmd.features.mmd2", "MMD², features", "0"),
    ("mmd.features.p_value", "MMD² p-value, features", ">0.05"),
    ("mmd.signature.mmd2", "MMD², signatures", "0"),
    ("mmd.signature.p_value", "MMD² p-value, signatures", ">0.05"),
    ("fan.mean.median", "population: medians apart (σ)", "fresh"),
    ("fan.mean.width", "population: ln width ratio", "fresh"),
    ("lengths.mean.chi2", "number of observations, χ²/dof", "1"),
    ("errors.mean", "errors at given magnitude, KS", "fresh"),
    ("memorisation.ratio", "nearest-neighbour ratio", ">=0.90"),
    ("memorisation.copies", "copies", "<=0.02"),
    ("raw_memorisation.ratio", "nearest light curve ratio", "1"),
    ("raw_memorisation.copies", "copies of light curves", "0.01"),
)
STYLE = (
    "body{font-family:sans-serif;max-width:75rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse}td,th{padding:.25rem .8rem;text-align:right}"
    "td:first-child,th:first-child{text-align:left}tr{border-bottom:1px solid #ddd}"
    "img{max-width:100%;display:block;margin:.5rem 0 2rem}"
)


@dataclass(frozen=True)
class Row:
    """A score beside its floors.

    Attributes:
        name: What it is.
        ideal: What a perfect generator gets; ``fresh``: what the fresh real sample gets.
        values: Of the generated sample, the fresh one and the training set; None where unknown.
        interval: 95 % interval of the first value, or None.
    """

    name: str
    ideal: str
    values: tuple[float | None, ...]
    interval: list[float | None] | None = None

    def cells(self) -> tuple[str, ...]:
        """The texts of the row, in the order of ``HEADINGS``."""
        ends = "" if self.interval is None else " - ".join(_number(end) for end in self.interval)
        generated, fresh, train = (_number(value) for value in self.values)
        return self.name, self.ideal, generated, ends, fresh, train


def rows(metrics: dict[str, Any]) -> Iterator[Row]:
    """The scores that matter most; those that were not computed are left out."""
    for band, score in metrics["peak"].items():
        values = tuple(score[key] for key in ("ks", "ks_fresh", "ks_train"))
        yield Row(f"KS of peak magnitude, {band}", "<=0.10", values, score["ks_interval"])
    for key, name in (("w1_peak", "W1 of peak magnitude (mag)"), ("ks_mean", "mean KS, features")):
        values = tuple(metrics["summary"][f"{key}{tail}"] for tail in ("", "_fresh", "_train"))
        yield Row(name, "fresh", values)
    for place, name, ideal in WHOLE:
        section, *path = place.split(".")
        if section not in metrics:
            continue
        values = [_at(metrics[section][sample], path) for sample in SAMPLES]
        if all(value is None for value in values):
            continue
        interval = _at(metrics[section]["generated"], [*path[:-1], f"{path[-1]}_interval"])
        yield Row(name, ideal, tuple(values), interval)


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


def verdict(metrics: dict[str, Any]) -> str:
    """Did the sample pass, and what was not possible."""
    impossible = sum(value for value in metrics["impossible"].values() if value is not None)
    passed = "passed" if metrics["passed"] else "not passed"
    return (
        f"{passed}: peak magnitudes, nearest-neighbour ratio, copies; "
        f"share of impossible observations {impossible:g}"
    )


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


def _at(values: Any, path: list[str]) -> Any:
    """An entry of nested dictionaries, None where there is none."""
    for key in path:
        values = values.get(key) if isinstance(values, dict) else None
    return values


def _number(score: float | None) -> str:
    """A score, or a dash where there was nothing to score."""
    if score is None:
        return "-"
    return f"{score:.3f}" if abs(score) >= 1e-3 or score == 0 else f"{score:.0e}"
