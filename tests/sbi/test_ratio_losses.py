"""Losses of ratio estimators on a toy whose ratio is known."""

import math

import pytest
import torch

from sntorch.errors import ConfigError
from sntorch.sbi.losses import LOSSES, information, ratio_loss

RHO = 0.8


def log_ratio(theta, x):
    """ln p(θ, x) / p(θ) p(x) of correlated standard normal variables."""
    left = 1 - RHO**2
    return -0.5 * math.log(left) - (RHO**2 * (theta**2 + x**2) - 2 * RHO * theta * x) / (2 * left)


def toy(n=4_000, k=15):
    generator = torch.Generator().manual_seed(0)
    theta, noise = torch.randn(2, n, generator=generator, dtype=torch.float64)
    x = RHO * theta + math.sqrt(1 - RHO**2) * noise
    others = torch.randn(n, k, generator=generator, dtype=torch.float64)
    return log_ratio(theta, x), log_ratio(others, x[:, None]), x, theta, others


@pytest.mark.parametrize("name", LOSSES)
def test_the_true_ratio_is_the_minimum(name):
    """Small changes of the ratio, by a factor or by a function of θ and x, make it worse."""
    joint, marginal, x, theta, others = toy()
    best = ratio_loss(name, joint, marginal)
    for change in (0.3, -0.3):
        worse = ratio_loss(name, joint * (1 + change), marginal * (1 + change))
        assert float(worse) > float(best)
        tilted = ratio_loss(
            name, joint + change * theta * x, marginal + change * others * x[:, None]
        )
        assert float(tilted) > float(best)


@pytest.mark.parametrize("name", sorted(set(LOSSES) - {"nre_b"}))
def test_normalisation_is_learnt_but_by_nre_b(name):
    joint, marginal, *_ = toy()
    best = float(ratio_loss(name, joint, marginal))
    assert float(ratio_loss(name, joint + 0.5, marginal + 0.5)) > best
    assert float(ratio_loss(name, joint - 0.5, marginal - 0.5)) > best
    found = float(ratio_loss("nre_b", joint + 7, marginal + 7))
    assert found == pytest.approx(float(ratio_loss("nre_b", joint, marginal)))


def test_the_prior_mean_of_a_perfect_ratio_is_one():
    _, marginal, *_ = toy(n=200, k=4_000)
    torch.testing.assert_close(
        marginal.exp().mean(), torch.tensor(1.0, dtype=torch.float64), atol=0.01, rtol=0
    )


@pytest.mark.parametrize("name", LOSSES)
def test_huge_logits_stay_finite_and_have_gradients(name):
    """A survey of a thousand supernovae tells hundreds of nats."""
    joint = torch.tensor([400.0, -400.0], requires_grad=True)
    marginal = torch.tensor([[-500.0, 300.0, 0.0]] * 2, requires_grad=True)
    loss = ratio_loss(name, joint, marginal)
    loss.backward()
    assert bool(loss.isfinite())
    assert float(joint.grad[1]) < 0
    assert bool(marginal.grad.isfinite().all())


def test_nre_c_is_nre_b_of_many_joint_sets_and_nre_a_of_one_pair():
    """γ → ∞ leaves NRE-B; K = γ = 1 is half of NRE-A."""
    joint, marginal, *_ = toy(n=50)
    limit = ratio_loss("nre_c", joint, marginal, gamma=1e9)
    expected = -(joint - torch.cat([joint[:, None], marginal[:, 1:]], 1).logsumexp(1)).mean()
    torch.testing.assert_close(limit, expected, atol=1e-5, rtol=1e-5)
    one = ratio_loss("nre_c", joint, marginal[:, :1], gamma=1.0)
    torch.testing.assert_close(2 * one, ratio_loss("nre_a", joint, marginal[:, :1]))


def test_balance_counts_what_is_unbalanced():
    joint, marginal, *_ = toy()
    plain = ratio_loss("nre_a", joint, marginal)
    assert float(ratio_loss("bnre", joint, marginal) - plain) < 0.02
    overconfident = ratio_loss("bnre", joint + 3, marginal + 3)
    assert float(overconfident - ratio_loss("nre_a", joint + 3, marginal + 3)) > 1


def test_information_of_the_true_ratio():
    """-ln(1 - ρ²) / 2, and no more than the number of contrasts allows."""
    joint, marginal, *_ = toy(k=500)
    exact = -0.5 * math.log(1 - RHO**2)
    assert float(information(joint, marginal)) == pytest.approx(exact, abs=0.03)
    assert float(information(joint + 100, marginal[:, :3])) <= math.log(4)


def test_an_unknown_loss_is_refused():
    joint, marginal, *_ = toy(n=3)
    with pytest.raises(ConfigError, match="loss nre_d: one of nre_a, nre_b, nre_c, bnre"):
        ratio_loss("nre_d", joint, marginal)
