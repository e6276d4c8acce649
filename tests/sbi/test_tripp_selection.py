"""What a selection keeps of summarised supernovae, against brute force."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tripp_samples import BlueEdge

from sntorch.errors import ConfigError
from sntorch.sbi.summary_simulator import draw_prior
from sntorch.sbi.tripp import PRIOR
from sntorch.sbi.tripp_cuts import FitCuts
from sntorch.sbi.tripp_limit import ProbitLimit
from sntorch.sbi.tripp_range import draw_within
from sntorch.sbi.tripp_selection import NUMBERS
from sntorch.simulation.streams import Streams

LIMIT = ProbitLimit(17.5, 0.4)
N = 200_000


SELECTIONS = (LIMIT, FitCuts(LIMIT), FitCuts(LIMIT, 0.8, 0.05), FitCuts(None, 2.0, 0.1))


def normal(mean=(17.4, -0.3, 0.02)):
    """Mean and factor of a correlated d."""
    factor = torch.tensor([[0.3, 0.0, 0.0], [-0.2, 1.0, 0.0], [0.03, 0.01, 0.08]])
    return torch.tensor(mean, dtype=torch.float64), factor.double()


def drawn(selection, mean, factor, n=N, seed=0):
    streams = Streams(seed, torch.arange(n), "test/")
    return selection.draw_kept(mean.expand(n, 1, 3), factor.expand(n, 1, 3, 3), streams)[:, 0]


@pytest.mark.parametrize("selection", SELECTIONS, ids=str)
@pytest.mark.parametrize("mean", [(17.4, -0.3, 0.02), (18.3, 2.0, 0.15)])
def test_the_share_that_is_kept(selection, mean):
    mean, factor = normal(mean)
    generator = torch.Generator().manual_seed(1)
    white = torch.randn(N, 3, generator=generator, dtype=torch.float64)
    kept = selection.log_probability(mean + white @ factor.T).exp()
    found = float(selection.log_kept(mean, factor @ factor.T).exp())
    error = float(kept.std()) / N**0.5
    assert abs(found - float(kept.mean())) < 4 * error


@pytest.mark.parametrize("selection", [*SELECTIONS, BlueEdge()], ids=str)
def test_kept_ones_are_those_that_a_lottery_keeps(selection):
    mean, factor = normal()
    found = drawn(selection, mean, factor)
    generator = torch.Generator().manual_seed(2)
    white = torch.randn(N, 3, generator=generator, dtype=torch.float64)
    luck = torch.rand(N, generator=generator, dtype=torch.float64)
    every = mean + white @ factor.T
    kept = every[luck.log() < selection.log_probability(every)]
    assert len(kept) > 10_000
    levels = torch.tensor([0.02, 0.2, 0.5, 0.8, 0.98]).double()
    scale = kept.std(0)
    off = (found.quantile(levels, 0) - kept.quantile(levels, 0)) / scale
    assert float(off.abs().max()) < 0.05
    assert float((found.T.corrcoef() - kept.T.corrcoef()).abs().max()) < 0.02


@pytest.mark.parametrize("attempt", [0, 1])
@pytest.mark.parametrize("selection", [FitCuts(LIMIT, 0.8, 0.05), FitCuts(None, 0.8, 0.05)])
def test_both_ways_to_draw_within_a_range_are_the_same(selection, attempt):
    mean, factor = normal((18.0, -0.3, 0.02))
    luck = Streams(3, torch.arange(N), "test/").uniform("luck", NUMBERS)
    data, kept = selection.tried(attempt, mean.expand(N, 3), factor.expand(N, 3, 3), luck)
    found = data[kept]
    expected = drawn(selection, mean, factor, seed=4)
    assert len(found) > 5_000
    error = expected.std(0) * (1 / len(found) + 1 / len(expected)) ** 0.5
    assert float(((found.mean(0) - expected.mean(0)) / error).abs().max()) < 4
    assert float((found.std(0) / expected.std(0) - 1).abs().max()) < 0.05


def test_corners_of_a_prior_are_found():
    """Only much bluer ones than the cut allows would be bright enough."""
    mean = torch.tensor([18.8, 0.0, -0.2], dtype=torch.float64)
    factor = torch.tensor([[0.1, -0.1, 2.0], [0.0, 0.7, 0.0], [0.0, 0.0, 0.4]]).double()
    factor = torch.linalg.cholesky(factor @ factor.T)
    cuts = FitCuts(ProbitLimit(17.5, 0.5), c=0.2)
    found = drawn(cuts, mean, factor, n=500)
    assert bool(found.isfinite().all())
    assert bool(cuts.within(found).all())


def test_what_is_most_improbable_has_the_right_density():
    """Its density is integrated on a grid."""
    mean = torch.tensor([21.0, 1.0, 0.05], dtype=torch.float64)
    factor = torch.tensor([[0.1, -0.1, 0.3], [0.0, 0.7, 0.0], [0.0, 0.02, 0.1]]).double()
    factor = torch.linalg.cholesky(factor @ factor.T)
    cuts = FitCuts(ProbitLimit(17.5, 0.5), x1=2.0, c=0.15)
    luck = Streams(3, torch.arange(N), "test/").uniform("luck", NUMBERS)
    shapes = mean.expand(N, 3), factor.expand(N, 3, 3)
    data, kept = draw_within(*shapes, cuts.ranges, cuts.limit, luck)
    assert float(kept.double().mean()) > 0.2
    assert float(cuts.log_kept(mean, factor @ factor.T)) < -20
    middles = torch.linspace(-1, 1, 323, dtype=torch.float64)[1::2]
    axes = (20.2 + 1.5 * middles, 2.0 * middles, 0.15 * middles)
    grid = torch.cartesian_prod(*axes)
    white = torch.linalg.solve_triangular(factor, (grid - mean).T, upper=False)
    weight = (cuts.limit.log_probability(grid) - (white**2).sum(0) / 2).softmax(0)
    expected = weight @ grid
    spread = (weight @ (grid - expected) ** 2).sqrt()
    assert float(((data[kept].mean(0) - expected) / spread).abs().max()) < 0.02
    assert float((data[kept].std(0) / spread - 1).abs().max()) < 0.02


def test_few_attempts_are_needed_all_over_the_prior():
    theta = draw_prior(PRIOR, 20_000, 5)
    m0, alpha, beta, _, x0, sigma_x, c0, sigma_c = theta.T
    mean = torch.stack([38.5 + m0 - alpha * x0 + beta * c0, x0, c0], 1)
    factor = torch.zeros(len(theta), 3, 4).double()
    factor[:, 0] = torch.stack([theta[:, 3], -alpha * sigma_x, beta * sigma_c, 0 * m0], 1)
    factor[:, 1, 1], factor[:, 2, 2], factor[:, 2, 3] = sigma_x, sigma_c, 0.03
    factor = torch.linalg.cholesky(factor @ factor.mT)
    luck = Streams(3, torch.arange(len(theta)), "test/").uniform("luck", NUMBERS)
    _, kept = draw_within(mean, factor, (3.0, 0.3), ProbitLimit(17.5, 0.5), luck)
    # One attempt finds this share of them, which are not the easy ones only.
    assert float(kept.double().mean()) > 0.3
    hard = (38.5 + m0 - 17.5 > 2.0) & (c0 > 0.1) & (sigma_c < 0.1)
    assert float(kept[hard].double().mean()) > 0.15


def test_nothing_beyond_the_range_is_kept():
    mean, factor = normal()
    cuts = FitCuts(LIMIT, 0.8, 0.05)
    found = drawn(cuts, mean, factor, n=2_000)
    assert bool(cuts.within(found).all())
    outside = torch.tensor([17.0, 0.9, 0.0]).double()
    assert float(cuts.log_probability(outside)) == -torch.inf
    assert cuts.ranges == (0.8, 0.05)


@settings(max_examples=40, deadline=None)
@given(
    st.floats(14, 22), st.floats(-2, 2), st.floats(-0.3, 0.2), st.floats(0.05, 2.5),
    st.floats(0.02, 0.4),
)  # fmt: skip
def test_shares_are_probabilities_and_their_gradients_finite(m, x0, c0, sigma_x, sigma_c):
    mean = torch.tensor([m, x0, c0], dtype=torch.float64, requires_grad=True)
    root = torch.diag(torch.tensor([0.1, sigma_x, sigma_c], dtype=torch.float64))
    root[0, 1:] = torch.tensor([-0.14 * sigma_x, 3 * sigma_c])
    found = FitCuts(LIMIT).log_kept(mean, root @ root.T)
    assert float(found.detach()) < 1e-6
    (slope,) = torch.autograd.grad(found, mean)
    assert bool(slope.isfinite().all())


def test_wide_ranges_leave_the_limit_alone():
    mean, factor = normal()
    covariance = factor @ factor.T
    torch.testing.assert_close(
        FitCuts(LIMIT, 50.0, 9.0).log_kept(mean, covariance),
        LIMIT.log_kept(mean, covariance),
        atol=5e-5,
        rtol=0,
    )


def test_what_cannot_be():
    with pytest.raises(ConfigError, match="width > 0"):
        ProbitLimit(16.0, 0.0)
    with pytest.raises(ConfigError, match="c > 0 is accepted; found -1"):
        FitCuts(c=-1.0)
    mean, factor = normal()
    with pytest.raises(ConfigError, match=r"BlueEdge.* not known in closed form; learn it"):
        BlueEdge().log_kept(mean, factor @ factor.T)
    assert not BlueEdge().in_closed_form
    assert FitCuts().in_closed_form
    impossible = drawn(BlueEdge(-9.0), mean, factor, n=2)
    assert bool(impossible.isnan().all())
