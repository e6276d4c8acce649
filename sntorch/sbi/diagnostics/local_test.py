"""Whether the posterior of the one observation at hand can be told from the right one.

LC2ST (Linhart, Gramfort & Rodrigues 2023, arXiv:2306.03580), by the ``sbi`` package: a classifier
learns to tell (θ, x) of the simulator from (draw of the posterior of x, x), and its verdict is
read at the observation, against classifiers that learnt from permuted labels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sntorch.errors import ConfigError
from sntorch.nn.seeded import seeded


@dataclass(frozen=True)
class LocalTest:
    """What classifiers say at the observation.

    Attributes:
        statistic: Mean squared distance of the classifiers' probabilities from one half.
        p_value: Share of permutations with at least that, the observation counted as one.
    """

    statistic: float
    p_value: float


def local_test(
    truth: Tensor,
    draw: Tensor,
    embedding: Tensor,
    observed_draws: Tensor,
    observed_embedding: Tensor,
    permutations: int = 100,
    seed: int = 1,
) -> LocalTest:
    """Test the posterior of one observation.

    Args:
        truth: Parameters of B simulated surveys, shape (B, D).
        draw: One draw from the posterior of each, shape (B, D).
        embedding: What the network makes of each survey, shape (B, F).
        observed_draws: Draws from the posterior of the observation, shape (S, D).
        observed_embedding: What the network makes of it, shape (F,).
        permutations: Number of classifiers that learn from permuted labels.
        seed: Of the classifiers and of the permutations.

    Raises:
        ConfigError: Shapes that do not match.
    """
    if not truth.shape == draw.shape or len(embedding) != len(truth):
        raise ConfigError(
            "LC2ST: as many truths, draws and embeddings; found "
            f"{tuple(truth.shape)}, {tuple(draw.shape)} and {tuple(embedding.shape)}"
        )
    from sbi.diagnostics import LC2ST

    test = LC2ST(
        prior_samples=truth.float(),
        xs=embedding.float(),
        posterior_samples=draw.float(),
        seed=seed,
        z_score=True,
        num_trials_null=permutations,
    )
    # The permutations come from torch's global stream; without a seed here the classifiers' first
    # weights would come from numpy's.
    with seeded(torch.device("cpu"), seed):
        test.train_on_observed_data(seed=seed, verbosity=0)
        test.train_under_null_hypothesis(verbosity=0)
    at = {"theta_o": observed_draws.float(), "x_o": observed_embedding.float()[None]}
    statistic = test.get_statistic_on_observed_data(**at)
    # The verdict on the observation is one of those that are ranked (Phipson & Smyth 2010).
    p_value = (float(test.p_value(**at)) * permutations + 1) / (permutations + 1)
    return LocalTest(float(statistic), p_value)
