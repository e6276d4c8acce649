from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sntorch.data.batch import LightCurveBatch
from sntorch.data.light_curve import LightCurve
from sntorch.data.transforms import (
    AsinhMagnitudes,
    Compose,
    Deredden,
    MinimumSNR,
    PhaseRange,
    Standardise,
    asinh_magnitude,
    asinh_magnitude_err,
    flux_from_asinh_magnitude,
)
from sntorch.errors import DataError
from sntorch.physics.bandpasses import get_bandpass

fluxes = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=8)


@given(fluxes, st.floats(1e-2, 1e3))
@settings(deadline=None)
def test_asinh_magnitudes_invert(values, softening):
    flux = torch.tensor(values, dtype=torch.float64)
    back = flux_from_asinh_magnitude(asinh_magnitude(flux, softening, 27.5), softening, 27.5)
    torch.testing.assert_close(back, flux, rtol=1e-9, atol=1e-9 * softening)


def test_asinh_magnitude_is_the_magnitude_of_a_bright_source():
    flux = torch.tensor([1e6], dtype=torch.float64)
    assert math.isclose(asinh_magnitude(flux, 1.0, 27.5).item(), 27.5 - 15.0, abs_tol=1e-9)


def test_asinh_error_is_the_derivative():
    flux = torch.linspace(-50, 200, 7, dtype=torch.float64, requires_grad=True)
    asinh_magnitude(flux, 3.0, 27.5).sum().backward()
    errors = asinh_magnitude_err(flux.detach(), torch.full_like(flux, 2.0), 3.0)
    torch.testing.assert_close(errors, 2.0 * flux.grad.abs())  # pyright: ignore[reportOptionalMemberAccess]


def sample(**header):
    time = np.array([-20.0, 0.0, 10.0, 60.0])
    flux = np.array([1.0, 100.0, 50.0, 2.0])
    band = ["desg", "desr", "desg", "desr"]
    lc = LightCurve.from_arrays(
        "a", time + 57000, flux, np.ones(4), band, peak_mjd=57000.0, **header
    )
    return LightCurveBatch.from_light_curves([lc])


def test_magnitudes_of_a_batch_invert():
    batch = sample()
    scaler = AsinhMagnitudes.fit(batch)
    magnitude, error = scaler(batch.flux, batch.flux_err, batch.band)
    flux, flux_err = scaler.inverse(magnitude, error, batch.band)
    torch.testing.assert_close(flux, batch.flux)
    torch.testing.assert_close(flux_err, batch.flux_err)
    assert scaler.softening.tolist() == [1.0, 1.0]


@given(st.booleans(), st.integers(0, 10))
@settings(deadline=None, max_examples=20)
def test_standardise_inverts_and_standardises(common, seed):
    generator = torch.Generator().manual_seed(seed)
    values = 5 + 3 * torch.randn(40, 3, generator=generator, dtype=torch.float64)
    mask = torch.rand(40, 3, generator=generator) > 0.3
    scaler = Standardise.fit(values, mask, common=common)
    scaled = scaler(values)
    torch.testing.assert_close(scaler.inverse(scaled), values)
    if common:
        assert math.isclose(scaled[mask].mean().item(), 0, abs_tol=1e-9)
        assert math.isclose(scaled[mask].std(correction=0).item(), 1, abs_tol=1e-9)
    else:
        for column in range(3):
            chosen = scaled[mask[:, column], column]
            assert math.isclose(chosen.mean().item(), 0, abs_tol=1e-9)


def test_standardise_survives_an_empty_column():
    values = torch.tensor([[1.0, 7.0], [3.0, 7.0]])
    scaler = Standardise.fit(values, torch.tensor([[True, False], [True, False]]))
    assert scaler(values).isfinite().all()
    torch.testing.assert_close(scaler.inverse(scaler(values)), values)


def test_cuts():
    batch = sample(redshift=0.5)
    assert MinimumSNR(5)(batch).flux.tolist() == [[100.0, 50.0]]
    assert PhaseRange(-10, 50)(batch).flux.tolist() == [[100.0, 50.0]]
    assert PhaseRange(-15, 50, rest_frame=True)(batch).flux.tolist() == [[1.0, 100.0, 50.0, 2.0]]
    both = Compose((PhaseRange(-10, 70), MinimumSNR(5)))
    assert both(batch).flux.tolist() == [[100.0, 50.0]]


def test_dereddening_brightens_by_the_extinction_at_the_pivot(shared):
    import extinction

    batch = sample(mwebv=0.2)
    ratio = (Deredden()(batch).flux / batch.flux)[0]
    pivots = np.array([get_bandpass(b).pivot_wavelength for b in batch.bands])
    expected = 10 ** (0.4 * extinction.fitzpatrick99(pivots, 3.1 * 0.2, 3.1))
    np.testing.assert_allclose(ratio.numpy(), expected[batch.band[0].numpy()], rtol=1e-6)


def test_dereddening_twice_changes_nothing_more():
    once = Deredden()(sample(mwebv=0.2))
    torch.testing.assert_close(Deredden()(once).flux, once.flux)
    unknown = sample()
    torch.testing.assert_close(Deredden()(unknown).flux, unknown.flux)


def test_a_rest_frame_range_needs_redshifts():
    with pytest.raises(DataError, match="a: no redshift"):
        PhaseRange(-15, 50, rest_frame=True)(sample())
    assert PhaseRange(-15, 50)(sample()).flux.tolist() == [[100.0, 50.0]]


def test_dereddening_keeps_the_type():
    batch = Deredden()(sample(mwebv=0.2).to(torch.float32))
    for name in ("flux", "flux_err", "mwebv"):
        assert getattr(batch, name).dtype == torch.float32, name
