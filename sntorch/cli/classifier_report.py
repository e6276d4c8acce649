"""The report of a classifier: metrics.json, CSV tables, PNG figures, and one page of HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sntorch.cli.html import document, pictures, table
from sntorch.cli.report_files import write_report_files

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from sntorch.classification.early import Epoch
    from sntorch.classification.predictions import Predictions

FOLLOWED = ("accuracy", "roc_auc", "purity", "efficiency")
MODEL = "classifier"
LABELS = {
    "trigger": "days since the trigger (above: mean number of observations)",
    "peak": "days since the peak (above: mean number of observations)",
    "redshift": "redshift",
    "snr": "largest signal-to-noise ratio",
    "n_observations": "number of observations",
}


def write_classifier_report(
    output: Path,
    metrics: dict[str, Any],
    figures: Mapping[str, Figure],
    title: str,
) -> None:
    """Write ``metrics.json``, ``tables/*.csv``, ``figures/*.png`` and ``report.html``.

    Args:
        output: The folder.
        metrics: As ``evaluate_classifier`` returns them.
        figures: By name, see ``classifier_figures``.
        title: What was evaluated.
    """
    from sntorch.classification.evaluate.report import tables

    made = tables(metrics)
    page = partial(_page, metrics, made, title=title)
    write_report_files(output, metrics, figures, made, page)


def classifier_figures(
    metrics: dict[str, Any],
    by_epoch: Mapping[Epoch, Predictions],
    others: Mapping[str, Mapping[Epoch, Predictions]] | None = None,
) -> dict[str, Figure]:
    """The figures of a report, by name.

    Args:
        metrics: As ``evaluate_classifier`` returns them.
        by_epoch: What they were computed from.
        others: The other models that were compared.
    """
    from sntorch.classification.early import WHOLE
    from sntorch.classification.evaluate.ranking import curves
    from sntorch.plotting.classification import confusion_figure, reliability_figure, roc_figure

    positive, confusion = metrics["positive"], metrics["confusion"]
    models = {MODEL: by_epoch, **(others or {})}
    bins = {
        name: (_column(rows, "confidence"), _column(rows, "frequency"), _column(rows, "error"))
        for name, rows in metrics["calibration"]["bins"].items()
    }
    found = {name: curves(one[WHOLE], positive) for name, one in models.items()}
    return {
        "confusion": confusion_figure(confusion["matrix"], confusion["classes"]),
        "reliability": reliability_figure(bins, metrics["calibration"]["ece"]),
        "roc": roc_figure(found, positive),
        **_followed(metrics),
    }


def classifier_summary(metrics: dict[str, Any]) -> str:
    """The scores as a table for the terminal."""
    headings, rows = _score_cells(metrics)
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in (headings, *rows)
    ]
    return "\n".join([*lines, _sentence(metrics)])


def _followed(metrics: dict[str, Any]) -> dict[str, Figure]:
    from sntorch.plotting.classification import score_figure

    figures = {}
    for reference in ("trigger", "peak"):
        ours = [row for row in metrics["epochs"] if row["reference"] == reference]
        if not ours:
            continue
        models = {MODEL: metrics["epochs"]}
        models |= {k: v["epochs"] for k, v in metrics["others"].items()}
        lines = {
            name: [{**row, "at": row["days"]} for row in rows if row["reference"] == reference]
            for name, rows in models.items()
        }
        counts = {row["days"]: row["n_observations"] for row in ours}
        known = {day: n for day, n in counts.items() if n is not None}
        figures[f"since_{reference}"] = score_figure(_curves(lines), LABELS[reference], known)
    for name, rows in metrics["against"].items():
        line = [{**row, "at": _middle(row["low"], row["high"])} for row in rows]
        figures[f"against_{name}"] = score_figure(_curves({MODEL: line}), LABELS[name])
    return figures


def _curves(lines: Mapping[str, Sequence[dict[str, Any]]]) -> dict[str, Any]:
    return {
        score: {
            name: {
                row["at"]: tuple(_number(row[f"{score}{end}"]) for end in ("", "_low", "_high"))
                for row in rows
            }
            for name, rows in lines.items()
            if rows
        }
        for score in FOLLOWED
    }


def _page(
    metrics: dict[str, Any],
    made: Mapping[str, list[dict[str, Any]]],
    images: Mapping[str, bytes],
    title: str,
) -> str:
    body = table(*_score_cells(metrics))
    for name in ("per_class", "contamination", "foreign"):
        if name in made:
            cells = [[_text(value) for value in row.values()] for row in made[name]]
            body += f"<h2>{name.replace('_', ' ')}</h2>\n{table(list(made[name][0]), cells)}"
    return document("Classifier", title, (title, _sentence(metrics)), body + pictures(images))


def _score_cells(metrics: dict[str, Any]) -> tuple[list[str], list[list[str]]]:
    others = metrics["others"]
    headings = ["score", MODEL, "95% interval", "majority", *others]
    headings += [f"less {name}" for name in others]
    rows = []
    for name, score in metrics["scores"].items():
        cells = [name, _text(score["value"]), _range(score), _text(score["majority"])]
        cells += [_text(other["scores"][name]) for other in others.values()]
        gaps = [other["differences"].get(name) for other in others.values()]
        cells += ["-" if gap is None else f"{_text(gap['value'])} ({_range(gap)})" for gap in gaps]
        rows.append(cells)
    return headings, rows


def _sentence(metrics: dict[str, Any]) -> str:
    n, floor = metrics["n"], metrics["calibration"]["floor"]
    classes = ", ".join(f"{count} {name}" for name, count in n["classes"].items())
    return (
        f"{n['objects']} objects ({classes}; {n['unknown']} of unknown class, "
        f"{n['empty']} without observations); redshift: {metrics['redshift']}; binary scores are "
        f"of {metrics['positive']} against the rest; a perfectly calibrated classifier would have "
        f"an ece of {_text(floor)} in such bins."
    )


def _range(score: Mapping[str, Any]) -> str:
    return f"{_text(score['low'])} to {_text(score['high'])}"


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _column(rows: Sequence[dict[str, Any]], name: str) -> list[float]:
    return [row[name] for row in rows]


def _middle(low: float, high: float) -> float:
    """Of a bin: in ratio where it is wide, which is how it is drawn."""
    return (low * high) ** 0.5 if low > 0 and high > 3 * low else (low + high) / 2


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
