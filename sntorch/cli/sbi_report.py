"""The report of a comparison of methods of inference: tables, metrics.json, figures, one page."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sntorch.cli.html import document, pictures, table
from sntorch.cli.report_files import write_report_files

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from torch import Tensor

    from sntorch.sbi.benchmarks import Benchmark, Comparison, MethodScore
    from sntorch.sbi.diagnostics import Calibration
    from sntorch.sbi.prior import BoxPrior

LEVELS = (68, 95)
HEADINGS = (
    *("method", "takes as given", "mean bias / σ", "distance / σ", "σ ratio", "KL"),
    *("68 %", "95 %", "TARP", "training s", "s a survey"),
)
SYMBOLS = re.compile(r"\W+")
NOTE = (
    "Over all parameters: the mean of (posterior mean - truth) / σ that is largest in size; the "
    "largest mean size of (mean - exact mean) / σ; least and largest ratio of σ to the exact one; "
    "the median of KL(exact || method), nats; least and largest share of 68 and 95 % intervals "
    "that hold the truth; the largest deviation of TARP's coverage, these three only where truths "
    "are from the prior: at one θ they mean nothing. The exact posterior is drawn twice: its row "
    "is the noise of finite draws. Times are CPU seconds."
)


def sbi_metrics(
    benchmark: Benchmark, found: Comparison, training: Mapping[str, float]
) -> dict[str, Any]:
    """All numbers of a report.

    Args:
        benchmark: What surveys are of.
        found: The comparison on it.
        training: CPU seconds by method, of those that were trained for it.
    """
    n, draws = next(iter(found.scores.values())).draws.shape[:2]
    methods = {
        name: _scores(score, benchmark.prior) | {"training_seconds": training.get(name)}
        for name, score in found.scores.items()
    }
    return {
        "benchmark": benchmark.describe(),
        "prior": benchmark.prior.settings(),
        "n": {"surveys": n, "draws": draws},
        "seed": found.seed,
        "at_fiducial": found.at_fiducial,
        "methods": methods,
    }


def _scores(score: MethodScore, prior: BoxPrior) -> dict[str, Any]:
    n, exact = len(score.bias), score.against_exact
    rows = {}
    for d, name in enumerate(prior.names):
        bias = score.bias[:, d]
        rows[name] = {
            "bias": float(bias.mean()),
            "bias_error": float(bias.std() / n**0.5),
            "distance": float(exact.bias[:, d].abs().mean()),
            "sigma_ratio": float(exact.width[:, d].mean()),
            **_coverage(score.calibration, d),
        }
    return {
        "scheme": score.scheme,
        "parameters": rows,
        "kl_median": float(exact.divergence.median()),
        "tarp_deviation": score.calibration and score.calibration.tarp_deviation,
        "seconds_a_survey": score.seconds / n,
    }


def _coverage(calibration: Calibration | None, d: int) -> dict[str, float | None]:
    """Shares of intervals of a parameter that hold the truth, and what they lie between."""
    found: dict[str, float | None] = {}
    for level in LEVELS:
        estimate = calibration and calibration.coverage(level / 100)[d]
        for suffix, name in (("", "value"), ("_low", "low"), ("_high", "high")):
            found[f"coverage_{level}{suffix}"] = estimate and getattr(estimate, name)
    return found


def sbi_summary(metrics: Mapping[str, Any]) -> str:
    """The comparison as a table for the terminal."""
    rows = _cells(metrics)
    widths = [max(map(len, column)) for column in zip(HEADINGS, *rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if i < 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in (HEADINGS, *rows)
    ]
    return "\n".join([_title(metrics), *lines])


def write_sbi_report(
    output: Path,
    benchmark: Benchmark,
    found: Comparison,
    metrics: dict[str, Any],
    others: Mapping[str, Figure],
) -> None:
    """Write ``metrics.json``, ``tables/methods.csv``, ``figures/*.png`` and ``report.html``.

    Args:
        output: The folder.
        benchmark: What surveys are of.
        found: The comparison on it.
        metrics: Of ``sbi_metrics``.
        others: Figures of single methods.
    """

    def page(images: dict[str, bytes]) -> str:
        body = table(HEADINGS, _cells(metrics)) + pictures(images)
        return document("Inference from selected samples", "task=sbi", _texts(metrics), body)

    figures = sbi_figures(benchmark.prior, found) | dict(others)
    write_report_files(output, metrics, figures, {"methods": long_rows(metrics)}, page)


def long_rows(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row a method and parameter; what is of a method as a whole stands in each of its rows."""
    return [
        {
            "method": name,
            "scheme": found["scheme"],
            "parameter": parameter,
            **values,
            **{k: v for k, v in found.items() if k not in ("scheme", "parameters")},
        }
        for name, found in metrics["methods"].items()
        for parameter, values in found["parameters"].items()
    ]


def sbi_figures(prior: BoxPrior, found: Comparison) -> dict[str, Figure]:
    """Biases of all methods, the first survey's posteriors, and calibration where there is one."""
    import torch

    from sntorch.plotting.corner import corner_grid, label_of
    from sntorch.plotting.selection import calibration_figure, interval_figure

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
    levels = torch.linspace(0, 1, 101, dtype=torch.float64)
    for key, one in scores.items():
        if one.calibration is None:
            continue
        ranks = dict(zip(names, one.calibration.ranks.T.numpy(), strict=True))
        coverage = one.calibration.expected_coverage(levels).numpy()
        figures[f"calibration_{SYMBOLS.sub('_', key)}"] = calibration_figure(
            ranks, levels.numpy(), coverage
        )
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
