"""The fast density of a fit against the Pyro model, and both against the reference code."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from sntorch import read
from sntorch.bayesn.density import FitDensity
from sntorch.bayesn.model import PLATE, FitModel
from sntorch.bayesn.observations import Observations
from sntorch.bayesn.options import FitOptions
from sntorch.bayesn.preparation import prepare, read_headers
from sntorch.bayesn.starting import starting_points
from sntorch.data.batch import LightCurveBatch
from sntorch.errors import ConfigError
from sntorch.inference.density import ModelDensity
from sntorch.testing import BatchedDensityContract

RV = (
    {"rv_mode": "fixed"},
    {"rv_mode": "fixed", "rv": 3.1},
    {"rv_mode": "population", "rv": 2.7, "sigma_r": 0.6},
    {"rv_mode": "uniform"},
)
HELD = {
    "fix_tmax": (None, -1.5),
    "fix_theta": (None, 0.7),
    "fix_av": (None, 0.2),
    "epsilon": (True, False),
}
OPTIONS = [
    FitOptions(**rv, **dict(zip(HELD, held, strict=True)))
    for rv in RV
    for held in itertools.product(*HELD.values())
]


def points(density, sample, n=2, seed=6):
    """Around the truth's distance, shape (B, n, D)."""
    shape = len(density), n, density.dim
    random = torch.Generator().manual_seed(seed)
    z = 0.3 * torch.randn(shape, generator=random, dtype=torch.float64)
    z[..., density.slice("ds")] += torch.tensor(sample.truth["ds"])[:, None, None]
    return z


@pytest.mark.parametrize("options", OPTIONS)
def test_is_the_pyro_model(t21, sample, options):
    fast = FitDensity(t21, sample.observations, options)
    readable = ModelDensity(FitModel(t21, sample.observations, options), PLATE)
    assert fast.sites == readable.sites
    assert fast.positive == readable.positive == (options.fix_av is None)
    z = points(fast, sample)
    value, gradient = fast.value_and_gradient(z)
    wanted, slope = readable.value_and_gradient(z)
    assert torch.allclose(value, wanted, rtol=1e-10, atol=0)
    assert float((gradient - slope).abs().max() / slope.abs().max()) < 1e-10
    values = fast.constrain(z)
    for name, expected in readable.constrain(z).items():
        if name in values:
            assert torch.allclose(values[name], expected), name
    assert set(values) >= {"theta", "av", "tmax", "rv", "ds"}


def test_a_free_redshift_is_left_to_the_pyro_model(t21, sample):
    with pytest.raises(ConfigError, match="free redshift"):
        FitDensity(t21, sample.observations, FitOptions(free_redshift=True))


def test_profiled_distance_is_the_best(t21, sample):
    density = FitDensity(t21, sample.observations)
    z = points(density, sample)
    z[..., density.slice("ds")] += 0.7
    best = density.profile_ds(z)
    value = likelihood(density, best)
    for move in (-0.01, 0.01):
        moved = best.clone()
        moved[..., density.slice("ds")] += move
        assert bool((likelihood(density, moved) < value).all())
    others = torch.ones(density.dim, dtype=torch.bool)
    others[density.slice("ds")] = False
    assert torch.equal(best[..., others], z[..., others])


def likelihood(density, z):
    return density.likelihood(*density._terms(z)[1:])


def test_search_begins_near_the_truth(t21, sample):
    density = FitDensity(t21, sample.observations, FitOptions(epsilon=False))
    start = starting_points(density, 3)
    assert start.shape == (3, 3, density.dim)
    assert bool((density(start).diff(dim=1) <= 0).all())
    first = density.constrain(start[:, :1])
    assert np.abs(first["ds"][:, 0].numpy() - sample.truth["ds"]).max() < 0.5
    assert np.abs(first["tmax"][:, 0].numpy() - sample.truth["tmax"]).max() < 3


class Contract(BatchedDensityContract):
    options = FitOptions()

    @pytest.fixture(autouse=True)
    def _given(self, t21, sample):
        self.sed, self.sample = t21, sample

    def make(self):
        return FitDensity(self.sed, self.sample.observations, self.options)

    def make_points(self, density, n):
        fast = FitDensity(self.sed, self.sample.observations, self.options)
        return points(fast, self.sample, n)


class TestFixedRV(Contract):
    pass


class TestPopulationRV(Contract):
    options = FitOptions(rv_mode="population", sigma_r=0.5)


class TestUniformRV(Contract):
    options = FitOptions(rv_mode="uniform", epsilon=False)


class TestPyroModel(Contract):
    def make(self):
        return ModelDensity(FitModel(self.sed, self.sample.observations, self.options), PLATE)


# Names of the reference's sites, in the order of ours; all are unconstrained as ours are.
REFERENCE = {
    "av": "AV",
    "theta": "theta",
    "tmax": "tmax",
    "epsilon": "eps_tform",
    "ds": "Ds",
}


@pytest.fixture(scope="module")
def reference(shared, t21):
    """Twenty Foundation supernovae, and three points of the reference code's potential."""
    numbers = np.load(shared / "reference" / "bayesn" / "fit_potential.npz")
    folder = shared / "data" / "foundation_dr1"
    curves = [read(folder / f"Foundation_DR1_{name}.txt")[0] for name in numbers["sn"]]
    headers = read_headers(folder / "T21_sample.txt")
    prepared = prepare(curves, t21, headers=headers)
    batch = LightCurveBatch.from_light_curves(prepared.light_curves)
    muhat = torch.tensor(prepared.muhat, dtype=torch.float64)
    return numbers, Observations.from_batch(batch, muhat)


def test_observations_are_the_references(reference):
    numbers, o = reference
    data = torch.from_numpy(numbers["data"]).permute(2, 0, 1)
    used = data[:, 9] > 0
    for i in range(len(o)):
        for ours, theirs in ((o.phase, 0), (o.flux, 1), (o.flux_err, 2)):
            found = ours[i][o.mask[i]].sort().values
            assert torch.allclose(found, data[i, theirs][used[i]].sort().values, rtol=1e-6)
    assert torch.allclose(o.redshift, data[:, 5, 0])
    assert torch.allclose(o.muhat, data[:, 7, 0], atol=1e-5)
    assert torch.allclose(o.mwebv, data[:, 8, 0])


def reference_point(numbers, k, kind):
    columns = [torch.from_numpy(numbers[f"{kind}{k}_{name}"]) for name in REFERENCE.values()]
    return torch.cat([c.reshape(len(c), -1) for c in columns], 1)[:, None]


@pytest.mark.parametrize("k", range(3))
@pytest.mark.parametrize("integrator", ["grid", "quadrature"])
def test_potential_of_the_reference(reference, t21, integrator, k):
    numbers, o = reference
    if integrator == "grid":
        density = ModelDensity(FitModel(t21, o, integrator="grid"), PLATE)
    else:
        density = FitDensity(t21, o)
    assert list(density.sites) == list(REFERENCE)
    value, gradient = density.value_and_gradient(reference_point(numbers, k, "z"))
    wanted = -reference_point(numbers, k, "g")
    bound = 1e-6 if integrator == "grid" else 1e-4
    assert -float(value.sum()) == pytest.approx(float(numbers[f"U{k}"]), rel=bound)
    assert float((gradient - wanted).norm() / wanted.norm()) < bound
    if integrator == "grid":
        # Of every supernova by itself, too.
        each = (gradient - wanted).norm(dim=2) / wanted.norm(dim=2)
        assert float(each.max()) < 1e-6
