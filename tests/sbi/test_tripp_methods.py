"""B and C of a Tripp sample, held to the exact likelihood; what they refuse."""

from dataclasses import replace

import pytest
import torch
from tripp_samples import BOX, SELECTION, TRUTH, BlueEdge, observed, selected, truths

from sntorch.errors import ConfigError
from sntorch.sbi.prior import BoxPrior
from sntorch.sbi.tripp import PARAMETERS, PRIOR, TrippLikelihood, simulate_tripp
from sntorch.sbi.tripp_cuts import FitCuts
from sntorch.sbi.tripp_methods import Learnt, TrippMethods, tripp_methods

WIDE = BoxPrior(PARAMETERS, (-40.0, *PRIOR.low[1:]), (0.0, *PRIOR.high[1:]))


@pytest.fixture(scope="module")
def sample():
    return selected()


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
