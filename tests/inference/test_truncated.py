"""Zero-truncated normals against SciPy's and against integrals."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats
from targets import factors
from torch.distributions import constraints

from sntorch.inference.truncated import (
    ZeroTruncatedMultivariateNormal,
    ZeroTruncatedNormal,
    truncated_quantile,
    truncated_score,
    truncated_score_inverse,
)

RATIOS = (-30.0, -20.5, -19.5, -8.0, -1.0, 0.0, 0.5, 3.0, 8.0)


def tensor(*values):
    return torch.tensor(values, dtype=torch.float64)


def scipys(loc, scale):
    return stats.truncnorm(-loc / scale, np.inf, loc=loc, scale=scale)


def several(n=3, dim=4):
    loc = torch.randn(n, dim, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return ZeroTruncatedMultivariateNormal(loc, factors(n, dim))


@pytest.mark.parametrize("ratio", RATIOS)
def test_density_is_scipys(ratio):
    scale = 0.7
    law = scipys(ratio * scale, scale)
    at = law.ppf([0.01, 0.3, 0.9, 0.999])
    found = ZeroTruncatedNormal(tensor(ratio * scale), tensor(scale)).log_prob(tensor(*at))
    np.testing.assert_allclose(found.numpy(), law.logpdf(at), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("ratio", RATIOS)
def test_density_integrates_to_one_and_has_the_mean_stated(ratio):
    law = ZeroTruncatedNormal(tensor(ratio), tensor(1.0))
    width = min(1.0, 1 / max(-ratio, 1e-9))
    end = max(ratio, 0) + 40 * width

    def density(x):
        return float(law.log_prob(tensor(x)).exp())

    points = [max(ratio, 0), width]
    total, _ = integrate.quad(density, 0, end, points=points, limit=200)
    mean, _ = integrate.quad(lambda x: x * density(x), 0, end, points=points, limit=200)
    assert total == pytest.approx(1, rel=1e-7)
    assert float(law.mean) == pytest.approx(mean, rel=1e-6)


@settings(deadline=None, max_examples=150)
@given(
    ratio=st.floats(-30, 8),
    scale=st.floats(1e-3, 1e3),
    u=st.floats(1e-6, 1 - 1e-6),
)
def test_quantile_is_the_inverse_of_the_distribution_function(ratio, scale, u):
    loc = ratio * scale
    x = float(truncated_quantile(tensor(loc), tensor(scale), tensor(u)))
    # ln S(x) = ln Φ((μ - x)/σ) - ln Φ(μ/σ), which keeps its digits in the tail.
    survival = math.exp(stats.norm.logcdf((loc - x) / scale) - stats.norm.logcdf(ratio))
    # Beyond 20 σ the tail is a formula that is good to 1/ratio².
    bound = 3e-3 if ratio < -19.99 else 1e-8
    assert x > 0
    assert survival == pytest.approx(1 - u, abs=bound)


@pytest.mark.parametrize("ratio", RATIOS)
def test_moments_of_draws(ratio):
    torch.manual_seed(0)
    draws = ZeroTruncatedNormal(tensor(ratio), tensor(1.0)).rsample((200_000,))[:, 0]
    law = scipys(ratio, 1.0)
    assert bool((draws > 0).all())
    assert float(draws.mean()) == pytest.approx(law.mean(), rel=8e-3)
    assert float(draws.std()) == pytest.approx(law.std(), rel=1.2e-2)


@pytest.mark.parametrize("ratio", RATIOS)
def test_gradients(ratio):
    loc, scale, u = (x.requires_grad_() for x in (tensor(ratio), tensor(1.3), tensor(0.4)))
    value = tensor(0.2).requires_grad_()
    assert torch.autograd.gradcheck(truncated_quantile, (loc, scale, u))
    assert torch.autograd.gradcheck(
        lambda m, s, x: ZeroTruncatedNormal(m, s).log_prob(x), (loc, scale, value)
    )


def test_gradients_of_the_multivariate():
    law = several()
    loc, factor = law.loc.clone().requires_grad_(), law.scale_tril.clone().requires_grad_()
    u = torch.full((3,), 0.3, dtype=torch.float64)
    noise = torch.linspace(-1, 1, 9, dtype=torch.float64).view(3, 3)

    def drawn(loc, factor):
        return ZeroTruncatedMultivariateNormal(loc, factor.tril()).transform(u, noise)

    def scored(loc, factor):
        fixed = law.transform(u, noise).detach()
        return ZeroTruncatedMultivariateNormal(loc, factor.tril()).log_prob(fixed)

    assert torch.autograd.gradcheck(drawn, (loc, factor))
    assert torch.autograd.gradcheck(scored, (loc, factor))


def test_multivariate_density_is_the_first_variable_times_the_rest():
    law = several()
    torch.manual_seed(1)
    x = law.rsample((5,))
    first = ZeroTruncatedNormal(law.loc[:, 0], law.scale_tril[:, 0, 0])
    w = (x[..., 0] - law.loc[:, 0]) / law.scale_tril[:, 0, 0]
    rest = torch.distributions.MultivariateNormal(
        law.loc[:, 1:] + w[..., None] * law.scale_tril[:, 1:, 0],
        scale_tril=law.scale_tril[:, 1:, 1:],
    )
    expected = first.log_prob(x[..., 0]) + rest.log_prob(x[..., 1:])
    assert torch.allclose(law.log_prob(x), expected, rtol=1e-11)


def test_multivariate_draws_follow_the_density():
    """E[p(x)/q(x)] under q is 1 for any density p with the same support."""
    law = several(dim=2)
    other = ZeroTruncatedMultivariateNormal(law.loc + 0.1, 0.9 * law.scale_tril)
    torch.manual_seed(2)
    x = law.rsample((200_000,))
    ratio = (other.log_prob(x) - law.log_prob(x)).exp().mean(0)
    assert torch.allclose(ratio, torch.ones_like(ratio), atol=0.01)


@pytest.mark.parametrize(
    "law", [ZeroTruncatedNormal(tensor(-1, 0, 2), tensor(1.0)), several()], ids=["one", "many"]
)
def test_expand_and_shapes(law):
    large = law.expand([5, 3])
    assert large.batch_shape == (5, 3)
    assert large.event_shape == law.event_shape
    x = large.sample((2,))
    assert x.shape == (2, 5, 3, *law.event_shape)
    assert torch.equal(large.log_prob(x), law.log_prob(x))


def test_support():
    assert ZeroTruncatedNormal.support is constraints.positive
    law = several()
    torch.manual_seed(0)
    x = law.sample((100,))
    assert law.support.check(x).shape == (100, 3)
    assert bool(law.support.check(x).all())
    x[..., 0] *= -1
    assert not bool(law.support.check(x).any())
    with pytest.raises(ValueError, match="scale"):
        ZeroTruncatedNormal(tensor(0.0), tensor(-1.0), validate_args=True)


# ---- scores ----

SCORE_RATIOS = (-8.0, -5.0, -1.0, 0.0, 0.5, 3.0, 8.0, 20.0, 40.0)


@pytest.mark.parametrize("ratio", SCORE_RATIOS)
def test_score_is_scipys_quantile(ratio):
    x = torch.linspace(-5, 5, 41, dtype=torch.float64)
    found, _ = truncated_score(x, tensor(ratio))
    law = scipys(ratio, 1.0)
    # Each tail by its own probability.
    low, high = law.ppf(stats.norm.cdf(x)), law.isf(stats.norm.sf(x))
    wanted = np.where(x < 0, low, high)
    np.testing.assert_allclose((ratio + found).numpy(), wanted, rtol=1e-7, atol=1e-12)


@settings(deadline=None, max_examples=200)
@given(ratio=st.floats(-8, 40), x=st.floats(-6, 6))
def test_score_there_and_back(ratio, x):
    w, _ = truncated_score(tensor(x), tensor(ratio))
    assert bool(w.isfinite().all())
    assert float(w) > -ratio - 1e-9
    # Near the edge the probability's last digit is all that is left.
    digits = 1e-14 / max(math.exp(-0.5 * x * x) * stats.norm.cdf(ratio), 1e-300)
    if abs(x) < 5 and ratio > -5:
        assert float(truncated_score_inverse(w, tensor(ratio))) == pytest.approx(
            x, abs=1e-7 + digits
        )


@pytest.mark.parametrize("ratio", SCORE_RATIOS)
def test_slope_and_gradient_of_the_score(ratio):
    x, at = torch.linspace(-4, 4, 9).double().requires_grad_(), tensor(ratio).requires_grad_()
    w, log_slope = truncated_score(x, at)
    (slope,) = torch.autograd.grad(w.sum(), x, retain_graph=True)
    np.testing.assert_allclose(slope.log().detach(), log_slope.detach(), rtol=1e-6, atol=1e-6)
    assert bool((w.diff() > 0).all())
    step = 1e-5
    for index, point in enumerate((x, at)):
        for result in (0, 1):
            value = truncated_score(x, at)[result].sum()
            (found,) = torch.autograd.grad(value, point)
            given = [x.detach(), at.detach()]
            moved = []
            for sign in (1, -1):
                there = list(given)
                there[index] = there[index] + sign * step
                moved.append(truncated_score(*there)[result].sum())
            wanted = float(moved[0] - moved[1]) / (2 * step)
            assert float(found.sum()) == pytest.approx(wanted, rel=1e-5, abs=1e-5)


def test_far_from_the_edge_a_score_is_the_number_itself():
    x = torch.linspace(-8, 8, 33, dtype=torch.float64)
    w, log_slope = truncated_score(x, tensor(40.0))
    assert torch.allclose(w, x, atol=1e-9)
    assert torch.allclose(log_slope, torch.zeros_like(x), atol=1e-7)


def test_scores_broadcast_and_extreme_numbers_stay_numbers():
    x = tensor(-30.0, -9.0, 0.0, 9.0, 30.0)
    ratio = tensor(*SCORE_RATIOS)[:, None]
    w, log_slope = truncated_score(x, ratio)
    assert w.shape == log_slope.shape == (len(SCORE_RATIOS), 5)
    assert not bool(w.isnan().any())
    assert bool((w.diff(dim=1) >= 0).all())
