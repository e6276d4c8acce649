"""Whether an observation looks like anything that was simulated.

Maximum mean discrepancy between the observation's embedding and those of simulations, against
simulations among themselves (Schmitt et al. 2021, arXiv:2112.08866), by the ``sbi`` package.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sntorch.errors import ConfigError

SUSPICIOUS = 0.01


@dataclass(frozen=True)
class Misspecification:
    """How unusual an observation is among simulations.

    Attributes:
        distance: Squared maximum mean discrepancy.
        p_value: Share of simulations that are as far from the others.
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
        shuffles: Number of comparisons of simulations among themselves.
        seed: Of the shuffles.

    Raises:
        ConfigError: Fewer than 100 simulations, or another number of features.
    """
    observed = observed if observed.ndim == 2 else observed[None]
    if len(simulated) < 100 or observed.shape[1:] != simulated.shape[1:]:
        raise ConfigError(
            "misspecification: 100 simulations with as many features as the observation are "
            f"accepted, or more; found {tuple(simulated.shape)} for {tuple(observed.shape)}"
        )
    from sbi.diagnostics.misspecification import calc_misspecification_mmd

    scale = simulated.std(0).clamp(min=1e-12)
    x_obs, x = (((one - simulated.mean(0)) / scale).float() for one in (observed, simulated))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        p_value, (_, distance) = calc_misspecification_mmd(x_obs, x, n_shuffle=shuffles)
    return Misspecification(float(distance), float(p_value))
