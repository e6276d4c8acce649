"""The date from which phases count where no peak is known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from sntorch.data.batch import LightCurveBatch
from sntorch.data.light_curve import LightCurve
from sntorch.data.trigger import from_trigger, trigger_time


@pytest.fixture
def batch():
    """S/N above 5 from the third epoch on (a); never (b); from the first, which is a limit (c)."""
    snr = {"a": [2.0, 2.0, 6.0, 6.0], "b": [4.0] * 4, "c": [6.0] * 4}
    curves = [
        LightCurve.from_arrays(
            name,
            57000.0 + 5 * np.arange(4),
            10 * np.array(each),
            np.full(4, 10.0),
            ["desg", "desr"] * 2,
            peak_mjd=57020.0,
            upper_limit=np.array([name == "c", False, False, False]),
        )
        for name, each in snr.items()
    ]
    return LightCurveBatch.from_light_curves(curves)


def test_the_trigger_is_the_first_good_detection(batch):
    found = trigger_time(batch)
    assert found[[0, 2]].tolist() == [57010, 57005]
    assert found[1].isnan()
    assert trigger_time(batch, snr=1.0)[1] == 57000


def test_phases_count_from_the_trigger_or_the_first_observation_wherever_the_peak_was(batch):
    found = from_trigger(batch)
    assert found.t_ref.tolist() == [57010, 57000, 57005]
    assert found.phase[0].tolist() == [-10, -5, 0, 5]
    for peak in (batch.t_ref + 7, torch.full_like(batch.t_ref, math.nan)):
        assert torch.equal(from_trigger(replace(batch, t_ref=peak)).t_ref, found.t_ref)


def test_nothing_observed_has_no_trigger(batch):
    blank = batch.where(torch.zeros_like(batch.mask))
    for empty in (blank, blank.trim()):
        assert from_trigger(empty).t_ref.isnan().all()
