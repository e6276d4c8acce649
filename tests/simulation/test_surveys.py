from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from simulation_toy import BANDS, toy_survey

from sntorch.data.light_curve import LightCurve
from sntorch.errors import ConfigError, DataError
from sntorch.simulation import (
    BandDepth,
    Normal,
    ResampledSurvey,
    Seasons,
    Streams,
    Visits,
    Weather,
)
from sntorch.simulation.resampled import fit_error_relation


def observe(survey, n=200, seed=0, redshift=0.1, first=-15.0, last=45.0, start=0):
    streams = Streams.range(seed, start, start + n)
    z = torch.full((n,), redshift, dtype=torch.float64)
    return survey.observe(streams, z, (0 * z + first, 0 * z + last)).compressed()


def phases(observations, redshift=0.1):
    since_peak = observations.time - observations.peak_mjd[:, None]
    return (since_peak / (1 + redshift))[observations.mask]


def test_observations_are_sorted_within_the_window_and_padded_at_the_end():
    seen = observe(toy_survey())
    assert bool((seen.mask[:, 1:] <= seen.mask[:, :-1]).all())
    step = torch.where(seen.mask[:, 1:], seen.time.diff(dim=1), 0.0)
    assert bool((step >= 0).all())
    assert phases(seen).min() >= -15
    assert phases(seen).max() <= 45


def test_bands_of_a_visit_are_minutes_apart_and_visits_days():
    seen = observe(toy_survey(visits=[Visits(BANDS, 6.0, minutes=5)]))
    steps = seen.time.diff(dim=1)[seen.mask[:, 1:]]
    within, between = steps[steps < 0.5], steps[steps > 0.5]
    assert torch.allclose(within, torch.tensor(5 / 1440, dtype=torch.float64))
    assert between.mean() == pytest.approx(6.0, abs=0.05)


@pytest.mark.parametrize(("loss", "band_loss"), [(0.0, 0.3), (0.3, 0.0), (0.2, 0.2)])
def test_lost_visits_and_bands_thin_out_the_cadence(loss, band_loss):
    full = observe(toy_survey(visits=[Visits(BANDS, 5.0)])).mask.sum()
    thin = observe(toy_survey(visits=[Visits(BANDS, 5.0, 0, loss, band_loss)])).mask.sum()
    assert thin / full == pytest.approx((1 - loss) * (1 - band_loss), abs=0.05)


def test_weather_is_the_same_for_all_objects():
    survey = toy_survey(visits=[Visits(BANDS, 1.0)], weather=Weather(0.5))
    seen = observe(survey, n=400)
    nights = torch.round(seen.time).long()
    used, lost = set(nights[seen.mask].tolist()), 0
    for night in range(min(used), max(used)):
        lost += night not in used
    assert lost / (max(used) - min(used)) == pytest.approx(0.5, abs=0.1)


def test_objects_of_a_field_share_its_nights():
    seen = observe(toy_survey(n_fields=1, visits=[Visits(BANDS, 10.0, 2.0)]), n=300)
    alone = observe(toy_survey(n_fields=None, visits=[Visits(BANDS, 10.0, 2.0)]), n=300)
    shared = torch.round(seen.time[seen.mask]).unique()
    own = torch.round(alone.time[alone.mask]).unique()
    assert len(shared) < 60
    assert len(own) > 250


def test_nothing_is_seen_out_of_season():
    survey = toy_survey(seasons=Seasons(100.0), years=3)
    seen = observe(survey)
    day = torch.remainder(seen.time[seen.mask] - survey.start, 365.25)
    assert day.max() < 100
    assert bool((seen.peak_mjd >= survey.start).all())
    assert bool((seen.peak_mjd < survey.start + 3 * 365.25).all())


def test_depth_has_the_median_and_scatter_asked_for():
    depths = {name: BandDepth(22 + i, 31.0, scatter=0.3) for i, name in enumerate(BANDS)}
    seen = observe(toy_survey(depths=depths, night_scatter=0.4), n=400)
    depth = 27.5 - 2.5 * torch.log10(5 * seen.sky_err)
    for i in range(3):
        mine = depth[seen.mask & (seen.band == i)]
        assert mine.median() == pytest.approx(22 + i, abs=0.06)
        assert mine.std() == pytest.approx(0.5, abs=0.05)


def test_follow_up_begins_at_the_phase_drawn():
    seen = observe(toy_survey(first_phase=Normal(5.0, 0.0), visits=[Visits(BANDS, 1.0)]))
    assert phases(seen).min() == pytest.approx(5.0, abs=0.5)
    assert phases(seen).min() >= 5.0


