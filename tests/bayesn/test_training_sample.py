"""Which supernovae a model is trained on, with which errors, and why others are left out."""

from __future__ import annotations

import math
import warnings
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml
from fake_posterior import BANDS, simulated, truth_of
from hypothesis import given, settings
from hypothesis import strategies as st

from sntorch.bayesn.knots import check_knots, unreached
from sntorch.bayesn.preparation import Preparation, read_headers
from sntorch.bayesn.training_sample import SampleSettings, distance_error, training_sample
from sntorch.data.selection import load_objects
from sntorch.errors import ConfigError, DataError, SntorchWarning
from sntorch.physics.cosmology import SPEED_OF_LIGHT, Cosmology

NAN = float("nan")
N = 12


@pytest.fixture(scope="module")
def simulations(t21):
    return simulated(t21, truth_of(N, seed=3), seed=4).to_light_curves()


@pytest.fixture
def curves(simulations):
    """Twelve supernovae as read from files: host mass 10.2, redshift error 1e-4."""
    meta = {"HOSTGAL_LOGMASS": 10.2, "VPEC": 300.0}
    return [replace(lc, meta=meta, source=f"a/{lc.object_id}.txt: x") for lc in simulations]


def excluded(curves, t21, headers=None, **settings):
    """Name and reason of the only one that is left out."""
    sample = training_sample(curves, t21, SampleSettings(**settings), headers)
    assert len(sample) == N - 1
    ((name, reason),) = sample.excluded
    assert name not in sample.object_id
    return name, reason


def test_what_a_sample_holds(curves, t21):
    sample = training_sample(curves, t21)
    observations = sample.observations
    assert len(sample) == len(observations) == N
    assert sample.object_id == [lc.object_id for lc in curves]
    assert observations.mask.sum() == sum((lc.flux > 0).sum() for lc in curves)
    z = torch.tensor([lc.redshift for lc in curves], dtype=torch.float64)
    assert torch.equal(observations.redshift, z)
    assert torch.equal(sample.redshift_cmb, z)
    assert torch.equal(observations.muhat, Cosmology().distmod(z))
    assert torch.equal(sample.host_mass, torch.full((N,), 10.2, dtype=torch.float64))
    assert sample.excluded == []
    assert sample.notes[0].startswith("12 supernovae at redshifts 0.0")
    assert sample.notes[0].endswith("12 with a host mass")
    for band in BANDS:
        assert f"{band} {sum((lc.band == band).sum() for lc in curves)}" in sample.notes[1]


def test_distance_error_in_closed_form(curves, t21):
    sample = training_sample(curves, t21, SampleSettings(peculiar_velocity=300.0))
    for found, lc in zip(sample.distance_err.tolist(), curves, strict=True):
        spread = math.hypot(1e-4, 300 / 299792.458)
        assert found == pytest.approx(5 * spread / (lc.redshift * math.log(10)), rel=1e-12)


def test_distance_error_is_the_slope_of_low_redshift_distances():
    """At low redshift mu = 5 log10 z + constant, whatever the cosmology."""
    z, dz = torch.tensor([1e-4], dtype=torch.float64), 1e-6
    slope = (Cosmology().distmod(z + dz) - Cosmology().distmod(z - dz)) / (2 * dz)
    found = distance_error(z, torch.tensor([3e-6], dtype=torch.float64), 0.0)
    assert torch.allclose(found, 3e-6 * slope, rtol=1e-3)


def test_redshift_errors_come_from_the_table_the_file_or_the_settings(curves, t21, tmp_path):
    curves[1] = replace(curves[1], redshift_err=NAN)
    path = tmp_path / "headers.txt"
    path.write_text(
        "SNID SEARCH_PEAKMJD REDSHIFT_CMB REDSHIFT_CMB_ERR HOST_LOGMASS files\n"
        f"{curves[2].object_id} 57002.5 0.05 0.002 9.1 x.txt\n"
    )
    settings = SampleSettings(redshift_err=0.001, flow_correction=True)
    sample = training_sample(curves, t21, settings, path)
    assert sample.observations.redshift_err[:4].tolist() == [1e-4, 0.001, 0.002, 1e-4]
    assert sample.host_mass[:3].tolist() == [10.2, 10.2, 9.1]
    flow = (1 + curves[0].redshift) * (1 + 300 / SPEED_OF_LIGHT) - 1
    assert sample.redshift_cmb[0] == pytest.approx(flow, rel=1e-12)
    # A table's redshift is final.
    assert sample.redshift_cmb[2] == 0.05
    without = training_sample(curves, t21)
    assert without.observations.redshift_err[1] == 0
    assert "1 redshifts without an error: taken as exact" in without.notes
    assert without.redshift_cmb[0] == curves[0].redshift


