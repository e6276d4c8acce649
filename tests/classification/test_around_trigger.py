"""The part of a light curve about its trigger."""

from dataclasses import replace

import pytest
import torch
from small_classifiers import BANDS, NETWORK, labelled

from sntorch.classification.networks.window import AroundTrigger
from sntorch.data.trigger import trigger_time
from sntorch.errors import ConfigError
from sntorch.testing import ClassifierNetworkContract


class TestAroundTrigger(ClassifierNetworkContract):
    def make(self, bands, n_classes, n_context):
        return AroundTrigger(bands, n_classes, n_context, NETWORK, before=5.0, after=20.0)


def around(**days):
    torch.manual_seed(0)
    return AroundTrigger(BANDS, 2, 0, NETWORK, **days).eval()


def test_what_is_read():
    batch = labelled()
    trigger = trigger_time(batch)
    known = ~trigger.isnan()
    assert bool(known.any())
    part = around(before=5.0, after=20.0).part(batch)
    days = (batch.time - trigger[:, None])[known]
    expected = (batch.mask[known] & (days >= -5) & (days <= 20)).sum(1)
    torch.testing.assert_close(part.n_observations[known], expected)
    assert bool((expected < batch.n_observations[known]).any())
    assert part.time.shape[1] == int(part.n_observations.max())


def test_what_was_never_detected_is_read_whole():
    batch = labelled()
    batch = replace(batch, flux=torch.zeros_like(batch.flux))
    part = around(before=0.0, after=1.0).part(batch)
    torch.testing.assert_close(part.n_observations, batch.n_observations)


def test_the_rest_does_not_matter():
    batch, network = labelled(), around(before=5.0, after=20.0)
    network.fit_inputs(batch)
    days = batch.time - trigger_time(batch)[:, None]
    faint = 3 * batch.flux_err
    later = replace(batch, flux=torch.where(days > 20, 1e4, batch.flux.where(days >= -5, faint)))
    context = torch.zeros(len(batch), 0)
    assert bool((later.flux != batch.flux).any())
    torch.testing.assert_close(network(later, context), network(batch, context))


def test_what_cannot_be():
    steps = {**NETWORK, "_target_": NETWORK["_target_"].replace(".Trans", ".CausalTrans")}
    with pytest.raises(ConfigError, match="CausalTransformer answers at every step"):
        AroundTrigger(BANDS, 2, 0, steps)
    with pytest.raises(ConfigError, match=r"after=0\): 0 or more days before"):
        around(after=0)
