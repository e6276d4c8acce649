"""Hierarchical posteriors and their coordinates, on a normal model whose answer is known."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from targets import generator

from sntorch.inference.density import BatchedDensity
from sntorch.inference.hierarchical import Conditional, HierarchicalDensity
from sntorch.inference.nuts import BatchedSampler
from sntorch.testing import BatchedDensityContract

OBJECTS, OWN, SPREAD = 6, 2, 3.0
LOG_TAU = (-0.5, 0.6)


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Normals:
    """y_s ~ N(z_s, σ_s²), z_s ~ N(μ, τ²) in two dimensions; μ ~ N(0, 3²), ln τ normal.

    φ = (μ_1, μ_2, ln τ). The conditional of z_s is a normal; ``stretch`` makes the coordinates'
    wider than it is.
    """

    n_shared, n_own, size = 3, OWN, OBJECTS

    def __init__(self, stretch=1.0, block=OBJECTS):
        self.stretch, self.block = stretch, block
        random = generator(3)
        self.error = 0.2 + torch.rand(OBJECTS, generator=random, dtype=torch.float64)
        noise = torch.randn(OBJECTS, OWN, generator=random, dtype=torch.float64)
        self.y = torch.tensor([1.0, -2.0]).double() + 1.2 * noise

    def blocks(self, n_chains):
        return [Part(self, rows) for rows in torch.arange(OBJECTS).split(self.block)]

    def shared(self, phi):
        scaled = torch.cat([phi[:, :2] / SPREAD, (phi[:, 2:] - LOG_TAU[0]) / LOG_TAU[1]], 1)
        shared = {"mu": phi[:, :2], "tau": phi[:, 2].exp(), "constant": torch.ones(1).double()}
        return shared, -0.5 * scaled.square().sum(1)


class Part:
    """Some of the objects."""

    def __init__(self, of, rows):
        self.of, self.rows = of, rows
        self.y, self.error = of.y[rows, None], of.error[rows, None, None]

    def log_density(self, shared, z):
        tau = shared["tau"][:, None]
        data = ((self.y - z) / self.error).square()
        prior = ((z - shared["mu"]) / tau).square()
        return -(0.5 * (data + prior) + tau.log()).sum((0, 2))

    def _law(self, shared):
        tau = shared["tau"][:, None]
        precision = 1 / tau.square() + 1 / self.error.square()
        mean = (shared["mu"] / tau.square() + self.y / self.error.square()) / precision
        return mean, self.of.stretch * precision.rsqrt()

    def whiten(self, shared, x):
        mean, scale = self._law(shared)
        return mean + scale * x, scale.log().expand_as(x).sum((0, 2))

    def unwhiten(self, shared, z):
        mean, scale = self._law(shared)
        return (z - mean) / scale


def answer(model):
    """Means and variances of φ and z by a sum over ln τ, the rest in closed form."""
    log_tau = torch.linspace(-6, 4, 4001, dtype=torch.float64)
    square = (2 * log_tau).exp()[:, None]
    y, error2 = model.y, model.error.square()
    marginal = 1 / (square + error2)
    precision = marginal.sum(1) + 1 / SPREAD**2
    mean = (marginal @ y) / precision[:, None]
    log_weight = marginal.log().sum(1) - precision.log()
    log_weight = log_weight - 0.5 * (marginal @ y.square() - precision[:, None] * mean**2).sum(1)
    log_weight = log_weight - 0.5 * ((log_tau - LOG_TAU[0]) / LOG_TAU[1]).square()
    weight = (log_weight - log_weight.logsumexp(0)).exp()
    # z_s given τ: its own law with μ's uncertainty added.
    pull = 1 / square / (1 / square + 1 / error2)
    z_mean = pull[..., None] * mean[:, None] + (1 - pull)[..., None] * y
    z_variance = 1 / (1 / square + 1 / error2) + pull.square() / precision[:, None]

    def moments(value, variance):
        shape = (-1, *[1] * (value.ndim - 1))
        w = weight.view(shape)
        first = (w * value).sum(0)
        return first, (w * (variance + value.square())).sum(0) - first.square()

    return {
        "mu": moments(mean, (1 / precision)[:, None]),
        "log_tau": moments(log_tau, torch.zeros(())),
        "z": moments(z_mean, z_variance[..., None]),
    }


def places(chains=3, seed=0):
    random = generator(seed)
    phi = 0.4 * torch.randn(chains, 3, generator=random, dtype=torch.float64)
    x = torch.randn(OBJECTS, chains, OWN, generator=random, dtype=torch.float64)
    return phi, x


def coordinates(density, own_scale=1.0):
    mean = torch.tensor([1.0, -2.0, 0.0]).double()
    factor = torch.diag(torch.tensor([0.6, 0.6, 0.4]).double())
    factor[2, 0] = 0.1
    found = Conditional.around(density, mean, factor)
    shape = OBJECTS, OWN
    return Conditional(
        density,
        found.mean,
        found.scale_tril,
        torch.full(shape, 0.2 * (own_scale != 1)).double(),
        torch.full(shape, own_scale).double(),
    )


# ---- the exact answer ----


def assert_average(values, expected, name):
    """Of draws (C, S, K): chains are independent, so their scatter is the error, however short."""
    each = values.mean(1)
    off = (each.mean(0) - expected) * len(each) ** 0.5 / each.std(0)
    assert float(off.abs().max()) < 4, (name, off)


@pytest.mark.parametrize("stretch", [1.0, 1.5])
def test_sampling_gives_the_exact_posterior(stretch):
    model = Normals(stretch)
    density = HierarchicalDensity(model)
    where = coordinates(density)
    random, chains = generator(1), 300
    x = torch.randn(1, chains, density.dim, generator=random, dtype=torch.float64)
    sampler = BatchedSampler(density, where, where.outside(x), random, rotate=True)
    sampler.run(25, adapt=True)
    found = sampler.run(15)
    wanted = answer(model)
    draws = {
        "mu": found.z[0, ..., :2],
        "log_tau": found.z[0, ..., 2:3],
        "z": found.z[0, ..., 3:].unflatten(-1, (OBJECTS, OWN)),
    }
    for name, values in draws.items():
        mean, variance = (m.flatten() for m in wanted[name])
        flat = values.flatten(2)
        assert_average(flat, mean, name)
        assert_average((flat - mean).square(), variance, name)
    assert float(found.divergences.sum()) < 0.01 * chains * 15


# ---- the change of variables ----


def test_whitened_density_is_the_density_times_the_jacobian():
    model = Normals(stretch=1.3, block=4)
    density = HierarchicalDensity(model)
    phi, x = places()
    value, of_phi, of_x = density.whitened_value_and_gradient(phi, x)
    z = density.whiten(phi, x)
    plain, _ = density.value_and_gradient(density.joined(phi, z)[None])
    shared, _ = model.shared(phi)
    jacobian = sum(b.whiten(shared, x[b.rows])[1] for b in model.blocks(3))
    assert torch.allclose(value, plain[0] + jacobian)
    assert torch.allclose(density.unwhiten(phi, z), x, atol=1e-12)
    assert of_phi.shape == phi.shape
    assert of_x.shape == x.shape


def test_in_exact_coordinates_own_variables_are_standard_normal():
    phi, x = places()
    _, _, gradient = HierarchicalDensity(Normals()).whitened_value_and_gradient(phi, x)
    assert torch.allclose(gradient, -x, atol=1e-12)


@pytest.mark.parametrize("own_scale", [1.0, 0.7])
def test_coordinates_there_and_back(own_scale):
    density = HierarchicalDensity(Normals(1.3))
    where = coordinates(density, own_scale)
    x = torch.randn(1, 4, density.dim, generator=generator(5), dtype=torch.float64)
    z = where.outside(x)
    assert z.shape == x.shape
    assert torch.allclose(where.inside(z), x, atol=1e-12)
    assert where.take(torch.tensor([0])) is where


@pytest.mark.parametrize("own_scale", [1.0, 0.7])
def test_evaluate_has_the_jacobian_and_the_gradient_of_the_map(own_scale):
    """Up to a constant: that of the straight parts of the map."""
    density = HierarchicalDensity(Normals(1.3))
    where = coordinates(density, own_scale)
    x = torch.randn(1, 4, density.dim, generator=generator(5), dtype=torch.float64)
    value, gradient = where.evaluate(density, x)
    assert value.shape == (1, 4)
    step = 1e-5
    off = []
    for c in range(4):
        moves = step * torch.eye(density.dim, dtype=torch.float64)
        one = x[:, c : c + 1]
        up, down = (where.outside(one + sign * moves)[0] for sign in (1, -1))
        jacobian = torch.linalg.slogdet((up - down) / (2 * step))[1]
        plain, _ = density.value_and_gradient(where.outside(one))
        off.append(float(value[0, c] - plain[0, 0] - jacobian))
        high, low = (where.evaluate(density, one + sign * moves)[0][0] for sign in (1, -1))
        assert torch.allclose((high - low) / (2 * step), gradient[0, c], rtol=1e-6, atol=1e-6)
    assert max(off) - min(off) < 1e-7


# ---- bookkeeping ----


@settings(deadline=None, max_examples=40)
@given(
    chains=st.integers(1, 5), shared=st.integers(1, 6), own=st.integers(1, 4), n=st.integers(1, 7)
)
def test_split_and_joined_are_inverse(chains, shared, own, n):
    model = Normals()
    model.n_shared, model.n_own, model.size = shared, own, n
    density = HierarchicalDensity(model)
    z = torch.arange(chains * density.dim).view(chains, -1)
    phi, part = density.split(z)
    assert phi.shape == (chains, shared)
    assert part.shape == (n, chains, own)
    assert torch.equal(density.joined(phi, part), z)
    # An object's variables stand together.
    assert torch.equal(part[n - 1, 0], z[0, density.dim - own :])


def test_blocks_and_threads_change_nothing():
    phi, x = places()
    wanted = HierarchicalDensity(Normals(1.2)).whitened_value_and_gradient(phi, x)
    for block in (1, 4):
        single = HierarchicalDensity(Normals(1.2, block)).whitened_value_and_gradient(phi, x)
        for found, expected in zip(single, wanted, strict=True):
            assert torch.allclose(found, expected, rtol=1e-12, atol=1e-12)
        threads = HierarchicalDensity(Normals(1.2, block), threads=2)
        for _ in range(5):
            for found, expected in zip(
                threads.whitened_value_and_gradient(phi, x), single, strict=True
            ):
                assert torch.equal(found, expected)


def test_a_block_that_fails_on_a_thread_is_heard_of():
    model = Normals(block=2)
    model.blocks = lambda n: [Failing(model, rows) for rows in torch.arange(OBJECTS).split(2)]
    phi, x = places()
    with pytest.raises(ValueError, match="this one"):
        HierarchicalDensity(model, threads=2).whitened_value_and_gradient(phi, x)


class Failing(Part):
    def whiten(self, shared, x):
        if 2 in self.rows.tolist():
            raise ValueError("this one")
        return super().whiten(shared, x)


def test_no_graph_is_left():
    density = HierarchicalDensity(Normals())
    phi, x = places()
    with torch.no_grad():
        results = density.whitened_value_and_gradient(phi, x)
    assert not any(part.requires_grad for part in results)
    assert isinstance(density, BatchedDensity)
    assert len(density) == 1
    assert density.take(torch.tensor([0])) is density


class OneOfTwo(HierarchicalDensity):
    """Two posteriors, for the contract."""

    def __init__(self, rows=(0, 1)):
        super().__init__(Normals())
        self.parts = [HierarchicalDensity(Normals(block=2 + row)) for row in rows]
        self.rows = list(rows)

    def __len__(self):
        return len(self.rows)

    def take(self, index):
        return OneOfTwo([self.rows[i] for i in index.tolist()])

    def value_and_gradient(self, z):
        found = [
            part.value_and_gradient(row[None]) for part, row in zip(self.parts, z, strict=True)
        ]
        return tuple(torch.cat(values) for values in zip(*found, strict=True))


class TestContract(BatchedDensityContract):
    def make(self):
        return OneOfTwo()


def test_value_is_that_of_the_normals():
    model = Normals()
    density = HierarchicalDensity(model)
    phi, z = places(2)
    value, _ = density.value_and_gradient(density.joined(phi, z)[None])
    for c in range(2):
        mu, log_tau = phi[c, :2], float(phi[c, 2])
        law = torch.distributions.Normal
        total = law(0, SPREAD).log_prob(mu).sum() + law(*LOG_TAU).log_prob(phi[c, 2])
        total = total + law(mu, math.exp(log_tau)).log_prob(z[:, c]).sum()
        total = total + law(z[:, c], model.error[:, None]).log_prob(model.y).sum()
        if c == 0:
            constant = total - value[0, 0]
        assert float(total - value[0, c]) == pytest.approx(float(constant), abs=1e-6)
