"""The summary table of posterior draws: a row a supernova, ten columns a parameter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from sntorch.inference.diagnostics import Diagnostics, diagnose

if TYPE_CHECKING:
    from pandas import DataFrame

QUANTILES = (5, 16, 50, 84, 95)
SAMPLED = ("ds", "theta", "av", "rv", "tmax", "redshift")
COUNTS = ("n_observations", "n_dropped_bands", "n_divergent", "reruns")
LEADING = ("object_id", "redshift_helio", "muhat")
CHUNK = 1 << 22


def table(draws: Mapping[str, Tensor], statistics: DataFrame, failures: DataFrame) -> DataFrame:
    """Moments, quantiles and diagnostics, then the statistics, then the failures as rows.

    Args:
        draws: Parameters, each of shape (B, C, S).
        statistics: B rows, with ``object_id``.
        failures: ``object_id`` and ``reason``.
    """
    from pandas import DataFrame

    diagnostics = {name: diagnose(values) for name, values in draws.items()}
    columns: dict[str, np.ndarray] = {}
    for name, values in draws.items():
        columns |= {f"{name}_{k}": v for k, v in _moments(values).items()}
        for kind in ("rhat", "ess_bulk", "ess_tail"):
            columns[f"{name}_{kind}"] = getattr(diagnostics[name], kind).cpu().numpy()
    sampled = [name for name in SAMPLED if name in draws]
    finite = torch.stack([draws[name].flatten(1).isfinite().all(1) for name in sampled]).all(0)
    columns |= _worst([diagnostics[name] for name in sampled], finite)
    leading = [name for name in LEADING if name in statistics]
    rest = [name for name in statistics if name not in leading]
    rows = statistics[leading].reset_index(drop=True)
    rows = rows.join(DataFrame(columns)).join(statistics[rest].reset_index(drop=True))
    counts = {name: "Int64" for name in COUNTS if name in rows}
    return with_failures(rows.astype(counts), failures)


def _moments(values: Tensor) -> dict[str, np.ndarray]:
    """Mean, standard deviation and quantiles of (B, C, S), each (B,), in double precision."""
    probabilities = torch.tensor(QUANTILES, dtype=torch.float64, device=values.device) / 100
    flat = values.flatten(1)
    rows = max(CHUNK // max(flat.shape[1], 1), 1)
    parts = []
    for piece in flat.split(rows):
        piece = piece.double()
        # A single draw (the mode) has no standard deviation.
        sd = piece.std(1) if piece.shape[1] > 1 else torch.full_like(piece[:, 0], torch.nan)
        moments = [piece.mean(1), sd, *piece.quantile(probabilities, 1)]
        parts.append(torch.stack(moments, 1))
    names = ("mean", "sd", *(f"q{q:02d}" for q in QUANTILES))
    return dict(zip(names, torch.cat(parts).T.cpu().numpy(), strict=True))


def _worst(diagnostics: list[Diagnostics], finite: Tensor) -> dict[str, np.ndarray]:
    """Largest R-hat and smallest effective sample size, NaN where there is none.

    Args:
        diagnostics: Of each parameter; constants have NaN there and do not count.
        finite: Whether all draws of all parameters are finite, shape (B,).
    """
    rhat = torch.stack([d.rhat for d in diagnostics])
    sizes = torch.stack([size for d in diagnostics for size in (d.ess_bulk, d.ess_tail)])
    known = finite & ~rhat.isnan().all(0)
    highest = torch.where(rhat.isnan(), -torch.inf, rhat).amax(0)
    lowest = torch.where(sizes.isnan(), torch.inf, sizes).amin(0)
    found = {"rhat_max": highest, "ess_min": lowest}
    return {k: torch.where(known, v, torch.nan).cpu().numpy() for k, v in found.items()}


def with_failures(rows: DataFrame, failures: DataFrame) -> DataFrame:
    """The rows, and after them one for each supernova that was not fitted."""
    n = len(rows)
    # reindex keeps the types of the columns, where joining an all-missing table would not.
    longer = rows.reindex(range(n + len(failures)))
    longer.loc[n:, "object_id"] = failures["object_id"].to_numpy()
    longer.loc[n:, "flag"] = [f"not_fitted: {reason}" for reason in failures["reason"]]
    return longer
