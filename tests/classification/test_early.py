"""What was known at a date, and nothing later."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from sntorch.classification.early import EPOCHS, WHOLE, Epoch, until
from sntorch.data.batch import LightCurveBatch
from sntorch.data.light_curve import LightCurve
from sntorch.data.trigger import trigger_time
from sntorch.errors import ConfigError

PEAK = 57020.0
DAYS = np.arange(0.0, 60.0, 5.0)


def batch() -> LightCurveBatch:
    """S/N of 6 first at day 10 (object a); never above 4 (b); a limit at day 0, then 6 at day 5 (c)."""
    snr = {"a": np.where(DAYS < 10, 2.0, 6.0), "b": np.full(12, 4.0), "c": np.full(12, 6.0)}
    curves = [
        LightCurve.from_arrays(
            name,
            57000 + DAYS,
            10 * s,
            np.full(12, 10.0),
            ["desg", "desr"] * 6,
            peak_mjd=PEAK,
            upper_limit=(DAYS == 0) & (name == "c"),
        )
        for name, s in snr.items()
    ]
    return LightCurveBatch.from_light_curves(curves)


def test_days_from_the_trigger():
    cut = until(batch(), 5.0)
    assert cut.n_observations.tolist() == [4, 0, 3]
    assert (cut.time[0][cut.mask[0]] <= 57015).all()
    assert Epoch("trigger", 0.0).cut(batch()).n_observations.tolist() == [3, 0, 2]


def test_days_from_the_peak_do_not_tell_when_it_was():
    cut = until(batch(), -2.0, "peak")
    assert cut.n_observations.tolist() == [4, 4, 4]
    assert cut.t_ref.tolist() == [57010, 57000, 57005]
    moved = replace(batch(), t_ref=batch().t_ref + 1)
    again = until(moved, -3.0, "peak")
    for name in ("time", "flux", "mask", "t_ref", "phase"):
        torch.testing.assert_close(getattr(again, name), getattr(cut, name))


@pytest.mark.parametrize("epoch", [*EPOCHS, WHOLE], ids=str)
def test_nothing_later_changes_anything(epoch):
    """Poison: what is later than the date is nonsense, and the cut is the same."""
    given = batch()
    reference = given.t_ref if epoch.reference == "peak" else trigger_time(given)
    later = given.time > (reference + epoch.days)[:, None]
    poisoned = replace(given, flux=torch.where(later, math.nan, given.flux))
    one, other = epoch.cut(given), epoch.cut(poisoned)
    for name in ("time", "flux", "flux_err", "band", "mask", "t_ref"):
        torch.testing.assert_close(getattr(one, name), getattr(other, name), equal_nan=True)
    assert torch.isfinite(one.flux).all()


def test_the_whole_curve_is_whole_and_counts_from_the_trigger():
    found = WHOLE.cut(batch())
    assert found.n_observations.tolist() == [12, 12, 12]
    assert found.t_ref.tolist() == [57010, 57000, 57005]


def test_nothing_observed_has_no_date():
    empty = until(batch(), -100.0, "peak")
    assert len(empty) == 3
    assert empty.time.shape[1] == 0
    assert empty.t_ref.isnan().all()


def test_another_reference_is_refused():
    with pytest.raises(ConfigError, match="reference=maximum: accepted are trigger, peak"):
        until(batch(), 0.0, "maximum")
    with pytest.raises(ConfigError, match="reference=maximum"):
        Epoch("maximum", 0.0)
    assert [str(e) for e in (WHOLE, Epoch("peak", -7.0))] == ["whole curve", "peak -7 d"]