def test_times_of_peak_of_an_earlier_fit(curves, t21, tmp_path):
    path = tmp_path / "fits.FITRES.TEXT"
    names = [curves[0].object_id, curves[1].object_id]
    path.write_text(
        "# fitted\nVARNAMES: CID HOST_LOGMASS PKMJD PEAKMJD\n"
        f"SN: {names[0]} -9 57001.5 57009\nSN: {names[1]} 8.5 -9 -9\n"
    )
    sample = training_sample(curves, t21, headers=path)
    assert sample.host_mass[:3].tolist() == [10.2, 8.5, 10.2]
    shift = 1.5 / (1 + curves[0].redshift)
    plain = training_sample(curves, t21).observations
    mask = sample.observations.mask[0] & plain.mask[0]
    latest = (sample.observations.phase[0][mask].max(), plain.phase[0][mask].max())
    assert latest[1] - latest[0] == pytest.approx(shift)
    assert torch.equal(sample.observations.phase[1], plain.phase[1])


def test_fluxes_below_zero_are_for_the_flux_likelihood(curves, t21):
    flux = curves[0].flux.copy()
    flux[:3] = -1.0
    curves[0] = replace(curves[0], flux=flux)
    magnitudes = training_sample(curves, t21)
    fluxes = training_sample(curves, t21, SampleSettings(likelihood="flux"))
    assert fluxes.observations.mask.sum() - magnitudes.observations.mask.sum() == 3
    assert (magnitudes.observations.flux[magnitudes.observations.mask] > 0).all()
    assert "3 observations of flux <= 0 left out" in magnitudes.notes
    assert not any("flux <= 0" in note for note in fluxes.notes)
    curves[0] = replace(curves[0], flux=-flux.clip(1))
    _, reason = excluded(curves, t21)
    assert reason == "too few points: 0 with flux > 0, 5 are needed"


def test_errors_have_a_floor(curves, t21):
    o = training_sample(curves, t21, SampleSettings(error_floor=0.5)).observations
    relative = (o.flux_err / o.flux)[o.mask]
    assert relative.min() >= 0.5 * 0.4 * math.log(10) * (1 - 1e-12)


def test_what_is_left_out_is_counted(curves, t21):
    time = curves[0].time.copy()
    time[:2] = 58000.0
    curves[0] = replace(curves[0], time=time)
    curves[1] = replace(curves[1], bands=("ps1::g", "ps1::i", "bessellux", "ps1::z"))
    notes = training_sample(curves, t21).notes
    assert "2 observations outside -10 to 40 rest-frame days left out" in notes
    assert any(note.startswith("band bessellux left out of 1 supernovae") for note in notes)


@pytest.mark.parametrize(
    ("change", "settings", "reason"),
    [
        ({"peak_mjd": NAN}, {}, "no peak_mjd in a/SN004.txt: x"),
        ({"mwebv": 0.5}, {"max_mwebv": 0.3}, "mwebv=0.5000: at most 0.3 is accepted"),
        ({"meta": {"REDSHIFT_CMB": 0.2}}, {"max_redshift": 0.1}, "redshift_cmb=0.2000: at most"),
        ({"meta": {"REDSHIFT_CMB": 0.01}}, {"min_redshift": 0.012}, "redshift_cmb=0.0100: at lea"),
        ({"meta": {}}, {"need_host_mass": True}, "no host mass"),
        ({"meta": {"HOSTGAL_LOGMASS": -9}}, {"need_host_mass": True}, "no host mass"),
        ({"meta": {"HOSTGAL_LOGMASS": -999.0}}, {"need_host_mass": True}, "no host mass"),
        ({"meta": {"HOSTGAL_LOGMASS": -1.0}}, {"need_host_mass": True}, "no host mass"),
        ({"meta": {"VPEC": -8e3}}, {"flow_correction": True}, "redshift_cmb=-0.0"),
    ],
)
def test_why_a_supernova_is_left_out(curves, t21, change, settings, reason):
    curves[4] = replace(curves[4], redshift=min(curves[4].redshift, 0.02), **change)
    name, found = excluded(curves, t21, **settings)
    assert name == "SN004"
    assert found.startswith(reason)


def test_few_bands(curves, t21):
    curves[4] = curves[4].keep(np.isin(curves[4].band, ["ps1::g"]))
    assert excluded(curves, t21) == ("SN004", "only in ps1::g: 2 bands are needed")
    assert len(training_sample(curves, t21, SampleSettings(min_bands=1))) == N


def test_unknown_host_masses_are_nan(curves, t21):
    curves[0] = replace(curves[0], meta={"HOSTGAL_LOGMASS": -9.0})
    curves[1] = replace(curves[1], meta={"HOST_LOGMASS": 9})
    mass = training_sample(curves, t21).host_mass
    assert mass[0].isnan()
    assert mass[1] == 9


