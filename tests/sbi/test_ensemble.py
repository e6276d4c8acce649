"""The ensemble sampler on posteriors whose moments are known."""

import pytest
import torch

from sntorch.errors import ConfigError
from sntorch.sbi import BoxPosterior, BoxPrior, EnsembleSettings, sample

PRIOR = BoxPrior(("a", "b"), (-20.0, -20.0), (20.0, 20.0))


class Banana:
    """a ~ N(m, 1), b | a ~ N(bend a², 0.5²): curved where bend is not zero."""

    def __init__(self, middle, bend):
        self.middle, self.bend = middle, bend

    def __len__(self):
        return len(self.middle)

    def __call__(self, theta):
        a, b = theta.unbind(-1)
        first = (a - self.middle[:, None]) ** 2
        return -0.5 * (first + ((b - self.bend * a**2) / 0.5) ** 2)

    def take(self, index):
        return Banana(self.middle[index], self.bend)


class Flat:
    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    def __call__(self, theta):
        return theta.sum(-1) * 0

    def take(self, index):
        return Flat(len(index))


@pytest.mark.parametrize("bend", [0.0, 0.5])
def test_moments_are_found(bend):
    middle = torch.linspace(-2, 2, 4, dtype=torch.float64)
    drawn = sample(BoxPosterior(Banana(middle, bend), PRIOR), 10_000, EnsembleSettings(thin=3))
    a, b = drawn.theta.unbind(-1)
    torch.testing.assert_close(a.mean(1), middle, atol=0.08, rtol=0)
    torch.testing.assert_close(a.std(1), torch.ones_like(middle), atol=0.08, rtol=0)
    torch.testing.assert_close(b.mean(1), bend * (1 + middle**2), atol=0.15, rtol=0)
    variance = 0.25 + bend**2 * (2 + 4 * middle**2)
    torch.testing.assert_close(b.std(1), variance.sqrt(), atol=0, rtol=0.08)


def test_a_flat_likelihood_gives_the_prior():
    theta = sample(BoxPosterior(Flat(3), PRIOR), 6_000, EnsembleSettings(thin=3)).theta
    for quantile in (0.02, 0.25, 0.5, 0.9):
        found = theta.quantile(quantile, dim=1)
        torch.testing.assert_close(found, found * 0 - 20 + 40 * quantile, atol=1.8, rtol=0)


def test_draws_come_with_their_density_and_a_seed():
    posterior = BoxPosterior(Banana(torch.zeros(3, dtype=torch.float64), 0.3), PRIOR)
    first, again = (sample(posterior, 150, EnsembleSettings(walkers=50)) for _ in range(2))
    assert first.theta.shape == (3, 150, 2)
    assert torch.equal(first.theta, again.theta)
    free = PRIOR.unconstrain(first.theta)
    torch.testing.assert_close(posterior(free), first.log_prob)
    assert bool(((first.acceptance > 0.2) & (first.acceptance < 1)).all())
    other = sample(posterior, 150, EnsembleSettings(walkers=50, seed=1))
    assert not bool((other.theta == first.theta).any())


@pytest.mark.parametrize("walkers", [6, 51])
def test_too_few_walkers_are_refused(walkers):
    with pytest.raises(ConfigError, match="an even number, 8 at least for 2 parameters"):
        sample(BoxPosterior(Flat(1), PRIOR), 10, EnsembleSettings(walkers=walkers))


def test_a_prior_the_wrong_way_round_is_refused():
    with pytest.raises(ConfigError, match="prior of a: low < high is accepted"):
        BoxPrior(("a",), (1.0,), (0.0,))
