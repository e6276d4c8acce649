import math

import pytest
import torch
from scipy import stats

from sntorch.errors import ConfigError
from sntorch.simulation import BandDepth, NoiseModel, Observations, Streams


def observations(n=200, t=30, sky=10.0, poisson=0.5, relative=0.0):
    ones = torch.ones(n, t, dtype=torch.float64)
    return Observations(
        time=ones,
        band=torch.zeros(n, t, dtype=torch.int64),
        mask=ones.bool(),
        sky_err=sky * ones,
        poisson=poisson * ones,
        relative_err=relative * ones,
        peak_mjd=ones[:, 0],
        bands=("desg",),
    )


@pytest.mark.parametrize("level", [0.0, 30.0, 3e4])
def test_pulls_are_standard_normal(level):
    seen = observations(relative=0.01)
    flux = torch.full_like(seen.time, level)
    measured, error = NoiseModel(0.02).measure(Streams.range(0, 0, 200), flux, seen)
    pulls = ((measured - flux) / error).ravel().numpy()
    assert stats.kstest(pulls, "norm").pvalue > 0.01


def test_faint_fluxes_may_be_negative():
    seen = observations()
    measured, _ = NoiseModel().measure(Streams.range(0, 0, 200), 0 * seen.time, seen)
    assert (measured < 0).double().mean() == pytest.approx(0.5, abs=0.02)


def test_variance_is_the_sum_of_sky_photons_and_zero_point():
    seen = observations(n=1, t=1, sky=10.0, poisson=0.5, relative=0.01)
    error = NoiseModel(0.02).flux_err(torch.full((1, 1), 4000.0, dtype=torch.float64), seen)
    zero_point = 0.4 * math.log(10) * 0.02 * 4000
    expected = math.sqrt(10**2 + 0.5 * 4000 + (0.01 * 4000) ** 2 + zero_point**2)
    assert float(error) == pytest.approx(expected, rel=1e-12)


def test_photon_noise_is_that_of_the_counted_electrons():
    # 22 mag, 30 mag for one count, 4 electrons a count: n electrons, so S/N is sqrt(n).
    band = BandDepth(depth=25.0, zeropoint=30.0, gain=4.0)
    electrons = 4 * 10 ** (0.4 * (30.0 - 22.0))
    flux = 10 ** (0.4 * (27.5 - 22.0))
    assert flux / math.sqrt(band.poisson * flux) == pytest.approx(math.sqrt(electrons))


def test_a_source_at_the_depth_has_five_sigma_against_the_sky():
    from simulation_toy import toy_survey

    survey = toy_survey(
        depths={b: BandDepth(23.0, 99.0, scatter=0.0) for b in ("desg", "desr", "desi")},
        night_scatter=0.0,
    )
    z = torch.zeros(3, dtype=torch.float64)
    seen = survey.observe(Streams.range(0, 0, 3), z, (z - 10, z + 10)).compressed()
    flux = torch.full_like(seen.time, 10 ** (0.4 * (27.5 - 23.0)))
    snr = flux / NoiseModel(0.0).flux_err(flux, seen)
    assert torch.allclose(snr, torch.full_like(snr, 5.0))


def test_scale_shrinks_the_errors():
    seen = observations()
    flux = torch.full_like(seen.time, 100.0)
    full, small = (NoiseModel(scale=s).flux_err(flux, seen) for s in (1.0, 0.01))
    assert torch.allclose(small, 0.01 * full)


def test_reported_header_scatters_as_asked():
    z = torch.full((5000,), 0.1, dtype=torch.float64)
    noise = NoiseModel(redshift_err=0.01, peak_err=2.0)
    redshift, peak = noise.report(Streams.range(0, 0, 5000), z, 57000 + 0 * z)
    assert redshift.std() == pytest.approx(0.01, rel=0.05)
    assert peak.std() == pytest.approx(2.0, rel=0.05)


@pytest.mark.parametrize("bad", [{"scale": 0.0}, {"zeropoint_err": -1.0}, {"peak_err": -1.0}])
def test_impossible_noise_is_refused(bad):
    with pytest.raises(ConfigError, match="noise needs"):
        NoiseModel(**bad)
