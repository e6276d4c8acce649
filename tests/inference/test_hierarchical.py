"""Hierarchical posteriors and their coordinates, on a normal model whose answer is known."""

from __future__ import annotations

import math

import pytest
import torch
from fake_normals import (
    LOG_TAU,
    OBJECTS,
    OWN,
    SPREAD,
    Normals,
    Part,
    answer,
    assert_average,
    coordinates,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from targets import generator

from sntorch.inference.density import BatchedDensity
from sntorch.inference.hierarchical import HierarchicalDensity
from sntorch.inference.nuts import BatchedSampler
from sntorch.testing import BatchedDensityContract


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def places(chains=3, seed=0):
    random = generator(seed)
    phi = 0.4 * torch.randn(chains, 3, generator=random, dtype=torch.float64)
    x = torch.randn(OBJECTS, chains, OWN, generator=random, dtype=torch.float64)
    return phi, x


# ---- the exact answer ----


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
