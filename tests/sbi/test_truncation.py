"""Truncated rounds on a normal toy whose posterior is known, and what they refuse."""

import math
from dataclasses import dataclass, replace

import pytest
import torch

from sntorch.errors import ConfigError, DataError
from sntorch.sbi import BoxPrior, RatioModule, SummarySimulator, truncated_rounds
from sntorch.sbi.observations import check_observations, distances
from sntorch.sbi.summary import PRIOR
from sntorch.sbi.truncation import check_prior, highest_density_box

# Half-width of the interval of a normal variable that holds 1 - 1e-4.
HALF = 3.8906
SD = torch.tensor([0.1, 0.4], dtype=torch.float64)
BOX = BoxPrior(("a", "b"), (-5.0, -5.0), (5.0, 5.0))


@dataclass
class Normal:
    """x ~ N(θ, SD²)."""

    prior: BoxPrior = BOX

    def __call__(self, first, count):
        generator = torch.Generator().manual_seed(first % 2**31)
        u = torch.rand(count, 2, generator=generator, dtype=torch.float64)
        theta = self.prior.from_uniform(u)
        return theta, theta + SD * torch.randn(count, 2, generator=generator, dtype=torch.float64)

    def within(self, prior):
        return replace(self, prior=prior)


class Perfect:
    """The exact posterior in a box, in place of a trained network."""

    def __init__(self, prior=BOX):
        self.prior, self.trained_on = prior, []

    def eval(self):
        return self

    def embed(self, x):
        return x

    def within(self, prior):
        return Perfect(prior)

    def sample(self, x, n, seed=0):
        generator = torch.Generator().manual_seed(seed)
        low, high = torch.tensor(self.prior.low), torch.tensor(self.prior.high)
        drawn = x[:, None] + SD * torch.randn(len(x), 2 * n, 2, generator=generator).double()
        inside = ((drawn > low) & (drawn < high)).all(-1)
        return torch.stack([d[i][:n] for d, i in zip(drawn, inside, strict=True)])


def train(estimator, simulator):
    assert estimator.prior == simulator.prior
    estimator.trained_on.append(simulator.prior)


def test_the_box_of_a_normal_posterior():
    draws = SD * torch.randn(
        400_000, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    box = highest_density_box(draws, BOX)
    torch.testing.assert_close(torch.tensor(box.high).double(), HALF * SD, rtol=0.1, atol=0)
    torch.testing.assert_close(torch.tensor(box.low).double(), -HALF * SD, rtol=0.1, atol=0)
    half = highest_density_box(draws, BOX, mass=0.6827)
    torch.testing.assert_close(torch.tensor(half.high).double(), SD, rtol=0.03, atol=0)


def test_the_box_of_a_lopsided_posterior_is_the_shortest():
    """That of an exponential variable begins at zero."""
    u = (torch.arange(100_000, dtype=torch.float64) + 0.5) / 100_000
    draws = -torch.log(u)[:, None].expand(-1, 2)
    box = highest_density_box(draws, BOX, mass=0.9)
    assert box.low[0] == pytest.approx(0, abs=1e-3)
    assert box.high[0] == pytest.approx(math.log(10), rel=1e-2)


def test_too_few_draws_for_a_box():
    with pytest.raises(ConfigError, match="50 draws are too few"):
        highest_density_box(torch.zeros(50, 2), BOX)


def test_rounds_zoom_in_and_stop():
    observation = torch.tensor([[1.0, -2.0]], dtype=torch.float64)
    rounds = truncated_rounds(Perfect(), Normal(), observation, train)
    # The second round finds the box of the first again.
    assert len(rounds) == 2
    first, second = rounds
    middle = torch.tensor(first.box.low) + torch.tensor(first.box.high)
    torch.testing.assert_close(middle.double() / 2, observation[0], rtol=0, atol=0.15)
    expected = 1 - float((2 * HALF * SD).prod()) / 100
    assert first.shrinkage == pytest.approx(expected, abs=0.02)
    assert second.shrinkage < 0.2
    assert second.prior == first.box
    assert second.estimator.trained_on == [first.box]
    assert len(truncated_rounds(Perfect(), Normal(), observation, train, most=1)) == 1


def test_an_observation_outside_the_simulations_is_refused():
    far = torch.tensor([[9.0, 0.0]], dtype=torch.float64)
    with pytest.raises(DataError, match="observation 0 lies outside the simulations"):
        truncated_rounds(Perfect(), Normal(), far, train)


def test_what_is_inside_is_not_refused():
    _, x = Normal()(7, 50)
    check_observations(Perfect(), Normal(), x)
    found, largest = distances(Perfect(), Normal(), x)
    assert found.shape == (50,)
    assert float(found.max()) <= largest
    broken = x.clone()
    broken[3] = torch.nan
    with pytest.raises(DataError, match="observation 3"):
        check_observations(Perfect(), Normal(), broken)


def test_a_prior_that_cuts_the_posterior_off_is_refused():
    draws = torch.tensor([[-4.99, 0.0]], dtype=torch.float64).repeat(10, 1)
    with pytest.raises(ConfigError, match=r"prior of a does not cover.*100 %.*low end, -5.0"):
        check_prior(draws, BOX)
    with pytest.raises(ConfigError, match=r"prior of b does not cover.*high end, 5.0"):
        check_prior(-draws.flip(1), BOX)
    _, drawn = Normal()(0, 200)
    check_prior(drawn.clamp(-4.999, 4.999), BOX)


def test_one_observation_at_a_time():
    with pytest.raises(ConfigError, match="2 observations"):
        truncated_rounds(Perfect(), Normal(), torch.zeros(2, 2), train)


def test_a_survey_far_from_all_simulated_ones_is_seen_by_a_network():
    """Supernovae two magnitudes fainter than any prior allows."""
    simulator = SummarySimulator(n=20, seed=1)
    module = RatioModule(PRIOR, {"_target_": "sntorch.sbi.embeddings.DeepSet"})
    _, x = simulator(0, 300)
    module.prepare(x)
    check_observations(module, simulator, x.take(slice(0, 20)))
    faint = replace(x, data=x.data + torch.tensor([2.0, 0.0, 0.0])).take(slice(0, 1))
    with pytest.raises(DataError, match="outside the simulations"):
        check_observations(module, simulator, faint)
