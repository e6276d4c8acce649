"""Straight paths: flow times, and an integration with a known end."""

from __future__ import annotations

import pytest
import torch

from sntorch.errors import ConfigError
from sntorch.generative.flow_paths import check_flow_times, draw_flow_times, integrate, on_path

CPU = torch.device("cpu")


def gaussian_velocity(mean, covariance):
    """The mean velocity of straight paths from N(0, I) to N(mean, covariance), in closed form."""
    unit = torch.eye(len(mean), dtype=mean.dtype)

    def velocity(x, s):
        t = float(s[0])
        spread = (1 - t) ** 2 * unit + t**2 * covariance
        slope = t * covariance - (1 - t) * unit
        return mean + (x - t * mean) @ torch.linalg.solve(spread, slope)

    return velocity


@pytest.mark.parametrize(("n_steps", "tolerance"), [(10, 0.03), (40, 0.002)])
def test_noise_becomes_the_gaussian_that_the_velocity_belongs_to(n_steps, tolerance):
    mean = torch.tensor([1.0, -2.0], dtype=torch.float64)
    covariance = torch.tensor([[0.5, 0.3], [0.3, 1.0]], dtype=torch.float64)
    # The corners of a square have mean zero and unit covariance exactly.
    noise = torch.tensor([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]], dtype=torch.float64)
    found = integrate(gaussian_velocity(mean, covariance), noise, n_steps)
    torch.testing.assert_close(found.mean(0), mean, atol=1e-9, rtol=0)
    spread = found - found.mean(0)
    torch.testing.assert_close(spread.T @ spread / 4, covariance, atol=tolerance, rtol=0)


def test_paths_begin_at_noise_and_end_at_data():
    noise, data = torch.randn(3, 4, 2), torch.randn(3, 4, 2)
    found = on_path(noise, data, torch.tensor([0.0, 0.5, 1.0]))
    torch.testing.assert_close(found, torch.stack([noise[0], (noise + data)[1] / 2, data[2]]))


def test_flow_times_are_spread_as_they_are_called():
    torch.manual_seed(0)
    uniform, logit = (draw_flow_times(k, 4000, CPU) for k in ("uniform", "logit_normal"))
    assert float(uniform.std()) == pytest.approx(12**-0.5, abs=0.005)
    assert float(logit.logit().std()) == pytest.approx(1, abs=0.02)
    assert float(logit.mean()) == pytest.approx(0.5, abs=0.01)
    with pytest.raises(ConfigError, match="logit_normal or uniform"):
        check_flow_times("cosine")
