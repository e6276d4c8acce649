"""B and C of a Tripp sample, held to the exact likelihood; what they refuse."""

from dataclasses import replace

import pytest
import torch
from test_tripp import TRUTH, observed, truths
from test_tripp_selection import BlueEdge

from sntorch.errors import ConfigError
from sntorch.sbi.prior import BoxPrior
from sntorch.sbi.tripp import PARAMETERS, PRIOR, TrippLikelihood, simulate_tripp, tripp_moments
from sntorch.sbi.tripp_efficiency import fit_tripp_efficiency
from sntorch.sbi.tripp_flow import (
    TrippFlow,
    TrippFlowLikelihood,
    fit_tripp_flow,
    normal_parts,
    stretched,
)
from sntorch.sbi.tripp_methods import Learnt, TrippMethods, tripp_methods
from sntorch.sbi.tripp_selection import FitCuts, ProbitLimit

SELECTION = FitCuts(ProbitLimit(17.3, 0.3), x1=1.5, c=0.12)
WIDE = BoxPrior(PARAMETERS, (-40.0, *PRIOR.low[1:]), (0.0, *PRIOR.high[1:]))
# About the truth.
BOX = BoxPrior(
    PARAMETERS,
    (-19.5, 0.05, 2.0, 0.03, -0.8, 0.6, -0.1, 0.05),
    (-19.1, 0.25, 4.0, 0.2, 0.4, 1.6, 0.05, 0.12),
)


@pytest.fixture(scope="module")
def sample():
    return simulate_tripp(observed(60), truths(1), SELECTION, seed=8)