def test_light_curves_of_one_name_are_joined(curves, t21):
    whole = training_sample(curves, t21)
    lc = curves[0]
    half = np.arange(len(lc)) % 2 == 0
    parts = [lc.keep(half), *curves[1:], lc.keep(~half).with_zeropoint(25.0)]
    joined = training_sample(parts, t21)
    assert joined.object_id == whole.object_id
    assert "1 light curves joined to others of the same name" in joined.notes
    found, expected = (x.observations.flux[0][x.observations.mask[0]] for x in (joined, whole))
    assert torch.allclose(found.sort().values, expected.sort().values)
    other = replace(lc, redshift=lc.redshift + 0.02)
    with pytest.raises(DataError, match=r"SN000: light curves of this name have redshifts 0\.0"):
        training_sample([*curves, other], t21)


def test_left_out_by_name(curves, t21):
    name, reason = excluded(curves, t21, exclude=["SN003"])
    assert (name, reason) == ("SN003", "excluded by name")


# ---- bad input ----


def test_names_to_leave_out_that_are_not_there(curves, t21):
    with pytest.raises(DataError, match=r"no light curve of SN3; names like it are: SN\d"):
        training_sample(curves, t21, SampleSettings(exclude=["SN003", "SN3"]))
    with pytest.raises(ConfigError, match="exclude=SN003: a list of names"):
        SampleSettings(exclude="SN003")


def test_too_few_supernovae(curves, t21):
    curves[0] = replace(curves[0], mwebv=NAN)
    with pytest.raises(DataError, match=r"^8 of 9 supernovae.*at least 10.*SN000: no mwebv"):
        training_sample(curves[:9], t21)
    assert len(training_sample(curves[:9], t21, SampleSettings(min_supernovae=8))) == 8
    with pytest.raises(DataError, match=r"^0 of 12 .*\(and 9 more\)"):
        training_sample(curves, t21, SampleSettings(max_redshift=0.001))


def test_time_knots_without_data(curves, t21):
    early = [lc.keep((lc.time - lc.peak_mjd) / (1 + lc.redshift) < 18) for lc in curves]
    settings = SampleSettings(preparation=Preparation(min_observations=1))
    with pytest.raises(
        DataError, match=r"time_knots: no observation reaches 30, 40 days.*to 16\.6 days"
    ):
        training_sample(early, t21, settings)


def test_wavelength_knots_without_data(curves, t21):
    red = SampleSettings(preparation=Preparation(drop_bands=("ps1::g", "ps1::r")))
    with pytest.raises(DataError, match=r"wave_knots: no observation reaches 3500, 4900 Å"):
        training_sample(curves, t21, red)


@settings(deadline=None)
@given(st.lists(st.floats(-100, 100), min_size=1, max_size=8), st.integers(0, 3))
def test_knots_are_reached_by_points_between_the_neighbours(points, k):
    knots, points = np.array([-10.0, 0.0, 10.0, 30.0]), np.array(points)
    low, high = [-np.inf, -10.0, 0.0, 10.0][k], [0.0, 10.0, 30.0, np.inf][k]
    lonely = not ((points > low) & (points < high)).any()
    assert (knots[k] in unreached(knots, points, points)) == lonely


def test_no_light_curves_have_no_knots(curves, t21):
    check_knots(curves, t21)
    with pytest.raises(DataError, match="no light curves"):
        training_sample([], t21)


def test_bands_outside_the_model_only(curves, t21):
    blue = [replace(lc, bands=("bessellux",) * 4) for lc in curves]
    with pytest.raises(DataError, match="bands outside the model: bessellux"):
        training_sample(blue, t21)


def test_numbers_that_are_not_finite_are_refused(curves, t21):
    class Nowhere(Cosmology):
        def distmod(self, z):
            return super().distmod(z).where(z != z[2], NAN)

    with pytest.raises(DataError, match="muhat of SN002 is no finite number"):
        training_sample(curves, t21, cosmology=Nowhere())
    flux = curves[2].flux.copy()
    flux[0] = NAN
    curves[2] = replace(curves[2], flux=flux)
    assert training_sample(curves, t21).observations.flux.isfinite().all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"likelihood": "log"}, "likelihood=log: accepted are magnitude, flux"),
        ({"peculiar_velocity": -1.0}, "peculiar_velocity=-1.0: at least 0"),
        ({"peculiar_velocity": NAN}, "peculiar_velocity=nan: at least 0"),
        ({"redshift_err": "small"}, "redshift_err=small: a number"),
        ({"error_floor": None}, "error_floor=None: at least 0"),
        ({"min_bands": 0}, "min_bands=0: at least 1"),
        ({"min_supernovae": 2.5}, "min_supernovae=2.5: a whole number"),
        ({"need_host_mass": "yes"}, "need_host_mass=yes: true or false"),
        ({"preparation": {}}, "preparation"),
    ],
)
def test_settings_that_are_not_accepted(settings, message):
    with pytest.raises(ConfigError, match=message):
        SampleSettings(**settings)


