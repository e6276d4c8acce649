"""SWAG against Gaussians that are known."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sntorch.errors import ConfigError
from sntorch.nn.swag import Swag


def collected(weights, rank):
    """Moments of given weights (n, P) of a linear map."""
    model = nn.Linear(weights.shape[1] - 1, 1)
    swag = Swag(model, rank)
    for one in weights:
        nn.utils.vector_to_parameters(one, model.parameters())
        swag.collect(model)
    return swag, model


def test_moments_are_those_of_the_collected_weights():
    weights = 5 + 1e-3 * torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    swag, _ = collected(weights, 3)
    exact = weights.double()
    torch.testing.assert_close(swag.mean.double(), exact.mean(0), rtol=1e-6, atol=0)
    torch.testing.assert_close(
        swag.variance.double(), exact.var(0, correction=0), rtol=1e-3, atol=0
    )
    running = torch.stack([exact[i] - exact[: i + 1].mean(0) for i in (48, 49, 47)])
    torch.testing.assert_close(swag.deviations.double(), running, rtol=1e-2, atol=1e-5)


def test_samples_have_the_covariance_of_the_paper():
    weights = torch.randn(6, 3, generator=torch.Generator().manual_seed(1))
    swag, _ = collected(weights, 4)
    generator = torch.Generator().manual_seed(2)
    drawn = torch.stack([swag.sample(generator) for _ in range(20_000)])
    low_rank = swag.deviations.T @ swag.deviations / (2 * 3)
    expected = torch.diag(swag.variance / 2) + low_rank
    torch.testing.assert_close(drawn.mean(0), swag.mean, rtol=0, atol=0.03)
    torch.testing.assert_close(drawn.T.cov(), expected, rtol=0.05, atol=0.03)


def test_predictions_have_the_variance_of_a_linear_gaussian_model():
    """Draws of the posterior of a line's weights: x'Σx + σ² of the offset, as in closed form."""
    generator = torch.Generator().manual_seed(3)
    x = torch.tensor([0.5, -1.0, 2.0])
    spread = torch.tensor([0.3, 0.1, 0.2, 0.4])
    weights = 1 + spread * torch.randn(400, 4, generator=generator)
    swag, model = collected(weights, 400)
    values = []
    for _ in range(4000):
        swag.sample_into(model, generator)
        values.append(model(x).item())
    analytic = (torch.cat([x, torch.ones(1)]) * spread).square().sum().sqrt()
    assert torch.tensor(values).std().item() == pytest.approx(float(analytic), rel=0.1)


def test_a_scale_of_zero_is_the_mean_and_moments_are_saved():
    swag, model = collected(torch.randn(5, 4, generator=torch.Generator().manual_seed(4)), 3)
    assert torch.equal(swag.sample(torch.Generator(), scale=0.0), swag.mean)
    again = Swag(model, 3)
    again.load_state_dict(swag.state_dict())
    one, other = (s.sample(torch.Generator().manual_seed(5)) for s in (swag, again))
    assert torch.equal(one, other)


def test_too_few_weights_are_refused():
    swag, _ = collected(torch.randn(1, 4), 3)
    with pytest.raises(ConfigError, match="collected weights of 1 epochs; 2 or more"):
        swag.sample(torch.Generator())
    with pytest.raises(ConfigError, match="rank=1"):
        Swag(nn.Linear(2, 1), rank=1)
