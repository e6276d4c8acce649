"""Is an observation one that the simulations could have made?

A network answers any question, and is most confident where it knows nothing. So before a posterior
is believed, the observation's embedding is held against those of simulated surveys: further from
their middle than all of them, in units of their own scatter (Mahalanobis 1936), it is refused.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from sntorch.errors import DataError
from sntorch.sbi.estimator import PosteriorEstimator
from sntorch.sbi.simulated import HELD_OUT, Simulator

N_REFERENCE = 2_000
# Added to the variance of each direction, in units of the mean variance.
RIDGE = 1e-4


@torch.no_grad()
def distances(estimator: PosteriorEstimator, simulator: Simulator, x: Any) -> tuple[Tensor, float]:
    """How far surveys lie from the middle of simulated ones.

    Args:
        estimator: Whose embedding is looked at.
        simulator: Of what it was trained on.
        x: B surveys.

    Returns:
        Distances of the surveys in standard deviations, shape (B,), and the largest of
        ``N_REFERENCE / 2`` simulated ones, which have no part in what is called the middle.
    """
    _, reference = simulator(HELD_OUT, N_REFERENCE)
    known = estimator.embed(reference).double()
    first, second = known.chunk(2)
    covariance = first.T.cov()
    covariance.diagonal().add_(RIDGE * covariance.diagonal().mean())
    factor = torch.linalg.cholesky(covariance)

    def distance(e: Tensor) -> Tensor:
        off = (e - first.mean(0)).T
        return torch.linalg.solve_triangular(factor, off, upper=False).norm(dim=0)

    return distance(estimator.embed(x).double()), float(distance(second).max())


def check_observations(estimator: PosteriorEstimator, simulator: Simulator, x: Any) -> None:
    """Refuse surveys that lie outside the simulations.

    Args:
        estimator: A trained one.
        simulator: Of what it was trained on.
        x: B surveys.

    Raises:
        DataError: One of them does, and its number and distance.
    """
    found, largest = distances(estimator, simulator, x)
    worst = int(found.argmax())
    if not float(found[worst]) <= largest:
        raise DataError(
            f"observation {worst} lies outside the simulations: {float(found[worst]):.1f} "
            f"standard deviations from their middle, of {N_REFERENCE // 2} simulated ones the "
            f"furthest {largest:.1f}; widen the prior, or simulate what was observed"
        )
