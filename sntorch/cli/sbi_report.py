"""The report of a comparison of methods of inference: tables, metrics.json, figures, one page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sntorch.cli.html import document, paragraph, pictures, table
from sntorch.cli.network_report import HEADINGS as NETWORK_HEADINGS
from sntorch.cli.network_report import NOTE as NETWORK_NOTE
from sntorch.cli.network_report import (
    network_cells,
    network_figures,
    network_metrics_of,
    survey_rows,
)
from sntorch.cli.report_files import write_report_files
from sntorch.cli.sbi_metrics import LEVELS, SYMBOLS, long_rows, sbi_scalars

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

    from sntorch.sbi.benchmarks import Benchmark, Comparison, NetworkChecks
    from sntorch.sbi.prior import BoxPrior

HEADINGS = (
    *("method", "takes as given", "mean bias / σ", "distance / σ", "σ ratio", "KL"),
    *("68 %", "95 %", "TARP", "training s", "s a survey"),
)
NOTE = (
    "Over all parameters: the mean of (posterior mean - truth) / σ that is largest in size; the "
    "largest mean size of (mean - exact mean) / σ; least and largest ratio of σ to the exact one; "
    "the median of KL(exact || method), nats; least and largest share of 68 and 95 % intervals "
    "that hold the truth; the largest deviation of TARP's coverage, these three only where truths "
    "are from the prior: at one θ they mean nothing. The exact posterior is drawn twice: its row "
    "is the noise of finite draws. Times are CPU seconds."
)


def sbi_summary(metrics: Mapping[str, Any]) -> str:
    """The comparison as a table for the terminal."""
    lines = [_title(metrics), *_aligned(HEADINGS, _cells(metrics), 2)]
    networks = network_cells(metrics["methods"])
    if networks:
        lines += ["", *_aligned(NETWORK_HEADINGS, networks, 1)]
    return "\n".join(lines)


def _aligned(headings: Sequence[str], rows: list[list[str]], n_left: int) -> list[str]:
    """Lines of a table; the first columns are aligned at their left."""
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if i < n_left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in (headings, *rows)
    ]


def write_sbi_report(
    output: Path,
    benchmark: Benchmark,
    found: Comparison,
    metrics: dict[str, Any],
    checks: Mapping[str, NetworkChecks],
    others: Mapping[str, Figure],
) -> None:
    """Write ``metrics.json``, ``tables/*.csv``, ``figures/*.png``, ``report.html`` and
    ``tensorboard/``.

    Args:
        output: The folder.
        benchmark: What surveys are of.
        found: The comparison on it.
        metrics: Of ``sbi_metrics``.
        checks: Of the networks, by method.
        others: Figures of single methods.
    """

    def page(images: dict[str, bytes]) -> str:
        body = table(HEADINGS, _cells(metrics))
        if checks:
            body += paragraph(NETWORK_NOTE)
            body += table(NETWORK_HEADINGS, network_cells(metrics["methods"]))
        body += pictures(images)
        return document("Inference from selected samples", "task=sbi", _texts(metrics), body)

    figures = sbi_figures(benchmark.prior, found) | network_figures(checks) | dict(others)
    tables = {"methods": long_rows(metrics)}
    if checks:
        of_networks = network_metrics_of(metrics["methods"])
        tables["networks"] = [{"method": k, **values} for k, values in of_networks.items()]
    if surveys := survey_rows(checks):
        tables["network_surveys"] = surveys
    write_report_files(output, metrics, figures, tables, page, sbi_scalars(metrics))


def sbi_figures(prior: BoxPrior, found: Comparison) -> dict[str, Figure]:
    """Biases of all methods, the first survey's posteriors, and calibration where there is one."""
    from sntorch.callbacks.calibration import calibration_plot
    from sntorch.plotting.corner import corner_grid, label_of
    from sntorch.plotting.selection import interval_figure

    names, scores = prior.names, found.scores
    biases = {key: _mean_and_error(one.bias, names) for key, one in scores.items()}
    symbols = [label_of(name).removesuffix(" (mag)") for name in names]
    labels = [f"bias of {symbol} / its σ" for symbol in symbols]
    figures = {"bias_over_sigma": interval_figure(biases, names, labels, reference=0.0)}
    first, *others = scores
    shown = [first, *others[-1:]]
    samples = [dict(zip(names, scores[key].draws[0].T.numpy(), strict=True)) for key in shown]
    truth = dict(zip(names, found.truth[0].tolist(), strict=True))
    figures["first_survey"] = corner_grid(samples, truth, shown)
    for key, one in scores.items():
        if one.calibration is not None:
            figures[f"calibration_{SYMBOLS.sub('_', key)}"] = calibration_plot(one.calibration)
    return figures


def _mean_and_error(values: Tensor, names: Sequence[str]) -> dict[str, tuple[float, float]]:
    """Mean and its standard error of columns (B, D) by parameter."""
    error = values.std(0) / len(values) ** 0.5
    return dict(zip(names, zip(values.mean(0).tolist(), error.tolist(), strict=True), strict=True))


def _cells(metrics: Mapping[str, Any]) -> list[list[str]]:
    rows = []
    for name, found in metrics["methods"].items():
        columns: dict[str, list[Any]] = {
            key: [row[key] for row in found["parameters"].values()]
            for key in ("bias", "distance", "sigma_ratio", "coverage_68", "coverage_95")
        }
        rows.append(
            [
                *(name, found["scheme"], f"{max(columns['bias'], key=abs):+.2f}"),
                *(f"{max(columns['distance']):.3f}", _range(columns["sigma_ratio"])),
                f"{found['kl_median']:.3f}",
                *(_percent(columns[f"coverage_{k}"]) for k in LEVELS),
                _or_dash(found["tarp_deviation"], 3),
                _or_dash(found["training_seconds"], 1),
                f"{found['seconds_a_survey']:.3f}",
            ]
        )
    return rows


def _range(values: Sequence[float], digits: int = 3) -> str:
    return f"{min(values):.{digits}f}-{max(values):.{digits}f}"


def _percent(shares: Sequence[float | None]) -> str:
    known = [100 * share for share in shares if share is not None]
    return _range(known, 0) if known else "-"


def _or_dash(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _title(metrics: Mapping[str, Any]) -> str:
    n = metrics["n"]
    where = "at the fiducial parameters" if metrics["at_fiducial"] else "from the prior"
    return (
        f"{metrics['benchmark']}; {n['surveys']} surveys {where}, {n['draws']} draws each, "
        f"seed {metrics['seed']}"
    )


def _texts(metrics: Mapping[str, Any]) -> list[str]:
    box = metrics["prior"]
    edges = (
        f"{name} {low:g} to {high:g}"
        for name, low, high in zip(box["names"], box["low"], box["high"], strict=True)
    )
    return [f"{_title(metrics)}.", f"Prior: {', '.join(edges)}.", NOTE]