def points(n=200):
    u = torch.rand(n, 8, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return BOX.from_uniform(0.3 + 0.4 * u)[None]


def errors(likelihood, sample):
    """Of ln p relative to the truth's, over a region of a few σ; and the size of ln p there."""
    theta = torch.cat([truths(1)[:, None], points()], 1)
    with torch.no_grad():
        found = likelihood(theta)[0]
        exact = TrippLikelihood(sample, SELECTION)(theta)[0]
    off = (found - exact)[1:] - (found - exact)[0]
    return float(off.std()), float((exact[1:] - exact[0]).std())


def test_a_learnt_share_is_the_exact_one(sample):
    wide = FitCuts(SELECTION.limit)
    learnt = fit_tripp_efficiency(sample, wide, BOX, 10_000, seed=1)
    mean, covariance = tripp_moments(sample, points(20))
    exact = wide.log_kept(mean, covariance)
    off = learnt.log_kept(mean, covariance) - exact
    assert float(off.square().mean().sqrt()) < 0.05
    assert float(off.sum(-1).std()) < 0.1 * float(exact.sum(-1).std())
    assert "share learnt" in str(learnt)


def test_a_learnt_likelihood_is_close_to_the_exact_one(sample):
    flow = fit_tripp_flow(sample, SELECTION, BOX, batch=512, steps=250, seed=1)
    error, size = errors(TrippFlowLikelihood(flow, sample), sample)
    ignored, _ = errors(TrippLikelihood(sample, None), sample)
    assert error < 0.3 * size
    assert error < 0.3 * ignored


def test_white_data_of_everything_kept_are_white():
    data = simulate_tripp(observed(5), truths(20_000), None, seed=2)
    white, log_volume = TrippFlow().whitened(*normal_parts(data, truths(20_000)))
    assert float(white.mean((0, 1)).abs().max()) < 0.02
    assert float((white.flatten(0, 1).T.cov() - torch.eye(3)).abs().max()) < 0.02
    assert log_volume.shape == (20_000, 5)


def test_stretched_numbers_are_normal_and_their_volume_is_the_derivative():
    low, high = torch.tensor(-0.7).double(), torch.tensor(1.2).double()
    u = torch.linspace(0.01, 0.99, 99, dtype=torch.float64)
    below = torch.special.ndtr(low)
    value = torch.special.ndtri(below + u * (torch.special.ndtr(high) - below)).requires_grad_()
    found, log_volume = stretched(value, low, high)
    torch.testing.assert_close(torch.special.ndtr(found), u)
    (slope,) = torch.autograd.grad(found.sum(), value)
    torch.testing.assert_close(log_volume, slope.log())


def test_the_volume_of_white_data_is_that_of_their_derivative():
    flow, generator = TrippFlow(ranges=(3.0, 0.3)), torch.Generator().manual_seed(2)
    factor = torch.tensor([[1.0, 0, 0], [0.01, 0.08, 0], [-0.2, 0.1, 0.3]]).double()
    mean = torch.tensor([-0.3, 0.02, 17.4]).double()
    for _ in range(5):
        data = mean + factor @ torch.randn(3, generator=generator).double().clamp(-2, 2)
        jacobian = torch.func.jacrev(lambda d: flow.whitened(d, mean, factor)[0])(data)
        expected = torch.linalg.slogdet(jacobian)[1]
        torch.testing.assert_close(flow.whitened(data, mean, factor)[1], expected)


def test_a_selection_of_ones_own_is_corrected_for(sample):
    edge = BlueEdge(-0.03)
    kept = simulate_tripp(observed(40), truths(1), edge, seed=9)
    known = TrippMethods(kept, edge, BOX)
    methods = tripp_methods(known, ("efficiency", "ignored"), 2_000, {})
    learnt, ignored = (one.sample(kept, 100)[0] for one in methods)
    place = PARAMETERS.index("c0")
    pulls = [
        (float(d[:, place].mean()) - TRUTH[place]) / float(d[:, place].std())
        for d in (learnt, ignored)
    ]
    assert abs(pulls[0]) < 3 < abs(pulls[1])
    with pytest.raises(ConfigError, match="not known in closed form"):
        known.likelihood().sample(kept, 100)


def test_what_is_learnt_follows_the_posterior(sample):
    """Regions move until the posterior lies within them."""
    known, asked = TrippMethods(sample, SELECTION.limit, BOX), []

    def learn(region):
        asked.append(region)
        return Learnt(lambda data: TrippLikelihood(data, SELECTION.limit))

    one = known._regional("B", learn)
    exact = replace(known, prior=WIDE).likelihood().sample(sample, 400)[0]
    mean, sd = exact.mean(0), exact.std(0)
    off = mean + torch.tensor([20.0, 0, 0, 0, 0, 0, 0, 0]).double() * sd
    start = (
        off + 0.5 * sd * torch.randn(200, 8, generator=torch.Generator().manual_seed(1)).double()
    )
    one = replace(one, first=Elsewhere(start), prior=WIDE)
    found = one.sample(sample, 400)[0]
    assert len(asked) > 1
    assert float(((found.mean(0) - mean) / sd).abs().max()) < 0.4
    assert all(WIDE.contains(region) for region in asked)

    def drift(region):
        return Learnt(lambda data: Slope(region))

    with pytest.raises(ConfigError, match="B: the posterior of m0 reaches beyond"):
        replace(one, learn=drift).sample(sample, 100)
    with pytest.raises(ConfigError, match="one sample is accepted; found 2"):
        one.sample(sample.take(torch.zeros(2).long()), 100)


def test_a_posterior_that_is_broader_than_where_it_was_learnt_is_not_cut_off(sample):
    class Normal(Slope):
        def __call__(self, theta):
            return -(((theta[..., 0] + 19.3) / 0.5) ** 2) / 2

    one = TrippMethods(sample, SELECTION, BOX)._regional(
        "B", lambda r: Learnt(lambda d: Normal(r))
    )
    middle = (torch.tensor(BOX.low) + torch.tensor(BOX.high)).double() / 2
    sd = torch.tensor([0.1, *(h - low for h, low in zip(BOX.high[1:], BOX.low[1:], strict=True))])
    white = torch.randn(400, 8, generator=torch.Generator().manual_seed(1)).double()
    first = Elsewhere(middle + sd.double() * white)
    found = replace(one, first=first, prior=WIDE).sample(sample, 2_000)[0]
    assert float(found[:, 0].std()) == pytest.approx(0.5, rel=0.1)


def test_a_sharp_limit_that_the_integral_cannot_follow_is_refused(sample):
    sharp = FitCuts(ProbitLimit(17.3, 0.02), 1.5, 0.12)
    learnt = fit_tripp_efficiency(sample, sharp, BOX, 2_000, seed=1)
    with pytest.raises(ConfigError, match="too sharp for the integral over true values"):
        learnt.check(points()[0])


class Elsewhere:
    """A method whose posterior is elsewhere."""

    def __init__(self, draws):
        self.draws = draws

    def sample(self, data, n, seed=0):
        return self.draws[None]


class Slope:
    """A likelihood that always wants a larger M0 than it may have."""

    def __init__(self, region):
        self.scale = (region.high[0] - region.low[0]) / 200

    def __len__(self):
        return 1

    def __call__(self, theta):
        return theta[..., 0] / self.scale

    def take(self, index):
        return self


def test_a_selection_that_cannot_have_kept_the_sample_is_refused(sample):
    TrippMethods(sample, SELECTION, BOX).check()
    TrippMethods(sample, None, BOX).check()
    narrow = TrippMethods(sample, FitCuts(None, 0.5, 0.3), BOX)
    with pytest.raises(ConfigError, match=r"of 60 supernovae cannot have been kept by \(\|x1\|"):
        narrow.check()

    class Magnitude(BlueEdge):
        def log_probability(self, data):
            return data[..., 0]

    with pytest.raises(ConfigError, match=r"has to be ln P\(kept\)"):
        TrippMethods(sample, Magnitude(), BOX).check()


@pytest.mark.parametrize(
    ("names", "selection", "message"),
    [
        (("exact",), SELECTION, "exact is not one of likelihood, ignored"),
        (("likelihood",), None, "likelihood needs a selection"),
        (("efficiency",), None, "efficiency needs a selection"),
        (("selected_flow",), None, "selected_flow needs a selection"),
    ],
)
def test_methods_that_cannot_be(sample, names, selection, message):
    known = TrippMethods(sample, selection, BOX)
    with pytest.raises(ConfigError, match=message):
        tripp_methods(known, names, 1_000, {"batch": 64, "steps": 1})
