"""Encodings can be undone, and cannot say anything impossible."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toys import BANDS, population

from sntorch.data.batch import LightCurveBatch
from sntorch.data.light_curve import LightCurve
from sntorch.errors import DataError
from sntorch.generative.encoding import (
    MagnitudeEncoding,
    MinMaxEncoding,
    RowEncoding,
    inverse_softplus,
)
from sntorch.generative.evaluate import impossible
from sntorch.generative.lengths import mask_from_counts
from sntorch.testing import RowEncodingContract


@st.composite
def batches(draw):
    seed = draw(st.integers(0, 2**16))
    rng = np.random.default_rng(seed)
    curves = []
    for i in range(draw(st.integers(2, 5))):
        n = draw(st.integers(3, 12))
        time = 55000 + np.sort(rng.uniform(-40, 100, n)) + 0.01 * np.arange(n)
        flux = rng.normal(0, 10 ** rng.uniform(0, 4), n)
        band = [*BANDS[:2], *rng.choice(BANDS[:2], n - 2)]
        curves.append(
            LightCurve.from_arrays(
                f"sn{i}", time, flux, 10 ** rng.uniform(-1, 3, n), band, peak_mjd=55000.0
            )
        )
    return LightCurveBatch.from_light_curves(curves, bands=BANDS[:2])


def assert_same(original, decoded, t_ref):
    torch.testing.assert_close(decoded.mask, original.mask)
    mask = original.mask
    torch.testing.assert_close(
        decoded.time[mask] - t_ref, original.time[mask] - 55000.0, atol=2e-3, rtol=0
    )
    scale = original.flux_err[mask] + original.flux[mask].abs()
    assert bool(((decoded.flux[mask] - original.flux[mask]).abs() < 1e-3 * scale).all())
    torch.testing.assert_close(decoded.flux_err[mask], original.flux_err[mask], rtol=1e-3, atol=0)


@settings(max_examples=25, deadline=None)
@given(batches())
def test_magnitude_encoding_round_trip(batch):
    encoding = MagnitudeEncoding.fit(batch)
    x, mask = encoding.encode(batch)
    # Codes beyond the clamp are far outside any training set; the round trip is for the others.
    if float(x.abs().max()) < 12:
        assert_same(batch.to_rows(), encoding.decode(x, mask), encoding.t_ref)


def test_min_max_encoding_round_trip_and_range():
    batch = population(20)
    encoding = MinMaxEncoding.fit(batch)
    x, mask = encoding.encode(batch)
    assert float(x.min()) >= -1
    assert float(x.max()) <= 1
    rows, decoded = batch.to_rows(), encoding.decode(x, mask)
    torch.testing.assert_close(decoded.time[mask], rows.time[mask], atol=1e-3, rtol=0)
    torch.testing.assert_close(decoded.flux_err[mask], rows.flux_err[mask], rtol=1e-3, atol=1e-3)
    shortest = rows.lengths.min(-1).values
    assert torch.equal(mask.sum(1), shortest[:, None].expand(-1, len(BANDS)))


def test_each_range_is_reached_once():
    """The data fill the generator's range and no more: nothing is scaled twice."""
    x, mask = MinMaxEncoding.fit(population(30)).encode(population(30))
    for column in x.chunk(3, dim=-1):
        seen = column[mask]
        assert seen.min() == pytest.approx(-1, abs=1e-6)
        assert seen.max() == pytest.approx(1, abs=1e-6)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6), spread=st.floats(0.1, 30))
def test_any_code_is_a_possible_light_curve(seed, spread):
    torch.manual_seed(seed)
    encoding = MagnitudeEncoding.fit(population(12))
    x = spread * torch.randn(6, 9, 3 * len(BANDS))
    mask = mask_from_counts(torch.randint(0, 10, (6, len(BANDS))), 9)
    assert not any(impossible(encoding.decode(x, mask)).values())


def test_codes_are_of_order_one_and_keep_colours():
    batch = population(200)
    encoding = MagnitudeEncoding.fit(batch)
    x, mask = encoding.encode(batch)
    for column in x.chunk(3, dim=-1):
        assert abs(float(column[mask].mean())) < 0.2
        assert 0.7 < float(column[mask].std()) < 1.3


def test_phase_is_that_of_the_batch_and_differentiable():
    batch = population(10)
    encoding = MagnitudeEncoding.fit(batch)
    x, mask = encoding.encode(batch)
    x.requires_grad_()
    phase = encoding.phase(x)
    days = phase * encoding.phase_moments[1] + encoding.phase_moments[0]
    expected = batch.to_rows().time - 57000.0
    torch.testing.assert_close(days[mask].double(), expected[mask], atol=1e-3, rtol=0)
    phase[mask].sum().backward()
    assert x.grad is not None
    assert bool(x.grad[..., : len(BANDS)].any())


def test_missing_bands_limits_and_nan_are_left_out():
    batch = population(12, missing=True)
    batch.flux[0, 0] = torch.nan
    batch.upper_limit[1, 0] = True
    encoding = MagnitudeEncoding.fit(batch)
    x, mask = encoding.encode(batch)
    assert bool(x.isfinite().all())
    assert int(mask.sum()) == int(batch.mask.sum()) - 2
    assert not bool(mask[0, :, -1].any())


def test_a_band_without_observations_is_named():
    batch = LightCurveBatch.from_light_curves(
        population(5).to_light_curves(), bands=(*BANDS, "desz")
    )
    with pytest.raises(DataError, match="desz"):
        MagnitudeEncoding.fit(batch)


def test_state_dict_carries_the_encoding():
    batch = population(10)
    encoding = MagnitudeEncoding.fit(batch)
    again = MagnitudeEncoding(batch.bands, batch.zeropoint)
    again.load_state_dict(encoding.state_dict())
    assert torch.equal(again.encode(batch)[0], encoding.encode(batch)[0])


@given(st.floats(1e-4, 1e4))
def test_inverse_softplus(days):
    code = inverse_softplus(torch.tensor(days, dtype=torch.float64))
    assert float(torch.nn.functional.softplus(code)) == pytest.approx(days, rel=1e-6)


class TestMagnitudeEncodingContract(RowEncodingContract):
    def make(self, batch):
        return MagnitudeEncoding.fit(batch)


class TestMinMaxEncodingContract(RowEncodingContract):
    def make(self, batch):
        return MinMaxEncoding.fit(batch)


def test_every_packaged_encoding_is_tested():
    ours = {one for one in RowEncoding.__subclasses__() if one.__module__.startswith("sntorch.")}
    assert ours == {MagnitudeEncoding, MinMaxEncoding}