@settings(max_examples=20, deadline=None)
@given(n=st.integers(1, 12), start=st.integers(0, 60), redshift=st.floats(0.0, 2.0))
def test_an_object_is_observed_alike_in_any_batch(n, start, redshift):
    survey = toy_survey(weather=Weather(0.1, 0.1), n_fields=4, first_phase=Normal(-5.0, 3.0))
    many = observe(survey, n=80, seed=7, redshift=redshift)
    few = observe(survey, n=n, seed=7, redshift=redshift, start=start)
    width = few.time.shape[1]
    for name in ("time", "band", "sky_err"):
        left = torch.where(few.mask, getattr(few, name), 0)
        right = torch.where(many.mask, getattr(many, name), 0)[start : start + n, :width]
        torch.testing.assert_close(left, right, rtol=1e-12, atol=0)


def test_bands_of_visits_and_depths_must_agree():
    with pytest.raises(ConfigError, match="the two must agree"):
        toy_survey(visits=[Visits(("desg",), 5.0)])


@pytest.mark.parametrize("bad", [{"interval": 0.0}, {"interval": 5.0, "loss": 1.0}])
def test_impossible_visits_are_refused(bad):
    with pytest.raises(ConfigError, match="visits need"):
        Visits(BANDS, **bad)


def history(n=40, peak=57000.0, seed=0, slope=2.0):
    rng = np.random.default_rng(seed)
    flux = 10 ** rng.uniform(1.5, 4.5, n)
    error = np.sqrt(20.0**2 + slope * flux + (0.01 * flux) ** 2)
    time = peak + np.sort(rng.uniform(-10, 40, n))
    band = rng.choice(["ps1::g", "ps1::r"], n)
    return LightCurve.from_arrays(f"SN{seed}", time, flux, error, band, peak_mjd=peak, survey="X")


def test_error_relation_is_recovered():
    lc = history(400)
    law = fit_error_relation(lc.flux, lc.flux_err)
    np.testing.assert_allclose(law, [400.0, 2.0, 1e-4], rtol=1e-6)


def test_resampled_histories_are_the_real_ones():
    real = [history(seed=i, peak=57000.0 + 10 * i) for i in range(5)]
    survey = ResampledSurvey(real, jitter=0.0)
    seen = observe(survey, n=50, redshift=0.0)
    assert survey.name == "X"
    assert survey.bands == ("ps1::g", "ps1::r")
    for i in range(50):
        match = next(lc for lc in real if lc.peak_mjd == float(seen.peak_mjd[i]))
        np.testing.assert_allclose(seen.time[i][seen.mask[i]], match.time, atol=1e-9)


def test_resampled_errors_follow_the_relation_at_any_flux():
    seen = observe(ResampledSurvey([history(seed=i) for i in range(5)]), n=20)
    flux = torch.full_like(seen.time, 5000.0)
    variance = seen.sky_err**2 + seen.poisson * flux + (seen.relative_err * flux) ** 2
    expected = 400 + 2 * 5000 + 50**2
    assert torch.allclose(variance[seen.mask], torch.tensor(float(expected)).double(), rtol=1e-6)


def test_resampled_observations_keep_their_quality():
    lc = history(60)
    worse = LightCurve.from_arrays(
        "bad", lc.time, lc.flux, 2 * lc.flux_err, lc.band, peak_mjd=lc.peak_mjd
    )
    seen = observe(ResampledSurvey([lc, worse], jitter=0.0), n=60, redshift=0.0)
    typical = torch.stack([seen.sky_err[i][seen.mask[i]].median() for i in range(60)])
    low, high = typical.min(), typical.max()
    assert high / low == pytest.approx(2.0, rel=1e-6)


def test_resampling_needs_a_peak_and_enough_observations():
    lonely = history(10)
    with pytest.raises(DataError, match="at least 20"):
        ResampledSurvey([lonely])
    lonely.peak_mjd = float("nan")
    with pytest.raises(DataError, match="no cadence to resample"):
        ResampledSurvey([lonely])


def test_foundation_cadences_are_resampled(shared: Path):
    from sntorch.data.io import read

    real = read(shared / "data" / "foundation_dr1")
    survey = ResampledSurvey(real, phases=(-20, 50))
    seen = observe(survey, n=400, redshift=0.03, first=-20, last=50)
    assert set(survey.bands) == {"ps1::g", "ps1::r", "ps1::i", "ps1::z"}
    assert 15 < seen.mask.sum(1).float().mean() < 40
    bright = torch.full_like(seen.time, 50_000.0)
    relative = (seen.sky_err**2 + seen.poisson * bright + (seen.relative_err * bright) ** 2).sqrt()
    assert (relative / bright)[seen.mask].median() == pytest.approx(0.015, abs=0.002)
