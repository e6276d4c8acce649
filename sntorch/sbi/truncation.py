"""Truncated rounds: simulate where one observation's posterior is, and nowhere else.

After Miller et al. (2021, arXiv:2107.01214), here with one box for all parameters: a round trains
on a uniform prior in a box; the box of the next one has the interval of highest density of each
marginal of the observation's posterior, which the round itself found. A prior that is cut where
the posterior is next to nothing leaves the posterior as it is, and the network stays amortised
within the box. Rounds end when the volume hardly shrinks any more. Networks start from those of
the round before.

Letters in shapes: ``S`` draws, ``D`` parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sntorch.errors import ConfigError
from sntorch.sbi.estimator import PosteriorEstimator
from sntorch.sbi.observations import check_observations
from sntorch.sbi.prior import BoxPrior
from sntorch.sbi.simulated import Simulator

MASS = 1 - 1e-4
N_DRAWS = 20_000
LEAST_SHRINKAGE = 0.2
# A posterior of which this share lies so close to a wall is cut off by it.
HUGGING, NEXT_TO_WALL = 0.5, 0.02

Train = Callable[[PosteriorEstimator, Simulator], None]


@dataclass(frozen=True, eq=False)
class Round:
    """One round.

    Attributes:
        estimator: Trained within ``prior``.
        prior: The box.
        box: Where the observation's posterior is.
    """

    estimator: PosteriorEstimator
    prior: BoxPrior
    box: BoxPrior

    @property
    def shrinkage(self) -> float:
        """Share of the volume that the next box leaves out."""
        return 1 - float(torch.tensor(self.box.log_volume - self.prior.log_volume).exp())


def truncated_rounds(
    estimator: PosteriorEstimator,
    simulator: Simulator,
    observation: Any,
    train: Train,
    most: int = 4,
    mass: float = MASS,
) -> list[Round]:
    """Train in rounds that zoom in on one observation.

    Args:
        estimator: Of the first round, trained or not; it is trained in place.
        simulator: Of the full prior.
        observation: One survey.
        train: Trains an estimator in place on what a simulator makes.
        most: Rounds at most.
        mass: Posterior probability of a box's interval for each parameter.

    Returns:
        The rounds; the last one's estimator is the best.

    Raises:
        ConfigError: No rounds, more than one observation, or a prior that does not cover the
            observation's posterior.
        DataError: The observation lies outside the simulations, or is empty.
    """
    if most < 1 or len(observation) != 1:
        raise ConfigError(
            f"truncation: rounds for one observation, 1 or more; found most={most} and "
            f"{len(observation)} observations"
        )
    rounds: list[Round] = []
    while len(rounds) < most:
        train(estimator, simulator)
        estimator.eval()
        if not rounds:
            check_observations(estimator, simulator, observation)
        draws = estimator.sample(observation, N_DRAWS)[0]
        if not rounds:
            check_prior(draws, simulator.prior)
        box = highest_density_box(draws, simulator.prior, mass)
        rounds.append(Round(estimator, simulator.prior, box))
        if rounds[-1].shrinkage < LEAST_SHRINKAGE:
            break
        simulator, estimator = simulator.within(box), estimator.within(box)
    return rounds


def highest_density_box(draws: Tensor, prior: BoxPrior, mass: float = MASS) -> BoxPrior:
    """The shortest interval of each parameter that holds so much probability.

    Args:
        draws: Of a posterior, shape (S, D); 1 / (1 - mass) of them at least.
        prior: In whose box they lie.
        mass: Probability in each interval.

    Raises:
        ConfigError: Too few draws for the mass.
    """
    n = len(draws)
    if n * (1 - mass) < 1:
        raise ConfigError(f"a box of mass {mass}: {n} draws are too few to tell")
    inside = round(n * mass)
    ordered = draws.sort(0).values
    first = (ordered[inside - 1 :] - ordered[: n - inside + 1]).argmin(0)
    low, high = (ordered.gather(0, (first + shift)[None])[0] for shift in (0, inside - 1))
    return BoxPrior(prior.names, tuple(low.tolist()), tuple(high.tolist()))


def check_prior(draws: Tensor, prior: BoxPrior) -> None:
    """Refuse a prior that cuts a posterior off.

    Args:
        draws: Of the posterior, shape (S, D).
        prior: In whose box they lie.

    Raises:
        ConfigError: Most of the posterior of a parameter lies next to a wall of the prior.
    """
    width = draws.new_tensor(prior.high) - draws.new_tensor(prior.low)
    share = (draws - draws.new_tensor(prior.low)) / width
    for side, close in (("low", share < NEXT_TO_WALL), ("high", share > 1 - NEXT_TO_WALL)):
        hugging = close.double().mean(0)
        d = int(hugging.argmax())
        if float(hugging[d]) > HUGGING:
            raise ConfigError(
                f"the prior of {prior.names[d]} does not cover the observation: "
                f"{100 * float(hugging[d]):.0f} % of the posterior lies at its {side} end, "
                f"{getattr(prior, side)[d]}; widen it"
            )
