"""What trained networks show by themselves: numbers, tables and figures of a report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from sntorch.sbi.benchmarks import NetworkChecks
    from sntorch.sbi.diagnostics import Misspecification

# Standard errors of ln E[r] above this are not to be trusted.
SMALL = 0.1
HEADINGS = (
    *("network", "ln E[r]", "largest", "of surveys", "p < 1 %", "made wrong"),
    *("LC2ST", "its p", "s"),
)
NOTE = (
    "Networks by themselves, right ones in brackets. ln E[r]: ln of the prior's mean of posterior "
    "over prior (0), median and largest in size over surveys where its standard error is below "
    f"{SMALL:g}, and how many these are; NRE-B learns it up to a constant, so that it has none; "
    "of a flow it checks the code alone. p < 1 %: share of surveys that are unlike nearly all "
    "fresh simulations to the network (1 %, give or take chance; less at one θ), and of the same "
    "surveys with magnitudes 1 mag fainter, a wrong calibration (100 %: who finds fewer would not "
    "warn of such data). LC2ST at the first survey: a classifier's verdict on its posterior (0) "
    "and the p-value (above 5 % in 19 of 20 cases); of few simulations it sees gross errors only."
)


def network_metrics(checks: NetworkChecks) -> dict[str, Any]:
    """The numbers of one network; None for what was left out."""
    return {
        **_mean_ratio(checks),
        "misspecified_share": _share(checks.usual),
        "misspecified_share_made_wrong": _share(checks.made_wrong),
        "lc2st_statistic": checks.local and checks.local.statistic,
        "lc2st_p_value": checks.local and checks.local.p_value,
        "seconds": checks.seconds,
    }


def _mean_ratio(checks: NetworkChecks) -> dict[str, float | None]:
    found: dict[str, float | None] = {
        "log_mean_ratio_median": None,
        "log_mean_ratio_largest": None,
        "log_mean_ratio_surveys": None,
    }
    if checks.log_mean_ratio is not None:
        value, error = checks.log_mean_ratio
        usable = value[error < SMALL]
        found["log_mean_ratio_surveys"] = len(usable)
        if len(usable):
            found["log_mean_ratio_median"] = float(usable.median())
            found["log_mean_ratio_largest"] = float(usable[usable.abs().argmax()])
    return found


def _share(found: list[Misspecification] | None) -> float | None:
    return None if found is None else sum(one.suspicious for one in found) / len(found)


def network_cells(methods: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """A row of texts a network, below ``HEADINGS``.

    Args:
        methods: Metrics by name; networks have ``network_checks``.
    """
    return [
        [
            name,
            _text(found["log_mean_ratio_median"], "+.2f"),
            _text(found["log_mean_ratio_largest"], "+.2f"),
            _text(found["log_mean_ratio_surveys"], "d"),
            _text(found["misspecified_share"], ".0%"),
            _text(found["misspecified_share_made_wrong"], ".0%"),
            _text(found["lc2st_statistic"], ".4f"),
            _text(found["lc2st_p_value"], ".2f"),
            _text(found["seconds"], ".1f"),
        ]
        for name, found in network_metrics_of(methods).items()
    ]


def network_metrics_of(methods: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Those of the networks among methods, by name."""
    return {
        name: found["network_checks"]
        for name, found in methods.items()
        if "network_checks" in found
    }


def _text(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form).replace("%", " %")


def survey_rows(checks: Mapping[str, NetworkChecks]) -> list[dict[str, Any]]:
    """A row a network and survey: what was found, empty where it was left out."""
    rows = []
    for name, one in checks.items():
        ratio = None if one.log_mean_ratio is None else [v.tolist() for v in one.log_mean_ratio]
        usual, wrong = one.usual, one.made_wrong
        n = len(ratio[0] if ratio else usual or ())
        rows += [
            {
                "method": name,
                "survey": i,
                "log_mean_ratio": ratio and ratio[0][i],
                "log_mean_ratio_error": ratio and ratio[1][i],
                "p_value": usual and usual[i].p_value,
                "p_value_made_wrong": wrong and wrong[i].p_value,
            }
            for i in range(n)
        ]
    return rows


def network_figures(checks: Mapping[str, NetworkChecks]) -> dict[str, Figure]:
    """Mean ratios and p-values by survey, of the networks that have them."""
    from sntorch.plotting.network_checks import mean_ratio_figure, misspecification_figure

    ratios = {k: one.log_mean_ratio for k, one in checks.items() if one.log_mean_ratio is not None}
    p_values = {
        name: ([p.p_value for p in one.usual], [p.p_value for p in one.made_wrong])
        for name, one in checks.items()
        if one.usual is not None and one.made_wrong is not None
    }
    figures = {}
    if ratios:
        figures["mean_ratios"] = mean_ratio_figure(ratios)
    if p_values:
        figures["misspecification"] = misspecification_figure(p_values)
    return figures
