"""Objects at other redshifts: dimmed and slowed as cosmology says, and never better measured."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_classifiers import labelled, small

from sntorch.classification.redshift_shift import RedshiftShift, moved_to
from sntorch.errors import ConfigError, DataError
from sntorch.physics.bandpasses import get_bandpass

SHIFT = {"_target_": "sntorch.classification.redshift_shift.RedshiftShift"}


def at(redshift=0.2, **changes):
    """Light curves of objects at one redshift."""
    batch = labelled()
    there = torch.full((len(batch),), redshift, dtype=torch.float64)
    return replace(batch, redshift=there, **changes)


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def to(batch, redshift, seed=0):
    return moved_to(batch, torch.full_like(batch.redshift, redshift), random(seed))


def test_fluxes_and_durations_are_those_of_the_new_redshift():
    from astropy.cosmology import FlatLambdaCDM

    batch = at(0.2, noiseless=True)
    moved = to(batch, 0.3)
    assert torch.equal(moved.mask, batch.mask)
    seen = batch.mask
    phases = batch.phase[seen] * 1.3 / 1.2
    torch.testing.assert_close(moved.phase[seen], phases, rtol=0, atol=1e-6)
    universe: Any = FlatLambdaCDM
    modulus = universe(73.24, 0.28).distmod([0.2, 0.3]).value
    fainter = -2.5 * torch.log10(moved.flux[seen] / batch.flux[seen])
    expected = torch.full_like(fainter, float(np.diff(modulus)[0]))
    torch.testing.assert_close(fainter, expected, rtol=0, atol=1e-4)
    torch.testing.assert_close(moved.flux_err, batch.flux_err)
    torch.testing.assert_close(moved.redshift, torch.full_like(batch.redshift, 0.3))


def test_noise_of_moved_objects_is_what_their_errors_say():
    batch = at(0.2)
    error = torch.where(batch.mask, 5.0, 1.0).to(batch.flux)
    deviates = []
    for seed in range(40):
        noise = torch.randn(batch.flux.shape, generator=random(1000 + seed)).to(batch.flux)
        flux = torch.where(batch.mask, 100 + error * noise, 0.0)
        measured = replace(batch, flux=flux, flux_err=error)
        moved = to(measured, 0.28, seed)
        true = to(replace(measured, flux=100 * batch.mask.to(flux), noiseless=True), 0.28)
        deviates.append(((moved.flux - true.flux) / moved.flux_err)[moved.mask])
    found = torch.cat(deviates)
    assert len(found) > 5_000
    assert float(found.mean().abs()) < 0.03
    assert float((found.std() - 1).abs()) < 0.03


@settings(max_examples=25, deadline=None)
@given(
    old=st.floats(0.005, 1.5),
    largest=st.floats(0.01, 0.3),
    seed=st.integers(0, 2**31),
)
def test_no_object_is_measured_better_than_it_was(old, largest, seed):
    batch = at(old, noiseless=True, redshift_err=torch.full((12,), 0.01, dtype=torch.float64))
    moved = RedshiftShift(largest, share=1.0)(batch, random(seed))
    stretch = (1 + moved.redshift) / (1 + batch.redshift)
    assert float((stretch - 1).abs().max()) <= largest + 1e-9
    assert bool((moved.redshift >= 0.95 * old - 1e-9).all())
    assert bool((moved.redshift <= 5 * old + 1e-9).all())
    torch.testing.assert_close(moved.redshift_err, 0.01 * stretch)
    assert bool(moved.mask.any(1).all())
    gaps = moved.time.diff(dim=1)[moved.mask[:, 1:]]
    assert bool((gaps >= 0).all())
    for before, after in zip(batch.to_light_curves(), moved.to_light_curves(), strict=True):
        kept = np.isin(before.band_index, after.band_index)
        snr = np.abs(before.flux / before.flux_err)[kept]
        assert (np.abs(after.flux / after.flux_err) <= snr * (1 + 1e-5)).all()
    assert torch.equal(moved.flux_err[~moved.mask], torch.ones_like(moved.flux_err[~moved.mask]))


def test_bands_that_see_something_else_are_left_out():
    batch = at(0.2, noiseless=True)
    first, last = get_bandpass("desr").edges
    pivot = get_bandpass("desr").pivot_wavelength
    assert first < pivot < last
    for factor, left in ((0.999 * last / pivot, True), (1.001 * last / pivot, False)):
        moved = to(batch, 1.2 * factor - 1)
        seen = moved.band[moved.mask] == batch.bands.index("desr")
        assert bool(seen.any()) is left


def test_objects_that_nothing_would_be_left_of_stay():
    batch = at(2.0, noiseless=True)
    assert not bool(to(batch, 3.2).mask.any())
    moved = RedshiftShift(largest=0.4, share=1.0)(batch, random())
    assert bool(moved.mask.any(1).all())
    stayed = moved.redshift == batch.redshift
    assert 0 < int(stayed.sum()) < len(batch)
    torch.testing.assert_close(moved[stayed].flux, batch[stayed].trim().flux)


def test_stars_limits_and_what_is_not_chosen_stay():
    batch = at(0.2)
    assert torch.equal(RedshiftShift(share=0.0)(batch, random()).flux, batch.flux)
    moved = RedshiftShift(share=0.5)(batch, random())
    n_moved = int((moved.redshift != batch.redshift).sum())
    assert 0 < n_moved < len(batch)
    star = at(0.0)
    assert torch.equal(RedshiftShift(share=1.0)(star, random()).flux, star.flux)
    limits = replace(batch, upper_limit=batch.mask)
    moved = to(limits, 0.25)
    assert torch.equal(moved.flux, batch.flux)
    assert torch.equal(moved.flux_err, batch.flux_err)
    assert not torch.equal(moved.time, batch.time)


def test_the_same_draw_is_the_same_and_the_input_is_left_alone():
    batch = at(0.2)
    kept = batch.flux.clone(), batch.time.clone()
    shift = RedshiftShift(share=1.0)
    first, again, other = (shift(batch, random(seed)) for seed in (1, 1, 2))
    assert torch.equal(first.flux, again.flux)
    assert not torch.equal(first.redshift, other.redshift)
    assert torch.equal(batch.flux, kept[0])
    assert torch.equal(batch.time, kept[1])


def test_redshifts_of_hosts_move_along():
    old = torch.tensor([0.25, 0.03, 9.5], dtype=torch.float64).expand(12, -1)
    batch = at(0.2, host=old.clone())
    moved = RedshiftShift(share=1.0, host_redshifts=[0], host_redshift_errors=[1])(batch, random())
    stretch = (1 + moved.redshift) / 1.2
    assert bool((stretch != 1).all())
    relative = (moved.host[:, 0] - moved.redshift) / (1 + moved.redshift)
    torch.testing.assert_close(relative, torch.full_like(relative, 0.05 / 1.2))
    torch.testing.assert_close(moved.host[:, 1], 0.03 * stretch)
    assert torch.equal(moved.host[:, 2], batch.host[:, 2])
    assert torch.equal(batch.host, old)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"3 host columns; say which are redshifts, host_redshifts=\[0\]"),
        ({"host_redshifts": [3]}, r"host_redshifts=\[3\].*have 3 host columns, counted from 0"),
        ({"host_redshifts": [], "host_redshift_errors": [-1]}, "counted from 0"),
    ],
)
def test_columns_of_hosts_must_be_said(options, message):
    batch = at(0.2, host=torch.ones(12, 3, dtype=torch.float64))
    with pytest.raises(ConfigError, match=message):
        RedshiftShift(**options)(batch, random())
    assert torch.equal(RedshiftShift(host_redshifts=[])(batch, random()).host, batch.host)


def test_objects_without_redshift_are_refused():
    batch = at(0.2)
    batch.redshift[[3, 5]] = torch.nan
    with pytest.raises(DataError, match=f"{batch.object_id[3]} and 1 others: no redshift to move"):
        RedshiftShift()(batch, random())


@pytest.mark.parametrize("options", [{"largest": 0.0}, {"largest": 1.0}, {"share": 1.1}])
def test_sizes_that_cannot_be_are_refused(options):
    with pytest.raises(ConfigError, match="largest above 0 and below 1 and a share of 0 to 1"):
        RedshiftShift(**options)


def test_classifiers_are_told_the_new_redshift_in_training():
    batch = at(0.2)
    batch.redshift += 0.01 * torch.arange(12)
    shift = {**SHIFT, "share": 1.0}
    module = small(batch=batch, context=["redshift"], augment=[shift])
    seen = []
    module.network.register_forward_pre_hook(lambda _, given: seen.append(given))
    module.log = lambda *_, **__: None
    module.training_step(batch, 1)
    given, context = seen[0]
    assert not torch.equal(given.redshift, batch.redshift)
    torch.testing.assert_close(context, module.context(given))


def test_features_of_the_old_light_curve_are_refused():
    features = {"_target_": "sntorch.classification.feature_context.FeatureContext"}
    with pytest.raises(ConfigError, match="features are of the light curve as observed"):
        small(features=features, augment=[SHIFT])
