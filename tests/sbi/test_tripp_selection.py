"""What a selection keeps of summarised supernovae, against brute force."""

from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sntorch.errors import ConfigError
from sntorch.sbi.tripp_range import Limit, draw_in_range
from sntorch.sbi.tripp_selection import FitCuts, ProbitLimit, TrippSelection
from sntorch.simulation.streams import Streams

LIMIT = ProbitLimit(17.5, 0.4)
N = 200_000


@dataclass(frozen=True)
class BlueEdge(TrippSelection):
    """A selection of one's own, known by what it keeps only."""

    edge: float = 0.0

    def log_probability(self, data):
        return torch.special.log_ndtr((self.edge - data[..., 2]) / 0.05)


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


def test_corners_of_a_prior_are_found():
    """Only much bluer ones than the cut allows would be bright enough."""
    mean = torch.tensor([18.8, 0.0, -0.2], dtype=torch.float64)
    factor = torch.tensor([[0.1, -0.1, 2.0], [0.0, 0.7, 0.0], [0.0, 0.0, 0.4]]).double()
    factor = torch.linalg.cholesky(factor @ factor.T)
    cuts = FitCuts(ProbitLimit(17.5, 0.5), c=0.2)
    found = drawn(cuts, mean, factor, n=500)
    assert bool(found.isfinite().all())
    assert bool(cuts.within(found).all())


def corner(mean=(18.8, 0.0, -0.2), limit=LIMIT):
    """Of a prior: supernovae of broad colours and stretches, and what little is kept of them."""
    factor = torch.tensor([[0.1, -0.1, 1.0], [0.0, 0.7, 0.0], [0.0, 0.0, 0.4]]).double()
    covariance = factor @ factor.T + torch.diag(torch.tensor([0.1, 0.05, 0.002]).double())
    # Errors of stretch and colour that go together.
    covariance[1, 2] += 0.04
    covariance[2, 1] += 0.04
    return torch.tensor(mean).double(), torch.linalg.cholesky(covariance), FitCuts(limit, c=0.2)


@pytest.mark.parametrize(
    ("mean", "limit"),
    [
        ((18.8, 0.0, -0.2), LIMIT),
        ((18.8, 0.0, -0.2), ProbitLimit(17.9, 0.02)),
        ((18.0, 2.5, 0.9), None),
    ],
)
def test_improbable_ones_are_those_that_a_lottery_keeps(mean, limit):
    mean, factor, cuts = corner(mean, limit)
    generator = torch.Generator().manual_seed(2)
    kept = []
    for _ in range(20):
        every = mean + torch.randn(N, 3, generator=generator).double() @ factor.T
        luck = torch.rand(N, generator=generator).double()
        kept.append(every[luck.log() < cuts.log_probability(every)])
    kept = torch.cat(kept)
    assert 1_000 < len(kept) < 0.04 * 20 * N
    streams = Streams(5, torch.arange(N), "test/")
    data, taken = cuts._tried(0, mean.expand(N, 1, 3), factor.expand(N, 1, 3, 3), streams)
    found = data[taken]
    assert len(found) > 0.5 * N
    error = kept.std(0) / len(kept) ** 0.5
    assert float(((found.mean(0) - kept.mean(0)) / error).abs().max()) < 4
    assert float((found.std(0) / kept.std(0) - 1).abs().max()) < 4 / (2 * len(kept)) ** 0.5 + 0.01
    assert float((found.T.corrcoef() - kept.T.corrcoef()).abs().max()) < 4 / len(kept) ** 0.5


@settings(max_examples=60, deadline=None)
@given(
    st.floats(14, 26), st.floats(-6, 6), st.floats(-1.5, 1.5), st.floats(0.05, 2.5),
    st.floats(0.02, 0.4), st.floats(-0.9, 0.9), st.floats(0.02, 0.5),
)  # fmt: skip
def test_corners_of_any_prior_are_drawn_at_once(m, x0, c0, sigma_x, sigma_c, together, width):
    """And no probability to accept is above one: the draws are exact."""
    n = 200
    errors = torch.tensor([0.1, 0.2, 0.05]).double()
    covariance = torch.diag(errors**2)
    covariance[1, 2] = covariance[2, 1] = together * 0.2 * 0.05
    root = torch.diag(torch.tensor([0.1, sigma_x, sigma_c]).double())
    root[0, 1:] = torch.tensor([-0.14 * sigma_x, 3 * sigma_c])
    mean = torch.tensor([x0, c0, m]).double().expand(n, 3)
    order = [1, 2, 0]
    factor = torch.linalg.cholesky((root @ root.T + covariance)[order][:, order])
    total = (factor[2, 2] ** 2 + width**2).sqrt().expand(n)
    luck = Streams(0, torch.arange(n), "test/").uniform("range", 2)
    _, _, log_weight = draw_in_range(
        mean, factor.expand(n, 3, 3), (3.0, 0.3), Limit(17.5, total), luck
    )
    log_weight = log_weight[log_weight.isfinite()]
    assert len(log_weight) > 0.9 * n
    assert float(log_weight.max()) < 1e-6
    assert float(log_weight.exp().mean()) > 0.05


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
