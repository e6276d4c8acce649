from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import BANDS, light_curves

from sntorch.data.batch import LightCurveBatch, concatenate
from sntorch.data.light_curve import LightCurve
from sntorch.errors import DataError

TOKENS = ("time", "flux", "flux_err", "band", "mask", "upper_limit")
samples = st.lists(light_curves(), min_size=1, max_size=4)


def batch_of(sample):
    return LightCurveBatch.from_light_curves(sample, bands=BANDS, classes=("Ia", "Ic"))


@given(samples)
@settings(max_examples=50, deadline=None)
def test_rows_and_tokens_are_lossless(sample):
    batch = batch_of(sample)
    back = batch.to_rows().to_batch()
    for name in TOKENS:
        torch.testing.assert_close(getattr(back, name), getattr(batch, name), rtol=0, atol=0)


@given(samples)
@settings(max_examples=50, deadline=None)
def test_light_curves_come_back(sample):
    for before, after in zip(sample, batch_of(sample).to_light_curves(), strict=True):
        assert after == before.sorted()


@given(samples)
@settings(max_examples=30, deadline=None)
def test_padding_is_fixed_and_times_are_sorted(sample):
    batch = batch_of(sample)
    assert (batch.flux_err[~batch.mask] == 1).all()
    for name in ("time", "flux", "band"):
        assert (getattr(batch, name)[~batch.mask] == 0).all()
    steps = batch.time.diff(dim=1)[batch.mask[:, 1:]]
    assert (steps >= 0).all()
    assert batch.n_observations.tolist() == [len(lc) for lc in sample]


def simple(n=3, **header):
    time = np.arange(n, dtype=float)
    return (
        LightCurve.from_arrays("a", time, time + 1, np.ones(n), ["desr", "desg"] * n, **header)
        if n == 0
        else (
            LightCurve.from_arrays(
                "a", time, time + 1, np.ones(n), (["desr", "desg"] * n)[:n], **header
            )
        )
    )


def test_rows_have_the_talks_column_order():
    lc = LightCurve.from_arrays(
        "a", [1, 2, 3], [10, 20, 30], [0.1, 0.2, 0.3], ["desr", "desg", "desg"]
    )
    rows = LightCurveBatch.from_light_curves([lc], bands=("desg", "desr")).to_rows()
    expected = torch.tensor([[2, 1, 20, 10, 0.2, 0.1], [3, 0, 30, 0, 0.3, 1]], dtype=torch.float64)
    torch.testing.assert_close(rows.matrix()[0], expected)
    assert rows.lengths.tolist() == [[2, 1]]


def test_bands_outside_the_choice_are_left_out():
    batch = LightCurveBatch.from_light_curves([simple(3)], bands=("desg",))
    assert batch.n_observations.tolist() == [1]


def test_an_object_without_observations_stays():
    batch = LightCurveBatch.from_light_curves([simple(3), simple(0)], bands=("desg", "desr"))
    assert batch.n_observations.tolist() == [3, 0]
    assert batch.to_rows().to_batch().n_observations.tolist() == [3, 0]


def test_no_objects_are_refused():
    with pytest.raises(DataError, match="at least one object"):
        LightCurveBatch.from_light_curves([])


def test_unknown_class_is_named():
    with pytest.raises(DataError, match="type 'IIn' is not among the classes Ia, Ic"):
        LightCurveBatch.from_light_curves([simple(type="IIn")], classes=("Ia", "Ic"))
    one = simple(type="IIn", source="survey/sn1.dat: sn1")
    with pytest.raises(
        DataError, match=r"^survey/sn1.dat: sn1: type .*GroupClasses, unknown=drop"
    ):
        LightCurveBatch.from_light_curves([one], classes=("Ia", "Ic"))


