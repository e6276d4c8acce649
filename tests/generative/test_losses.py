"""The losses against what they should be for critics one can differentiate by hand."""

from __future__ import annotations

import math

import pytest
import torch

from sntorch.generative.losses import RelativisticLoss, WassersteinLoss

REAL, FAKE = torch.full((4, 3, 6), 2.0), torch.full((4, 3, 6), 1.0)
MASK = torch.ones(4, 3, 2, dtype=torch.bool)


def linear(x, mask):
    """Slope 0.5 in every one of 18 numbers: the squared gradient is 4.5."""
    return 0.5 * x.sum((1, 2))


def test_relativistic_margin_and_penalty():
    loss = RelativisticLoss(gamma=0.1, every=4)
    plain, margin = loss.critic(linear, REAL, FAKE, MASK, step=1)
    due, _ = loss.critic(linear, REAL, FAKE, MASK, step=4)
    assert float(margin) == pytest.approx(9)
    assert plain.item() == pytest.approx(math.log1p(math.exp(-9)))
    # R1 + R2 at γ / 2 each, four times as heavy every fourth step.
    assert (due - plain).item() == pytest.approx(4 * 0.1 / 2 * (4.5 + 4.5))
    assert loss.generator(linear, REAL, FAKE, MASK).item() == pytest.approx(
        math.log1p(math.exp(9))
    )


def test_wasserstein_distance_and_penalty():
    loss = WassersteinLoss(weight=10.0)
    total, margin = loss.critic(linear, REAL, FAKE, MASK, step=0)
    assert float(margin) == pytest.approx(9)
    assert total.item() == pytest.approx(10 * (math.sqrt(4.5) - 1) ** 2 - 9, rel=1e-5)


def test_penalty_is_taken_between_the_samples():
    seen = []

    def watching(x, mask):
        seen.append(x.detach())
        return linear(x, mask)

    torch.manual_seed(0)
    WassersteinLoss().penalty(watching, REAL.expand(4, 3, 6), FAKE, MASK)
    assert seen[0].min().item() >= 1
    assert seen[0].max().item() <= 2
    assert seen[0].std().item() > 0


def test_generator_loss_reaches_the_fake_rows_only():
    fake = FAKE.clone().requires_grad_()
    real = REAL.clone().requires_grad_()
    RelativisticLoss().generator(linear, real, fake, MASK).backward()
    assert fake.grad is not None
    assert real.grad is None
