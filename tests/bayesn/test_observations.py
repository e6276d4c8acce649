"""Grouping of observations by band into slots."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sntorch.bayesn.observations import WIDTH, Observations
from sntorch.data.batch import LightCurveBatch
from sntorch.data.light_curve import LightCurve

BANDS = ("ps1::g", "ps1::r", "ps1::i")


def batch_of(objects):
    """A batch from the band indices of each object's observations; all else is random."""
    rng = np.random.default_rng(0)
    curves = []
    for i, bands in enumerate(objects):
        n = len(bands)
        curves.append(
            LightCurve.from_arrays(
                f"SN{i}",
                57000 + rng.uniform(-10, 40, n),
                rng.normal(1000, 200, n),
                rng.uniform(10, 50, n),
                np.array([BANDS[b] for b in bands], dtype=str),
                redshift=0.02 + 0.01 * i,
                mwebv=0.05,
                peak_mjd=57000.0,
            )
        )
    return LightCurveBatch.from_light_curves(curves, bands=BANDS)


def grouped(batch, **options):
    return Observations.from_batch(batch, torch.zeros(len(batch)).double(), **options)


def rows_of(batch, i):
    """(band, phase, flux, error) of every observation of an object, sorted."""
    keep = batch.mask[i]
    phase = batch.phase[i, keep] / (1 + batch.redshift[i])
    columns = batch.band[i, keep].double(), phase, batch.flux[i, keep], batch.flux_err[i, keep]
    return sorted(zip(*(c.tolist() for c in columns), strict=True))


def slots_of(observations, i):
    keep = observations.mask[i]
    band = observations.band[i, :, None].expand_as(keep)[keep].double()
    columns = (
        band,
        observations.phase[i, keep],
        observations.flux[i, keep],
        observations.flux_err[i, keep],
    )
    return sorted(zip(*(c.tolist() for c in columns), strict=True))


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.lists(st.integers(0, len(BANDS) - 1), min_size=0, max_size=40), min_size=1, max_size=4
    ).filter(any)
)
def test_every_observation_is_kept_once(objects):
    batch = batch_of(objects)
    found = grouped(batch)
    for i in range(len(batch)):
        assert slots_of(found, i) == rows_of(batch, i)
    assert bool((found.flux_err > 0).all())
    assert bool((found.flux[~found.mask] == 0).all())
    # A slot has one band, is filled from its beginning, and there are no more than needed.
    filled = found.mask.double()
    assert bool((filled.diff(dim=2) <= 0).all())
    most = max(sum(-(-bands.count(b) // WIDTH) for b in range(len(BANDS))) for bands in objects)
    assert found.mask.shape == (len(objects), most, WIDTH)


@pytest.mark.parametrize(("n", "slots"), [(1, 1), (WIDTH, 1), (WIDTH + 1, 2), (3 * WIDTH, 3)])
def test_slots_split_at_their_width(n, slots):
    found = grouped(batch_of([[2] * n, [0, 1]]))
    assert int(found.mask[0].any(1).sum()) == slots
    assert found.band[0, :slots].tolist() == [2] * slots
    assert found.mask[0].sum() == n
    assert found.band[1, :2].tolist() == [0, 1]


def test_error_floor():
    batch = batch_of([[0, 1, 2] * 3])
    plain, floored = grouped(batch), grouped(batch, error_floor=0.03)
    least = 0.03 * 0.4 * np.log(10) * plain.flux.abs()
    assert torch.allclose(floored.flux_err, torch.maximum(plain.flux_err, least))
    raised = floored.flux_err > plain.flux_err
    assert bool(raised.any())
    assert not bool(raised[plain.mask].all())
    assert torch.equal(floored.flux, plain.flux)


def test_take_and_to():
    found = grouped(batch_of([[0] * 3, [1] * 12, [2, 2]]))
    part = found.take(torch.tensor([2, 0]))
    assert len(part) == 2
    assert torch.equal(part.flux, found.flux[[2, 0]])
    assert part.redshift.tolist() == found.redshift[[2, 0]].tolist()
    single = found.to(torch.float32)
    assert single.flux.dtype == torch.float32
    assert single.band.dtype == torch.int64
    assert single.mask.dtype == torch.bool
    assert single.bands == found.bands
