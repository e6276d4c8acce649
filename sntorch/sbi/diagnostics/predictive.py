"""Whether surveys simulated from the posterior look like the observed one.

(Gelman, Meng & Stern 1996, Statistica Sinica 6, 733.) Statistics are of what was kept: the mean
and the spread of redshift, brightness, stretch and colour after cuts, the number of supernovae.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from sntorch.errors import ConfigError
from sntorch.sbi.summary import SummaryData


@dataclass(frozen=True)
class PredictiveCheck:
    """One statistic of the observation among those of simulated surveys.

    Attributes:
        observed: Its value.
        low, high: The middle 95 % of simulated surveys.
        p_value: Two-sided: twice the smaller share of surveys beyond it, itself counted as one.
    """

    observed: float
    low: float
    high: float
    p_value: float


def predictive_check(
    observed: Mapping[str, float], replicated: Mapping[str, Tensor]
) -> dict[str, PredictiveCheck]:
    """Compare statistics with those of simulated surveys.

    Args:
        observed: By name.
        replicated: The same statistics of R surveys simulated with draws of the posterior, shape
            (R,) each.

    Raises:
        ConfigError: A statistic that was not replicated.
    """
    missing = [name for name in observed if name not in replicated]
    if missing:
        raise ConfigError(
            f"predictive check of {missing[0]}: simulated surveys give "
            f"{', '.join(replicated) or 'nothing'}"
        )
    return {name: _check(value, replicated[name].double()) for name, value in observed.items()}


def _check(value: float, replicated: Tensor) -> PredictiveCheck:
    low, high = replicated.quantile(replicated.new_tensor([0.025, 0.975])).tolist()
    n, below = len(replicated), float((replicated < value).sum() + (replicated == value).sum() / 2)
    p_value = 2 * (min(below, n - below) + 1) / (n + 1)
    return PredictiveCheck(value, low, high, min(1.0, p_value))


def summary_statistics(data: SummaryData) -> dict[str, Tensor]:
    """Statistics of surveys of summarised supernovae, shape (B,) each.

    The numbers of supernovae and of candidates; means and standard deviations of redshift, m, x1
    and c.
    """
    number = data.mask.sum(1).double()
    found = {"number": number, "candidates": data.n_candidates.double()}
    columns = {
        "z": data.redshift,
        **dict(zip(("m", "x1", "c"), data.data.unbind(-1), strict=True)),
    }
    for name, values in columns.items():
        mean = (values * data.mask).sum(1) / number
        square = ((values - mean[:, None]) ** 2 * data.mask).sum(1) / number
        found[f"mean {name}"], found[f"sd {name}"] = mean, square.sqrt()
    return found


def chosen(statistics: Mapping[str, Tensor], survey: int) -> dict[str, float]:
    """Those of one survey, as numbers."""
    return {name: float(values[survey]) for name, values in statistics.items()}
