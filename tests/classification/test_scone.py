"""SCONE: the contract, the authors' number of weights, what the image is and is not told."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch

from sntorch.classification.heat_maps import TIMES
from sntorch.classification.map_cache import MapCache
from sntorch.classification.networks.scone import Scone, brightest_time, trigger_time
from sntorch.classification.testing import BANDS, example_light_curves
from sntorch.data.batch import LightCurveBatch
from sntorch.data.light_curve import LightCurve
from sntorch.errors import ConfigError
from sntorch.testing import ClassifierNetworkContract


class TestScone(ClassifierNetworkContract):
    def make(self, bands, n_classes, n_context):
        return Scone(bands, n_classes, n_context)


class TestSconeOfTheBrightest(ClassifierNetworkContract):
    def make(self, bands, n_classes, n_context):
        return Scone(bands, n_classes, n_context, centre="brightest", days=72)


def test_weights_are_as_many_as_the_authors():
    network = Scone(BANDS, n_classes=6)
    moments = sum(2 for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d))
    assert sum(p.numel() for p in network.parameters()) + moments == 22_614
    assert network.features(torch.zeros(2, 2, 32, 180)).shape == (2, 360)
    torch.testing.assert_close(Scone(BANDS, 6, centre="brightest").times, TIMES)
    torch.testing.assert_close(network.times, TIMES + 30)


def test_images_are_one_at_their_brightest():
    images = Scone(BANDS, 2).images(example_light_curves())
    torch.testing.assert_close(images[:, 0].amax((1, 2)), torch.ones(len(images)))
    brighter = example_light_curves()
    brighter.flux, brighter.flux_err = 1e3 * brighter.flux, 1e3 * brighter.flux_err
    torch.testing.assert_close(Scone(BANDS, 2).images(brighter), images, rtol=0, atol=2e-3)


def test_images_keep_the_sign_of_objects_that_are_negative():
    batch = example_light_curves()
    batch.flux = torch.where(batch.mask, -batch.flux.abs(), 0.0)
    images = Scone(BANDS, 2).images(batch)
    assert bool((images[:, 0].amin((1, 2)) < 0).all())
    torch.testing.assert_close(images[:, 0].abs().amax((1, 2)), torch.ones(len(images)))


def observed(times, snr):
    names = ["desg"] * len(times)
    return LightCurve.from_arrays("sn", times, snr, [1.0] * len(times), names)


def test_the_trigger_is_a_detection_confirmed_on_another_day():
    batch = LightCurveBatch.from_light_curves(
        [
            observed([100.0, 103.0, 103.5, 104.5, 110.0], [3, 6, 7, 8, 9]),
            observed([100.0, 103.0, 103.5], [3, 6, 7]),
            observed([100.0, 103.0], [3, 4]),
        ]
    )
    assert trigger_time(batch).tolist() == [104.5, 103.0, 100.0]


def test_the_brightest_is_a_detection_where_there_is_one():
    batch = LightCurveBatch.from_light_curves(
        [
            observed([100.0, 103.0, 104.5, 110.0], [3, 6, 8, 7]),
            observed([100.0, 103.0, 104.5], [3, 4, 2]),
        ]
    )
    assert brightest_time(batch).tolist() == [104.5, 103.0]
    noisy = replace(batch, flux_err=torch.tensor([[1.0, 1, 2, 1], [1, 1, 1, 1]]))
    assert brightest_time(noisy).tolist() == [110.0, 103.0]


@pytest.mark.parametrize("centre", ["trigger", "brightest"])
def test_what_was_not_observed_yet_is_not_seen(centre):
    """An image of a light curve that is cut is that of one that never went on."""
    batch, network = example_light_curves(), Scone(BANDS, 2, centre=centre, days=72)
    cut = batch.where(batch.phase <= 5)
    changed = replace(batch, flux=torch.where(batch.phase > 5, 1e4, batch.flux))
    torch.testing.assert_close(
        network.images(changed.where(changed.phase <= 5)), network.images(cut)
    )


def test_wrong_settings_are_refused():
    with pytest.raises(ConfigError, match="trigger or brightest is accepted"):
        Scone(BANDS, 2, centre="max")
    with pytest.raises(ConfigError, match="multiple of 4"):
        Scone(BANDS, 2, days=50)


def test_kept_images_are_made_once_and_of_the_same_photometry():
    batch, made = example_light_curves(), []

    def make(part):
        made.extend(part.object_id)
        return part.flux.sum(1)[:, None]

    cache = MapCache(4)
    first = cache.get(batch[:3], make)
    torch.testing.assert_close(cache.get(batch[:4], make)[:3], first)
    assert made == batch.object_id[:4]
    cut = batch[:1].where(batch[:1].phase <= 5)
    torch.testing.assert_close(cache.get(cut, make), make(cut))
    # The oldest one had to leave for it.
    assert len(cache.maps) == 4
    assert not copy.deepcopy(cache).maps
    shifted = replace(batch[:1], t_ref=batch[:1].t_ref + 1)
    n = len(made)
    cache.get(shifted, make)
    assert len(made) == n + 1
