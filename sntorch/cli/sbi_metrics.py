"""The numbers of a comparison of methods of inference: for JSON, for a table, for TensorBoard."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sntorch.cli.network_report import network_metrics
from sntorch.sbi.diagnostics import LEVELS, floors

if TYPE_CHECKING:
    from sntorch.sbi.benchmarks import Benchmark, Comparison, MethodScore, NetworkChecks
    from sntorch.sbi.diagnostics import Calibration
    from sntorch.sbi.prior import BoxPrior

SYMBOLS = re.compile(r"\W+")
# Of a parameter, of a method as a whole, and of a network by itself: what TensorBoard shows.
WATCHED = ("bias", "sigma_ratio", "coverage_68", "coverage_95")
WATCHED_AS_A_WHOLE = ("kl_median", "tarp_deviation", "seconds_a_survey")


def sbi_metrics(
    benchmark: Benchmark,
    found: Comparison,
    training: Mapping[str, float],
    checks: Mapping[str, NetworkChecks],
) -> dict[str, Any]:
    """All numbers of a report.

    Args:
        benchmark: What surveys are of.
        found: The comparison on it.
        training: CPU seconds by method, of those that were trained for it.
        checks: Of the networks, by method.
    """
    n, draws = next(iter(found.scores.values())).draws.shape[:2]
    methods = {
        name: _scores(score, benchmark.prior) | {"training_seconds": training.get(name)}
        for name, score in found.scores.items()
    }
    for name, one in checks.items():
        methods[name]["network_checks"] = network_metrics(one)
    return {
        "benchmark": benchmark.describe(),
        "prior": benchmark.prior.settings(),
        "n": {"surveys": n, "draws": draws},
        "seed": found.seed,
        "at_fiducial": found.at_fiducial,
        "calibrated": None if found.at_fiducial else floors(n, benchmark.prior.dim),
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


def long_rows(metrics: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row a method and parameter; what is of a method as a whole stands in each of its rows."""
    apart = ("scheme", "parameters", "network_checks")
    return [
        {
            "method": name,
            "scheme": found["scheme"],
            "parameter": parameter,
            **values,
            **{k: v for k, v in found.items() if k not in apart},
        }
        for name, found in metrics["methods"].items()
        for parameter, values in found["parameters"].items()
    ]


def sbi_scalars(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The main numbers for TensorBoard, those of all methods side by side."""
    found: dict[str, float | None] = {}
    for name, one in metrics["methods"].items():
        method = SYMBOLS.sub("_", name)
        for parameter, values in one["parameters"].items():
            found |= {f"{key}_{parameter}/{method}": values[key] for key in WATCHED}
        found |= {f"{key}/{method}": one[key] for key in WATCHED_AS_A_WHOLE}
        of_network = one.get("network_checks", {})
        found |= {f"network_{key}/{method}": value for key, value in of_network.items()}
    return {tag: value for tag, value in found.items() if value is not None}
