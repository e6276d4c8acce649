import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from sntorch.errors import ConfigError
from sntorch.physics.cosmology import Cosmology
from sntorch.simulation import (
    Constant,
    Exponential,
    LogNormal,
    Normal,
    PowerLawRate,
    SplitNormal,
    StarFormationRate,
    Streams,
    Uniform,
    VolumetricRedshift,
)

U = torch.linspace(1e-6, 1 - 1e-6, 501, dtype=torch.float64)


def split_normal_cdf(x):
    low = stats.norm(0.97, 1.47).cdf(x) * 2 * 1.47 / (1.47 + 0.22)
    high = 1 - 2 * 0.22 / (1.47 + 0.22) * stats.norm(0.97, 0.22).sf(x)
    return torch.where(torch.as_tensor(x) < 0.97, torch.as_tensor(low), torch.as_tensor(high))


@pytest.mark.parametrize(
    ("law", "cdf"),
    [
        (Uniform(-1, 3), stats.uniform(-1, 4).cdf),
        (Exponential(0.3), stats.expon(scale=0.3).cdf),
        (Normal(-19.3, 0.1), stats.norm(-19.3, 0.1).cdf),
        (Normal(2.7, 0.7, low=1.2), stats.truncnorm(-1.5 / 0.7, math.inf, 2.7, 0.7).cdf),
        (LogNormal(0.03, 0.5), stats.lognorm(0.5, scale=0.03).cdf),
        (SplitNormal(0.97, 1.47, 0.22), split_normal_cdf),
    ],
)
def test_quantile_inverts_the_cumulative_distribution(law, cdf):
    got = torch.as_tensor(cdf(law.quantile(U).numpy()))
    torch.testing.assert_close(got, U, rtol=1e-8, atol=1e-9)


def test_constant_and_zero_width():
    assert torch.equal(Constant(2.5).quantile(U), torch.full_like(U, 2.5))
    assert torch.equal(Normal(2.5, 0.0).quantile(U), torch.full_like(U, 2.5))


@settings(max_examples=30, deadline=None)
@given(mean=st.floats(-3, 3), sd=st.floats(0.05, 3), low=st.floats(-2, 0), width=st.floats(0.1, 4))
def test_truncated_normal_stays_within_its_bounds_and_increases(mean, sd, low, width):
    x = Normal(mean, sd, low, low + width).quantile(U)
    assert bool((x >= low - 1e-6).all())
    assert bool((x <= low + width + 1e-6).all())
    assert bool((x.diff() >= 0).all())


@pytest.mark.parametrize("bad", [(1.0, 1.0), (2.0, 1.0)])
def test_bounds_in_the_wrong_order_are_refused(bad):
    with pytest.raises(ConfigError, match="low < high"):
        Uniform(*bad)
    with pytest.raises(ConfigError, match="low < high"):
        VolumetricRedshift(*bad)


@pytest.mark.parametrize(
    "rate", [PowerLawRate(1.5), PowerLawRate(1.5, 0.5, -0.5), StarFormationRate()]
)
def test_volumetric_redshifts_follow_astropys_volume(rate):
    from astropy.cosmology import FlatLambdaCDM

    law = VolumetricRedshift(0.02, 1.2, rate, Cosmology(h0=70.0, om0=0.3))
    redshift = law.sample(Streams.range(0, 0, 3000), "z").numpy()
    reference = FlatLambdaCDM(70, 0.3)  # pyright: ignore
    grid = torch.linspace(0.02, 1.2, 4001, dtype=torch.float64)
    volume = reference.differential_comoving_volume(grid.numpy()).value  # pyright: ignore
    density = rate(grid).numpy() * volume
    cumulative = integrate.cumulative_simpson(
        density / (1 + grid.numpy()), x=grid.numpy(), initial=0
    )
    cumulative /= cumulative[-1]
    # The quantile function itself agrees far better than a sample could show.
    import numpy as np

    exact = np.interp(U.numpy(), cumulative, grid.numpy())
    assert np.abs(law.quantile(U).numpy() - exact).max() < 2e-5
    assert stats.kstest(redshift, lambda z: np.interp(z, grid.numpy(), cumulative)).pvalue > 0.01


def test_power_law_rate_is_continuous_at_its_break():
    rate = PowerLawRate(1.5, 1.0, -0.5)
    z = torch.tensor([1 - 1e-9, 1 + 1e-9, 0.0, 3.0], dtype=torch.float64)
    below, above, now, far = rate(z).tolist()
    assert below == pytest.approx(above, rel=1e-8)
    assert now == 1.0
    assert far == pytest.approx(2**1.5 * 2**-0.5)
