"""One posterior for every estimator, on a likelihood that is known."""

import pytest
import torch

from sntorch.sbi import BoxPrior
from sntorch.sbi.selection_posterior import SelectionPosterior

PRIOR = BoxPrior(("a", "b"), (-5.0, -5.0), (5.0, 5.0))


class Normal:
    def __init__(self, middle):
        self.middle = middle

    def __len__(self):
        return len(self.middle)

    def __call__(self, theta):
        return -((theta - self.middle[:, None]) ** 2).sum(-1) / 2

    def take(self, index):
        return Normal(self.middle[index])


@pytest.fixture(scope="module")
def posterior():
    return SelectionPosterior(Normal(torch.tensor([[0.0, 1.0], [-1.5, 2.0]]).double()), PRIOR)


@pytest.fixture(scope="module")
def draws(posterior):
    return posterior.sample(2_000, seed=4)


def test_draws_and_modes_are_those_of_the_likelihood(posterior, draws):
    assert draws.shape == (2, 2_000, 2)
    torch.testing.assert_close(draws.mean(1), posterior.likelihood.middle, atol=0.12, rtol=0)
    torch.testing.assert_close(posterior.map(), posterior.likelihood.middle, atol=1e-3, rtol=0)
    assert torch.equal(draws, posterior.sample(2_000, seed=4))


def test_the_density_ends_at_the_walls(posterior):
    theta = torch.tensor([[[0.0, 1.0], [0.0, 5.1]]]).double().repeat(2, 1, 1)
    found = posterior.log_prob(theta)
    assert float(found[0, 0]) == pytest.approx(-PRIOR.log_volume)
    assert bool((found[:, 1] == -torch.inf).all())


def test_the_summary_has_a_row_a_parameter(posterior, draws):
    table = posterior.summary(draws)
    assert table["parameter"].tolist() == ["a", "b", "a", "b"]
    assert table["q0.5"].tolist() == pytest.approx([0, 1, -1.5, 2], abs=0.12)
    assert bool((table["q0.025"] < table["q0.16"]).all())


def test_arviz_gets_a_chain_for_each_half_of_the_walkers(posterior, draws):
    pytest.importorskip("arviz")
    found = posterior.to_arviz(draws, b=1).posterior
    assert dict(found.sizes) == {"chain": 2, "draw": 1_000}
    assert float(found["a"].mean()) == pytest.approx(float(draws[1, :, 0].mean()), abs=1e-9)
