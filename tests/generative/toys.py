"""Small populations of light curves for the tests of generators."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import lightning as L
import numpy as np
import torch

from sntorch.data.batch import LightCurveBatch
from sntorch.data.datamodule import LightCurveDataModule
from sntorch.data.light_curve import LightCurve
from sntorch.generative.base import GenerativeModel
from sntorch.generative.flow_matching import FlowMatching
from sntorch.generative.gan_module import LightCurveGAN

BANDS = ("desg", "desr", "desi")
PARTS = "sntorch.generative."


def population(
    n: int = 40, seed: int = 0, bands: tuple[str, ...] = BANDS, missing: bool = False
) -> LightCurveBatch:
    """Rising and falling light curves with scatter, at random brightness; some fluxes are negative.

    Args:
        n: Number of objects.
        seed: Seed.
        bands: Bands.
        missing: Whether every fourth object lacks the last band.
    """
    rng = np.random.default_rng(seed)
    return LightCurveBatch.from_light_curves(
        [_one(i, rng, bands, missing) for i in range(n)], bands=bands
    )


def _one(i: int, rng: np.random.Generator, bands: tuple[str, ...], missing: bool) -> LightCurve:
    used = bands[:-1] if missing and i % 4 == 0 else bands
    bright, width = 10 ** rng.normal(2.0, 0.3), rng.uniform(10, 16)
    columns: list[list[Any]] = [[], [], [], []]
    for k, band in enumerate(used):
        phase = -12 + np.cumsum(rng.uniform(3, 8, rng.integers(4, 8)))
        error = 3.0 * np.exp(rng.normal(0, 0.1, phase.size))
        flux = bright * (1 + 0.2 * k) * np.exp(-0.5 * (phase / width) ** 2) + error * rng.normal(
            size=phase.size
        )
        for column, values in zip(
            columns, (57000 + phase, flux, error, [band] * phase.size), strict=True
        ):
            column.extend(values)
    return LightCurve.from_arrays(f"sn{i}", *columns, peak_mjd=57000.0)


def recurrent(**changes: Any) -> LightCurveGAN:
    """A small default GAN."""
    parts = {
        "generator": {"_target_": PARTS + "gan.RecurrentGenerator", "n_hidden": 16, "n_latent": 4},
        "critic": {"_target_": PARTS + "gan.RecurrentCritic", "n_hidden": 16},
        "loss": {"_target_": PARTS + "losses.RelativisticLoss", "gamma": 0.2},
        "encoding": {"_target_": PARTS + "encoding.MagnitudeEncoding"},
        "learning_rate": 2e-3,
        "n_validation": 50,
    }
    return LightCurveGAN(**{**parts, **changes})


def transformer(**changes: Any) -> LightCurveGAN:
    """A small transformer GAN."""
    network = PARTS + "gan_transformer.Transformer"
    parts = {
        "generator": {"_target_": network + "Generator", "width": 16, "n_latent": 4},
        "critic": {"_target_": network + "Critic", "width": 16},
    }
    return recurrent(**{**parts, **changes})


def talk(**changes: Any) -> LightCurveGAN:
    """A small GAN of the talk."""
    parts = {
        "generator": {"_target_": PARTS + "gan.TalkGenerator", "n_hidden": 16},
        "critic": {"_target_": PARTS + "gan.TalkCritic", "n_hidden": 16},
        "loss": {"_target_": PARTS + "losses.WassersteinLoss"},
        "encoding": {"_target_": PARTS + "encoding.MinMaxEncoding"},
        "betas": (0.5, 0.9),
        "real_cadence": 0.0,
        "impose_level": False,
        "measurement": False,
        "augment": False,
        "n_validation": 50,
    }
    return LightCurveGAN(**{**parts, **changes})


def flow(**changes: Any) -> FlowMatching:
    """A small flow."""
    network = {"_target_": PARTS + "flow_network.TokenVelocity", "width": 16, "n_layers": 2}
    parts = {"network": network, "n_steps": 4, "n_validation": 50}
    return FlowMatching(**{**parts, **changes})


def served(
    batch: LightCurveBatch, n_batches: int = 2, held_out: LightCurveBatch | None = None
) -> LightCurveDataModule:
    """A population in batches; held out is the same one, unless another is given."""
    size = -(-len(batch) // n_batches)
    validation = batch if held_out is None else held_out
    return LightCurveDataModule(batch, validation, split=(1.0, 0.0, 0.0), batch_size=size)


def trainer(epochs: int, **options: Any) -> L.Trainer:
    """A quiet trainer on a CPU, which validates after the last epoch."""
    return L.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        **{"check_val_every_n_epoch": epochs, **options},
    )


class NoFolder(GenerativeModel):
    """A generator that is not kept as a folder."""

    def sample(self, n: int, *args: Any, **options: Any) -> LightCurveBatch:
        """The toy population."""
        return population(n)


def two_classes(n: int = 60, seed: int = 0) -> LightCurveBatch:
    """A population whose class and redshift say how bright an object is."""
    batch = population(n, seed)
    rng = np.random.default_rng(seed)
    label = torch.arange(n) % 2
    redshift = torch.from_numpy(rng.uniform(0.1, 0.5, n))
    level = 10 ** (
        1.5 + label - 2 * (redshift - 0.3) + 0.05 * torch.from_numpy(rng.normal(size=n))
    )
    shape = torch.exp(-0.5 * (batch.phase / 13) ** 2)
    flux = level[:, None] * shape + 3.0 * torch.from_numpy(rng.normal(size=batch.time.shape))
    return replace(
        batch,
        flux=torch.where(batch.mask, flux, 0.0),
        label=label,
        redshift=redshift,
        classes=("II", "Ia"),
    )
