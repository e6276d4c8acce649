"""Whether an observation looks like anything that was simulated.

Maximum mean discrepancy between the observation's embedding and those of simulations, against
simulations among themselves (Schmitt et al. 2021, arXiv:2112.08866), by the ``sbi`` package.

Letters in shapes: ``B`` simulations, ``K`` observations, ``F`` numbers of an embedding.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sntorch.errors import ConfigError

SUSPICIOUS = 0.01
LEAST, MOST = 100, 1_000


@dataclass(frozen=True)
class Misspecification:
    """How unusual an observation is among simulations.

    Attributes:
        distance: Squared maximum mean discrepancy.
        p_value: Share of simulations that are as far from the others, the observation counted as
            one.
    """

    distance: float
    p_value: float

    @property
    def suspicious(self) -> bool:
        """Whether fewer than one simulation in a hundred is as far out."""
        return self.p_value < SUSPICIOUS


def misspecification(
    observed: Tensor, simulated: Tensor, shuffles: int = 400, seed: int = 0
) -> Misspecification:
    """Compare an observation with simulations.

    Args:
        observed: Embedding of one survey, shape (F,), or of several of one kind, shape (K, F).
        simulated: Embeddings of simulated surveys, shape (B, F).
        shuffles: Number of comparisons of simulations among themselves, 100 or more.
        seed: Of the shuffles.

    Raises:
        ConfigError: Fewer than 100 simulations or shuffles, or another number of features.
    """
    observed = observed if observed.ndim == 2 else observed[None]
    distance, p_value = _compared(observed[None], simulated, shuffles, seed)
    return Misspecification(float(distance), float(p_value))


def each_misspecification(
    observed: Tensor, simulated: Tensor, shuffles: int = 400, seed: int = 0
) -> list[Misspecification]:
    """Compare many observations, each by itself, with the same simulations, at little more cost.

    They are held to the same simulations and shuffles: their p-values err together, a p of 1 % by
    about a half of itself for a thousand shuffles of 500 simulations.

    Args:
        observed: Embeddings, one a survey, shape (K, F).
        simulated: Embeddings of simulated surveys, shape (B, F).
        shuffles: Number of comparisons of simulations among themselves, 100 or more.
        seed: Of the shuffles.

    Raises:
        ConfigError: Fewer than 100 simulations or shuffles, or another number of features.
    """
    found = _compared(observed[:, None], simulated, shuffles, seed)
    return [Misspecification(*one) for one in torch.stack(found, 1).tolist()]


def _compared(
    observed: Tensor, simulated: Tensor, shuffles: int, seed: int
) -> tuple[Tensor, Tensor]:
    """Squared distances and p-values, shape (K,), of K groups of embeddings, shape (K, G, F)."""
    if len(simulated) < LEAST or observed.shape[2:] != simulated.shape[1:]:
        raise ConfigError(
            f"misspecification: {LEAST} simulations with as many features as the observation are "
            f"accepted, or more; found {tuple(simulated.shape)} for {tuple(observed[0].shape)}"
        )
    if shuffles < LEAST:
        raise ConfigError(
            f"misspecification: {LEAST} shuffles are accepted, or more, for p-values below "
            f"{SUSPICIOUS}; found {shuffles}"
        )
    from sbi.diagnostics.misspecification import (
        calculate_baseline_mmd,
        compute_rbf_mmd_median_heuristic,
    )

    scale = simulated.std(0).clamp(min=1e-12)
    x_obs, x = (((one - simulated.mean(0)) / scale).float() for one in (observed, simulated))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        among = calculate_baseline_mmd(x_obs.shape[1], x, shuffles, MOST)
    distance = torch.stack([compute_rbf_mmd_median_heuristic(one, x[:MOST]) for one in x_obs])
    as_far = (among >= distance[:, None]).double().sum(1)
    # The observation is one of those that are ranked (Phipson & Smyth 2010).
    return distance, (as_far + 1) / (shuffles + 1)
