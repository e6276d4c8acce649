"""The measurement layer: true fluxes, and the noise that makes observed ones of them."""

from __future__ import annotations

from dataclasses import replace

import lightning as L
import pytest
import torch
from toys import flow, population, recurrent, talk

from sntorch.data.batch import concatenate
from sntorch.data.datamodule import LightCurveDataModule
from sntorch.errors import ConfigError, DataError
from sntorch.generative.base import GenerativeModel
from sntorch.generative.baselines import Bootstrap, GaussianProcessResampling, ParametricPopulation
from sntorch.testing import example_batch

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers.*"),
    pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec.*:FutureWarning"),
]
WIDTH = 12.0


def truth(n: int, seed: int):
    """Gaussians in time of one width and many heights, without noise, in units of the errors."""
    batch = population(n, seed)
    generator = torch.Generator().manual_seed(seed)
    height = 10 ** (2 + 0.3 * torch.randn(n, 1, generator=generator, dtype=torch.float64))
    flux = height * torch.exp(-0.5 * (batch.phase / WIDTH) ** 2)
    return replace(batch, flux=torch.where(batch.mask, flux, 0.0), noiseless=True)


def measurements(model: GenerativeModel, n: int, **options):
    """Noise in units of its spread, and the noiseless light curves."""
    seen = model.sample(n, seed=3, **options)
    true = model.sample(n, seed=3, noiseless=True, **options)
    assert true.noiseless
    assert not seen.noiseless
    assert torch.equal(true.time, seen.time)
    assert torch.equal(true.band, seen.band)
    return ((seen.flux - true.flux) / true.flux_err)[true.mask], true


def fitted(model, batch=None):
    model.fit_encoding(population(40) if batch is None else batch)
    return model


@pytest.mark.parametrize("cadence", ["generated", "resampled"])
def test_observed_fluxes_are_true_ones_with_normal_noise_of_their_errors(cadence):
    noise, _ = measurements(fitted(recurrent()), 300, cadence=cadence)
    assert float(noise.mean()) == pytest.approx(0, abs=0.05)
    assert float(noise.std()) == pytest.approx(1, abs=0.05)
    assert float((noise.abs() < 1).double().mean()) == pytest.approx(0.683, abs=0.03)


def test_a_flow_adds_noise_to_the_true_fluxes_that_it_learned():
    noise, _ = measurements(fitted(flow(measurement=True), truth(40, 0)), 300)
    assert float(noise.mean()) == pytest.approx(0, abs=0.05)
    assert float(noise.std()) == pytest.approx(1, abs=0.05)


def departure(batch) -> float:
    """Median distance of a logarithmic flux from its object's Gaussian, dex, in bright epochs."""
    shape = batch.flux.clamp(min=1e-3).log10() + 0.5 * (batch.phase / WIDTH) ** 2 / 2.302585
    used = batch.mask & (batch.phase.abs() < 15)
    middle = torch.where(used, shape, torch.nan).nanmedian(1, keepdim=True).values
    return float((shape - middle)[used].abs().median())


def test_noiseless_draws_of_a_trained_flow_are_as_smooth_as_the_simulated_truth():
    model, batch = flow(measurement=True, n_steps=8, augment=False), truth(200, 1)
    # Errors as large as a tenth of the flux, which a flow of observed fluxes would learn.
    batch = replace(batch, flux_err=torch.where(batch.mask, 0.1 * batch.flux + 3, 1.0))
    data = LightCurveDataModule(batch, split=(1.0, 0.0, 0.0), batch_size=100)
    trainer = L.Trainer(
        max_epochs=200,
        accelerator="cpu",
        logger=False,
        limit_val_batches=0,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(model, data)
    noise, true = measurements(model, 200)
    assert departure(true) < departure(model.sample(200, seed=3)) / 2
    assert float(noise.std()) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("kind", [GaussianProcessResampling, ParametricPopulation])
def test_baselines_that_know_the_flux_at_any_time_draw_it(kind):
    noise, _ = measurements(kind().fit(population(20)), 100)
    assert float(noise.std()) == pytest.approx(1, abs=0.06)


def test_what_is_observed_in_one_piece_has_no_noiseless_draws():
    with pytest.raises(ConfigError, match="measurement=false and writes fluxes with their noise"):
        fitted(talk()).sample(3, noiseless=True)
    with pytest.raises(ConfigError, match="measurement=false, on observed fluxes"):
        fitted(flow()).sample(3, noiseless=True)
    with pytest.raises(ConfigError, match="Bootstrap repeats observed fluxes"):
        Bootstrap().fit(population(20)).sample(3, noiseless=True)


def test_a_flow_wants_fluxes_that_suit_its_measurement_layer():
    with pytest.raises(ConfigError, match=r"measurement=true: .* observed fluxes"):
        fitted(flow(measurement=True))
    with pytest.raises(ConfigError, match=r"measurement=false: .* noiseless"):
        fitted(flow(), truth(40, 0))


def test_noiseless_and_observed_light_curves_are_not_joined():
    batch = example_batch()
    with pytest.raises(DataError, match="differ in noiseless: False and True"):
        concatenate([batch, replace(batch, noiseless=True)])
