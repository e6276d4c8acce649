from dataclasses import replace

import pytest
import torch

from sntorch.building import build
from sntorch.classification.base import ClassifierNetwork
from sntorch.classification.networks.parsnip import Parsnip
from sntorch.classification.networks.parsnip.network import SPREAD
from sntorch.cli.config import compose_config
from sntorch.errors import ConfigError, DataError
from sntorch.simulation.testing import example_batch
from sntorch.testing import ClassifierNetworkContract

SMALL = {"width": 0.1, "stride": 8}
BANDS = ("desg", "desr", "desi")


class TestParsnip(ClassifierNetworkContract):
    def make(self, bands, n_classes, n_context):
        return Parsnip(bands, n_classes, n_context, **SMALL)


class TestParsnipPhotometric(ClassifierNetworkContract):
    def make(self, bands, n_classes, n_context):
        return Parsnip(bands, n_classes, n_context, redshift="photometric", **SMALL)


def network(**settings):
    torch.manual_seed(3)
    return Parsnip(BANDS, 2, 0, **{**SMALL, **settings})


def none(batch):
    return torch.zeros(len(batch), 0)


@pytest.mark.parametrize("mode", ["spectroscopic", "photometric"])
def test_objects_without_a_redshift_are_named(mode):
    batch = example_batch(n=4, bands=BANDS)
    redshift = batch.redshift.clone()
    redshift[1:3] = torch.nan
    with pytest.raises(DataError, match=r"sn1 and 1 others: redshift is nan, .* leave such"):
        network(redshift=mode)(replace(batch, redshift=redshift), none(batch))


def test_a_redshift_beyond_the_model_is_refused():
    batch = example_batch(n=2, bands=BANDS)
    far = replace(batch, redshift=torch.full_like(batch.redshift, 4.2))
    with pytest.raises(DataError, match=r"sn0 and 1 others: redshift is 4.2, .* 0 to 4"):
        network()(far, none(batch))


def test_settings_that_do_not_fit_are_refused():
    with pytest.raises(ConfigError, match="spectroscopic, photometric"):
        network(redshift="host")
    with pytest.raises(ConfigError, match="redshift, redshift_err"):
        network(redshift="photometric", redshift_columns=["redshift"])
    with pytest.raises(ConfigError, match="stride=3"):
        network(stride=3)


def test_photometric_redshifts_may_stand_in_columns_of_the_host():
    batch = example_batch(n=4, bands=BANDS)
    photoz = torch.stack([batch.redshift + 0.1, torch.full_like(batch.redshift, 0.05)], dim=1)
    settings = {"redshift": "photometric", "redshift_columns": ["host_0", "host_1"]}
    given = replace(batch, host=photoz, redshift=torch.full_like(batch.redshift, torch.nan))
    own = replace(batch, redshift=photoz[:, 0], redshift_err=photoz[:, 1])
    torch.testing.assert_close(
        network(**settings).eval()(given, none(batch)),
        network(redshift="photometric").eval()(own, none(batch)),
    )


def test_a_precise_photometric_redshift_leaves_the_latent_no_room():
    batch = example_batch(n=3, bands=BANDS)
    model = network(redshift="photometric").eval()
    encoded = model.encode(batch)
    deviates = torch.zeros_like(encoded.posterior.mean)
    deviates[:, -1] = 2.0
    for error, moved in ((0.01, 0.02), (0.1, 0.2)):
        prior = encoded.prior._replace(error=torch.full_like(encoded.prior.error, error))
        redshift = model.latents(encoded._replace(prior=prior), deviates).redshift
        torch.testing.assert_close(redshift, encoded.prior.mean + moved)


def test_a_training_step_encodes_once():
    batch = example_batch(n=3, bands=BANDS)
    model = network()
    calls = []
    model.encoder.register_forward_hook(lambda *_: calls.append(1))
    model(batch, none(batch))
    model.auxiliary_loss(batch, none(batch))
    assert len(calls) == 1
    # Another batch, or the same without logits before it, is encoded.
    model.auxiliary_loss(batch, none(batch))
    assert len(calls) == 2


@pytest.mark.parametrize(
    ("name", "photometric", "n_channels"),
    [("parsnip", False, 200), ("parsnip_small", False, 100), ("parsnip_photoz", True, 200)],
)
def test_configs_build_their_networks(name, photometric, n_channels):
    config = compose_config("train", [f"model=classifier/{name}"]).model.network
    built = build(config, ClassifierNetwork, bands=BANDS, n_classes=2, n_context=0)
    assert isinstance(built, Parsnip)
    assert built.photometric == photometric
    assert built.encoder.mean.in_features == n_channels


def test_training_fits_light_curves():
    batch = example_batch(n=8, bands=BANDS)
    model = network(jitter=False, width=0.2)
    optimiser = torch.optim.Adam(model.parameters(), 5e-3)
    losses = []
    for _ in range(60):
        loss = model.auxiliary_loss(batch, none(batch))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert sum(losses[-5:]) < 0.25 * sum(losses[:5])


def test_reconstructions_are_in_the_unit_of_the_fluxes():
    batch = example_batch(n=5, bands=BANDS)
    bright = replace(batch, flux=100 * batch.flux, flux_err=100 * batch.flux_err)
    model = network().eval()
    with torch.no_grad():
        faint, much = (
            model.reconstruct(e, e.observed.days, e.observed.band)
            for e in (model.encode(batch), model.encode(bright))
        )
    torch.testing.assert_close(much, 100 * faint, rtol=1e-3, atol=1e-2)
    # The amplitude is the one that fits best: residuals are orthogonal to the model.
    encoded = model.encode(batch)
    observed = encoded.observed
    residual = observed.flux - faint / observed.scale[:, None]
    product = (observed.weight * residual * faint / observed.scale[:, None]).sum(1)
    square = (observed.weight * (faint / observed.scale[:, None]).square()).sum(1)
    assert float((product / square).abs().max()) < 1e-4


def test_the_classifier_reads_an_absolute_magnitude():
    """A hundred times as bright is five magnitudes, in numbers of order one; no else changes."""
    batch = example_batch(n=5, bands=BANDS)
    bright = replace(batch, flux=100 * batch.flux, flux_err=100 * batch.flux_err)
    model = network().eval()
    faint, much = (model.features(model.encode(b)).detach() for b in (batch, bright))
    assert float(faint.abs().max()) < 5
    change = torch.zeros_like(faint)
    change[:, -2] = -5 / SPREAD
    torch.testing.assert_close(much - faint, change, rtol=1e-3, atol=1e-3)
