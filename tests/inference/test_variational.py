"""Variational fits of densities whose best approximation is known."""

from __future__ import annotations

import pytest
import torch
from targets import factors, generator, log_gamma, means, normal, zero_truncated

from sntorch.inference.coordinates import Affine, Truncated
from sntorch.inference.diagnostics import psis_k_hat
from sntorch.inference.preconditioning import precondition
from sntorch.inference.variational import fit_normal, log_ratios

N, DIM = 4, 3
FIRST = torch.tensor([-4.0, -0.5, 0.5, 4.0], dtype=torch.float64)


def exact(kind):
    """A density, and the approximation that is the density itself."""
    mean, factor = means(N, DIM), 0.3 * factors(N, DIM)
    if kind == "normal":
        return normal(mean, factor), Affine(mean, factor)
    mean[:, 0] = FIRST * factor[:, 0, 0]
    return zero_truncated(mean, factor), Truncated(mean, factor)


def displaced(family):
    """Half a width away, and with other widths and correlations."""
    move = 0.5 * torch.ones(N, DIM).double()
    stretch = torch.eye(DIM).double() * 0.7
    stretch[1, 0] = 0.3
    return family.composed(move, stretch.expand(N, DIM, DIM))


@pytest.mark.parametrize("begin", [lambda family: family, displaced], ids=["there", "away"])
def test_finds_a_normal(begin):
    target, family = exact("normal")
    found = fit_normal(target, begin(family), generator(), iterations=400)
    lower = family.scale_tril
    off = torch.linalg.solve_triangular(lower, (found.mean - family.mean)[..., None], upper=False)
    factor = torch.linalg.solve_triangular(lower, found.scale_tril, upper=False)
    assert off.abs().max() < 0.01
    assert torch.allclose(factor, torch.eye(DIM).double().expand_as(factor), atol=0.02)


@pytest.mark.parametrize("kind", ["normal", "zero-truncated"])
def test_importance_ratios_of_what_was_found(kind):
    target, family = exact(kind)
    x = torch.randn(N, 2000, DIM, generator=generator(1), dtype=torch.float64)
    before = log_ratios(target, displaced(family), x)
    found = fit_normal(target, displaced(family), generator(), iterations=400)
    after = log_ratios(target, found, x)
    assert log_ratios(target, family, x).std(1).max() < 1e-6
    assert after.std(1).max() < 0.1
    assert before.std(1).min() > 0.5
    assert psis_k_hat(after).max() < 0.7


def test_closest_normal_of_a_skewed_density():
    """For ln of a gamma variable, KL(q, p) is least at m = ln a - 1/(2a), s² = 1/a."""
    shape = torch.tensor([[1.0, 2.0], [4.0, 20.0]], dtype=torch.float64)
    start = Affine(shape.log(), torch.diag_embed(shape.rsqrt()))
    found = fit_normal(log_gamma(shape), start, generator(), iterations=600, n_draws=32)
    assert torch.allclose(found.mean, shape.log() - 0.5 / shape, atol=0.03)
    assert torch.allclose(found.scale_tril, torch.diag_embed(shape.rsqrt()), atol=0.03)


def test_from_a_start_to_a_truncated_fit():
    target, family = exact("zero-truncated")
    start = torch.cat([family.scale_tril[:, :1, 0].log(), family.mean[:, 1:]], 1)
    done = []
    found = precondition(target, start, generator(), iterations=100, progress=done.append)
    assert bool(found.mode.converged.all())
    assert done == sorted(done)
    assert len(done) == 100
    assert done[-1] == 1
    x = torch.randn(N, 2000, DIM, generator=generator(1), dtype=torch.float64)
    assert psis_k_hat(log_ratios(target, found.coordinates, x)).max() < 0.7


def test_a_seed_gives_the_same_fit():
    target, family = exact("normal")
    one, two, other = (
        fit_normal(target, displaced(family), generator(seed), iterations=20).mean
        for seed in (0, 0, 1)
    )
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
