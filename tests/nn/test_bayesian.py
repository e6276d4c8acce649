"""Bayes by backprop: draws, their spread, and the divergence from the prior."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Categorical, MixtureSameFamily, Normal
from torch.nn.functional import softplus

from sntorch.nn.bayesian import BayesianLSTMLayer, Posterior, ScaleMixture, posteriors

PRIOR = ScaleMixture()


def test_the_prior_is_a_mixture_of_two_normals():
    deviations = torch.tensor([math.exp(-1), math.exp(-7)])
    reference = MixtureSameFamily(
        Categorical(torch.tensor([0.75, 0.25])), Normal(torch.zeros(2), deviations)
    )
    x = torch.tensor([-1.0, -1e-3, 0.0, 0.3])
    torch.testing.assert_close(PRIOR.log_prob(x), reference.log_prob(x))
    assert pytest.approx(float(reference.stddev)) == PRIOR.deviation


def test_draws_have_the_mean_and_deviation_of_the_posterior():
    torch.manual_seed(0)
    posterior = Posterior((2,), PRIOR)
    draws = torch.stack([posterior(draw=True) for _ in range(4000)]).detach()
    deviation = softplus(posterior.rho.detach())
    assert bool(
        ((deviation > PRIOR.deviation / 4.001) & (deviation < PRIOR.deviation / 2.999)).all()
    )
    torch.testing.assert_close(draws.std(0), deviation, rtol=0.05, atol=0)
    assert bool(((draws.mean(0) - posterior.mean).abs() < 4 * deviation / 4000**0.5).all())


def test_divergence_of_a_normal_from_a_normal_prior():
    torch.manual_seed(0)
    # Both parts of the mixture are the same normal, for which the divergence is known.
    prior = ScaleMixture(share=0.5, log_wide=-1.0, log_narrow=-1.0)
    posterior = Posterior((40_000,), prior)
    deviation, scale = softplus(posterior.rho), math.exp(-1)
    exact = (
        torch.log(scale / deviation)
        + (deviation.square() + posterior.mean.square()) / (2 * scale**2)
        - 0.5
    ).sum()
    assert posterior.divergence().item() == pytest.approx(exact.item(), rel=0.02)


def test_every_weight_of_a_layer_has_a_posterior():
    layer = BayesianLSTMLayer(3, 4, PRIOR)
    assert len(list(posteriors(layer))) == 8
    (first, _), (second, _) = layer.weights(draw=True), layer.weights(draw=True)
    assert not any(torch.equal(a, b) for a, b in zip(first, second, strict=True))