def test_labels_host_and_missing_values():
    sample = [simple(type="Ic", redshift=0.1, meta={"HOSTGAL_LOGMASS": 10.5}), simple()]
    batch = LightCurveBatch.from_light_curves(
        sample, classes=("Ia", "Ic"), host=("HOSTGAL_LOGMASS",)
    )
    assert batch.label.tolist() == [1, -1]
    assert batch.host[0].tolist() == [10.5]
    assert batch.host[1].isnan().all()
    assert batch.redshift[1].isnan()


def test_zero_points_are_brought_together():
    batch = LightCurveBatch.from_light_curves([simple(), simple(zeropoint=25.0)])
    torch.testing.assert_close(batch.flux[1], batch.flux[0] * 10)


def test_indexing_trimming_and_joining():
    batch = LightCurveBatch.from_light_curves([simple(3), simple(1)], bands=("desg", "desr"))
    short = batch[1].trim()
    assert short.time.shape == (1, 1)
    assert batch[torch.tensor([False, True])].object_id == ["a"]
    joined = concatenate([short, batch[0]])
    assert joined.n_observations.tolist() == [1, 3]
    assert (joined.flux_err[0, 1:] == 1).all()
    with pytest.raises(DataError, match="differ in bands"):
        concatenate([batch, LightCurveBatch.from_light_curves([simple(3)], bands=("desg",))])


def test_where_compacts():
    batch = LightCurveBatch.from_light_curves([simple(5)], bands=("desg", "desr"))
    kept = batch.where(batch.band == 0)
    assert kept.time.tolist() == [[1.0, 3.0]]
    assert kept.mask.all()


def test_to_casts_floats_only():
    batch = LightCurveBatch.from_light_curves([simple(3)]).to(torch.float32)
    assert batch.flux.dtype == torch.float32
    assert batch.band.dtype == torch.int64
    with pytest.raises(TypeError, match="floating-point"):
        batch.to(torch.int32)


def test_one_object_by_any_integer():
    batch = LightCurveBatch.from_light_curves([simple(3), simple(1)])
    for index in (1, np.int64(1), torch.tensor(1)):
        assert len(batch[index]) == 1


def test_objects_without_any_observation_have_rows():
    assert LightCurveBatch.from_light_curves([simple(0)]).to_rows().mask.shape[:2] == (1, 0)


def test_a_misspelt_band_is_named_with_the_bands_that_occur():
    with pytest.raises(
        DataError, match="no observation in band desq; the light curves have desg, desr"
    ):
        LightCurveBatch.from_light_curves([simple(3)], bands=("desq",))


def test_a_band_that_does_not_occur_beside_one_that_does():
    batch = LightCurveBatch.from_light_curves([simple(3)], bands=("desz", "desg"))
    assert batch.bands == ("desz", "desg")
    assert batch.n_observations.tolist() == [1]


def test_aliases_of_bands_are_understood_on_both_sides():
    columns = ([1.0, 2.0, 3.0], [10.0, 20.0, 30.0], np.ones(3))
    old = LightCurve.from_arrays("old", *columns, ["g_PS1", "r_PS1", "mine"])
    new = LightCurve.from_arrays("new", *columns, ["ps1::g", "ps1::r", "mine"])
    batch = LightCurveBatch.from_light_curves([old, new], bands=("r_PS1", "g_PS1"))
    assert batch.bands == ("ps1::r", "ps1::g")
    assert batch.band.tolist() == [[1, 0], [1, 0]]
    every = LightCurveBatch.from_light_curves([old, new])
    assert every.bands == ("mine", "ps1::g", "ps1::r")


def test_to_passes_non_blocking_on(monkeypatch):
    batch, seen = LightCurveBatch.from_light_curves([simple(3)]), []
    plain = torch.Tensor.to
    monkeypatch.setattr(
        torch.Tensor,
        "to",
        lambda self, *a, **k: seen.append(k.get("non_blocking")) or plain(self, *a, **k),
    )
    batch.to("cpu", non_blocking=True)
    assert seen
    assert all(seen)
