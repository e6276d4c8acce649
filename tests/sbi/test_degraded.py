"""Photometry with bands dropped and errors inflated, and the two networks' views of it."""

import pytest
import torch

from sntorch.errors import ConfigError, DataError
from sntorch.sbi.benchmarks.magnitudes import PRIOR, LinearMagnitudes, MagnitudeLikelihood
from sntorch.sbi.degraded import Degraded
from sntorch.sbi.embeddings import DeepSet
from sntorch.sbi.flow import FlowModule
from sntorch.sbi.photometry import BandEncoder, BandVector
from sntorch.sbi.prior import BoxPrior
from sntorch.sbi.simulated import SummarySimulator

SIMULATOR = LinearMagnitudes(seed=1)
BANDS = 6
EMBEDDING = {
    "_target_": "sntorch.sbi.embeddings.DeepSet",
    "encoder": {"_target_": "sntorch.sbi.photometry.BandEncoder", "n_bands": BANDS},
    "n_outputs": 8,
}


def test_bands_are_dropped_and_errors_inflated_as_much_as_asked():
    worse, plain = Degraded(SIMULATOR)(0, 4_000), SIMULATOR(0, 4_000)
    assert torch.equal(worse[0], plain[0])
    x, y = worse[1], plain[1]
    assert float((~x.mask).double().mean()) == pytest.approx(0.3, abs=0.03)
    assert float((x.error > y.error).double().mean()) == pytest.approx(0.3, abs=0.03)
    assert bool(x.mask.any(1).all())
    assert bool(x.mask.all(1).any())
    assert bool((x.error >= y.error).all())
    assert float((x.error / y.error).max()) < 30
    off = (x.magnitude - SIMULATOR.noiseless(worse[0])) / x.error
    assert float(off.std()) == pytest.approx(1, abs=0.02)
    assert float(off.mean()) == pytest.approx(0, abs=0.02)


def test_objects_are_reproducible_one_by_one_and_stay_within_a_box():
    simulator = Degraded(SIMULATOR, seed=4)
    theta, x = simulator(0, 5)
    again, last = simulator(4, 1)
    assert torch.equal(theta[4:], again)
    assert torch.equal(x.magnitude[4:], last.magnitude)
    assert torch.equal(x.mask[4:], last.mask)
    box = BoxPrior(PRIOR.names, (19.5, 0.0, 0.0), (20.0, 0.2, 0.1))
    inside, _ = simulator.within(box)(0, 20)
    assert bool(((inside >= torch.tensor(box.low)) & (inside <= torch.tensor(box.high))).all())


def test_facts_are_those_of_the_simulator_too():
    own = {"missing": 0.6, "noisy": 0.6, "inflation": 30.0}
    assert Degraded(SIMULATOR).facts() == own
    inner = SummarySimulator(n=6)
    assert Degraded(inner).facts() == {**inner.facts(), **own}


def test_nothing_is_done_where_nothing_is_asked_for():
    x = Degraded(SIMULATOR, missing=0.0, noisy=0.0)(0, 10)[1]
    assert torch.equal(x.magnitude, SIMULATOR(0, 10)[1].magnitude)
    assert bool(x.mask.all())


@pytest.mark.parametrize(
    ("settings", "message"), [({"missing": 1.2}, "missing=1.2"), ({"inflation": 0.5}, "inflation")]
)
def test_shares_and_factors_are_checked(settings, message):
    with pytest.raises(ConfigError, match=message):
        Degraded(SIMULATOR, **settings)


def test_a_set_of_bands_does_not_see_what_is_missing():
    _, x = Degraded(SIMULATOR, missing=0.9)(0, 20)
    network = DeepSet(BandEncoder(BANDS), n_outputs=4)
    network.prepare(SIMULATOR(0, 300)[1])
    found = network(x)
    x.magnitude[~x.mask], x.error[~x.mask] = torch.nan, torch.nan
    assert torch.equal(network(x), found)
    assert bool(found.isfinite().all())


def test_a_vector_of_bands_refuses_missing_ones():
    network = BandVector(BANDS, n_outputs=4)
    network.prepare(SIMULATOR(0, 300)[1])
    assert network(SIMULATOR(0, 3)[1]).shape == (3, 4)
    with pytest.raises(DataError, match="trained without masks"):
        network(Degraded(SIMULATOR, missing=1.0)(0, 20)[1])


def test_a_gradient_reaches_every_parameter_of_a_flow_on_sets_of_bands():
    module = FlowModule(PRIOR, EMBEDDING, transforms=1, width=16)
    theta, x = Degraded(SIMULATOR)(0, 64)
    module.prepare(SIMULATOR(0, 300)[1])
    module.loss(theta, x, torch.Generator()).backward()
    assert all(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in module.parameters())


def test_the_likelihood_knows_the_bands_that_are_there():
    theta, x = Degraded(SIMULATOR, missing=0.9)(0, 6)
    likelihood = MagnitudeLikelihood(x)
    found = likelihood(theta[:, None])
    x.magnitude[~x.mask] += 100
    assert torch.equal(likelihood(theta[:, None]), found)
    index = torch.tensor([3, 1])
    assert torch.equal(likelihood.take(index)(theta[index, None]), found[index])
    sd, y = torch.where(x.mask, x.error, torch.inf), SIMULATOR.noiseless(theta)
    expected = -(((x.magnitude - y) / sd) ** 2).sum(1) / 2
    torch.testing.assert_close(found[:, 0], expected)
