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
from sntorch.cli.sbi_metrics import SYMBOLS, long_rows, sbi_scalars
from sntorch.sbi.diagnostics import LEVELS
from sntorch.sbi.prior import BoxPrior
from sntorch.statistics.shares import Z_95

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

    from sntorch.sbi.benchmarks import Benchmark, Comparison, NetworkChecks

HEADINGS = (
    *("method", "takes as given", "mean bias / σ", "distance / σ", "σ ratio", "KL"),
    *("68 %", "95 %", "TARP", "training s", "s a survey"),
)
NOTE = (
    "Of the parameter that is worst, with its name: the mean of (posterior mean - truth) / σ; "
    "the mean size of (mean - exact mean) / σ; the shares of 68 and 95 % intervals that hold "
    "the truth. ± are standard errors of so many surveys. Over all parameters: least and "
    "largest ratio of σ to the exact one; the median of KL(exact || method), nats; the largest "
    "deviation of TARP's coverage. Shares and TARP are known only where truths are from the "
    "prior: at one θ they mean nothing. The last row has what a calibrated posterior stays "
    "between in 19 of 20 comparisons of so many surveys. The exact posterior is drawn twice: "
    "its row is the noise of finite draws. Times are CPU seconds."
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
        each = found["parameters"]
        biased = max(each, key=lambda one: abs(each[one]["bias"]))
        distant = max(each, key=lambda one: each[one]["distance"])
        rows.append(
            [
                *(name, found["scheme"]),
                f"{biased} {each[biased]['bias']:+.2f} ± {each[biased]['bias_error']:.2f}",
                f"{distant} {each[distant]['distance']:.3f}",
                _range([row["sigma_ratio"] for row in each.values()]),
                f"{found['kl_median']:.3f}",
                *(_worst_share(each, level) for level in LEVELS),
                _or_dash(found["tarp_deviation"], 3),
                _or_dash(found["training_seconds"], 1),
                f"{found['seconds_a_survey']:.3f}",
            ]
        )
    if metrics["calibrated"] is not None:
        rows.append(_floor(metrics["calibrated"]))
    return rows


def _floor(calibrated: Mapping[str, tuple[float, float]]) -> list[str]:
    """The row of what a calibrated posterior stays between."""
    shares = (calibrated[f"coverage_{level}"] for level in LEVELS)
    texts = [f"{100 * low:.0f}-{100 * high:.0f}" for low, high in shares]
    most = f"< {calibrated['tarp_deviation'][1]:.3f}"
    return ["if calibrated", *"-" * 5, *texts, most, "-", "-"]


def _range(values: Sequence[float]) -> str:
    return f"{min(values):.3f}-{max(values):.3f}"


def _worst_share(each: Mapping[str, Mapping[str, Any]], level: int) -> str:
    """The share of a level's intervals that is farthest from it, percent, with its error."""
    key = f"coverage_{level}"
    if any(row[key] is None for row in each.values()):
        return "-"
    name = max(each, key=lambda one: abs(100 * each[one][key] - level))
    row = each[name]
    error = (row[f"{key}_high"] - row[f"{key}_low"]) / (2 * Z_95)
    return f"{name} {100 * row[key]:.0f} ± {100 * error:.0f}"


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
    return [f"{_title(metrics)}.", f"Prior: {BoxPrior.of(metrics['prior'])}.", NOTE]