# ---- the container ----


@pytest.fixture(scope="module")
def sample(simulations, t21):
    return training_sample(simulations, t21)


@settings(deadline=None)
@given(st.lists(st.integers(0, N - 1), max_size=20), st.sampled_from([torch.float32, None]))
def test_take_and_to_keep_shapes(sample, places, dtype):
    index = torch.tensor(places, dtype=torch.int64)
    part = sample.take(index).to(dtype)
    n = len(places)
    assert len(part) == len(part.observations) == n
    assert part.object_id == [sample.object_id[i] for i in places]
    assert part.observations.flux.shape == (n, *sample.observations.flux.shape[1:])
    for name in ("distance_err", "host_mass", "redshift_cmb"):
        values = getattr(part, name)
        assert values.shape == (n,)
        assert values.dtype == (dtype or torch.float64)
        expected = getattr(sample, name)[index].to(values.dtype)
        torch.testing.assert_close(values, expected, equal_nan=True)
    assert part.observations.band.dtype == torch.int64
    assert part.notes == sample.notes


def test_take_by_mask(sample):
    chosen = sample.redshift_cmb > sample.redshift_cmb.median()
    part = sample.take(chosen)
    assert len(part) == int(chosen.sum())
    names = [n for n, c in zip(sample.object_id, chosen.tolist(), strict=True) if c]
    assert part.object_id == names


# ---- real data ----


def named(root, shared, config, folder):
    entry = yaml.safe_load((root / "conf" / "data" / f"{config}.yaml").read_text())["light_curves"]
    keys = {k: entry[k] for k in ("name", "objects", "survey") if k in entry}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SntorchWarning)
        return load_objects(**keys, source=shared / "data" / folder)


def test_sample_of_t21(root, shared, t21):
    table = shared / "data" / "foundation_dr1" / "T21_sample.txt"
    curves = named(root, shared, "foundation_t21", "foundation_dr1")
    sample = training_sample(curves, t21, headers=table)
    assert len(sample) == 157
    assert sample.excluded == []
    assert sample.observations.mask.sum() == 4057
    assert "3 observations of flux <= 0 left out" in sample.notes
    assert sample.host_mass.isfinite().all()
    # Errors of the table, not of the file (6.7e-05).
    first = sample.object_id.index("2016W")
    assert sample.observations.redshift_err[first] == 7e-5
    assert sample.redshift_cmb[first] == 0.02013
    assert sample.observations.redshift[first] == 0.019253
    # The table's redshifts are the files', corrected for the files' peculiar velocities.
    ours = training_sample(curves, t21, SampleSettings(flow_correction=True))
    difference = (ours.redshift_cmb - sample.redshift_cmb).abs()
    assert ours.object_id == sample.object_id
    assert difference.median() < 3e-5
    assert (difference < 1e-4).sum() >= 150


def test_sample_of_csp(root, shared):
    from sntorch.physics.sed import SEDModel

    curves = named(root, shared, "csp", "pantheon_plus")
    sed = SEDModel.from_name("m20")
    settings = SampleSettings(
        flow_correction=True,
        min_redshift=0.01,
        max_mwebv=0.3,
        preparation=Preparation(min_wavelength=4000.0),
    )
    sample = training_sample(curves, sed, settings)
    assert len(sample) == 64
    assert sample.excluded == []
    o = sample.observations
    seen = Counter()
    for band, n in zip(o.band.flatten().tolist(), o.mask.sum(2).flatten().tolist(), strict=True):
        seen[o.bands[band]] += n
    # The files' times of maximum; better ones shift a few observations out of the phases.
    assert (seen["cspb"], seen["csphs"], seen["cspu"]) == (904, 609, 0)
    assert sum(seen.values()) == 6870


def test_headers_of_published_fits(shared):
    headers = read_headers(shared / "data" / "Foundation_DR1.FITRES.TEXT")
    assert len(headers) == 180
    assert headers["2016W"]["peak_mjd"] == pytest.approx(57419, abs=2)


def test_named_objects_that_are_not_there(shared):
    folder = shared / "data" / "foundation_dr1"
    with pytest.raises(DataError, match="no light curve in foundation_dr1 for SN1604"):
        load_objects("foundation_dr1", ["2016W", "SN1604"], source=folder)
