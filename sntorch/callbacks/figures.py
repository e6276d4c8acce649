"""Figures of a generator, for TensorBoard while it trains and for the report afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import lightning as L
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback
from matplotlib.figure import Figure

from sntorch.callbacks.board import board_of
from sntorch.data.batch import LightCurveBatch
from sntorch.generative.base import GenerativeModel
from sntorch.generative.evaluate import ks_distance, peak_magnitudes, summary_features
from sntorch.generative.evaluate.embedding import embed
from sntorch.physics.cosmology import Cosmology
from sntorch.plotting.generated_features import (
    embedding_scatter,
    feature_corner,
    feature_histograms,
)
from sntorch.plotting.generative import (
    error_against_magnitude,
    example_grid,
    peak_histograms,
    population_fan,
)

FEATURES = {
    "dm15": "decline in the 15 days after peak (mag)",
    "rise": "rise in the 8 days before peak (mag)",
    "colour": "colour at the first band's peak (mag)",
}
ABSOLUTE = f"peak magnitude - distance modulus (mag; H0 = {Cosmology().h0}, no K-correction)"


def generator_figures(generated: LightCurveBatch, real: LightCurveBatch) -> dict[str, Figure]:
    """The figures to judge a generator by, generated light curves beside real ones.

    Args:
        generated: Generated light curves.
        real: Real ones in the same bands, held out from training.
    """
    ours, theirs = peak_magnitudes(generated), peak_magnitudes(real)
    notes = {band: f"KS {ks_distance(ours[band], theirs[band]):.3f}" for band in real.bands}
    return {
        "examples": example_grid(real, generated),
        "peak_magnitudes": peak_histograms(real, generated, notes),
        "population": population_fan(real, generated),
        "errors": error_against_magnitude(real, generated),
    }


def diagnostic_figures(
    generated: LightCurveBatch, real: LightCurveBatch, seed: int = 0
) -> dict[str, Figure]:
    """Further figures for a report: features, redshifts, absolute magnitudes, pairs of features,
    an embedding.

    Figures for which the samples have too little (no redshifts, say) are left out.

    Args:
        generated: Generated light curves.
        real: Real ones in the same bands, held out from training.
        seed: Seed of the embedding.
    """
    ours, theirs = summary_features(generated), summary_features(real)
    figures: dict[str, Figure | None] = {}
    for kind, label in FEATURES.items():
        titles = _titles(kind, real.bands)
        if titles:
            figures[kind] = feature_histograms(_named(theirs, titles), _named(ours, titles), label)
    redshifts, drawn = (b.redshift.double().cpu().numpy() for b in (real, generated))
    if np.isfinite(redshifts).any() and np.isfinite(drawn).any():
        everything = "all objects"
        figures["redshift"] = feature_histograms(
            {everything: redshifts}, {everything: drawn}, "redshift"
        )
        figures["absolute_magnitudes"] = feature_histograms(
            absolute_magnitudes(real), absolute_magnitudes(generated), ABSOLUTE
        )
    few = _corner_names(real.bands)
    figures["corner"] = feature_corner(_named(theirs, few), _named(ours, few))
    plane = embed(theirs, ours, seed)
    figures["embedding"] = None if plane is None else embedding_scatter(*plane)
    return {name: figure for name, figure in figures.items() if figure is not None}


def absolute_magnitudes(batch: LightCurveBatch) -> dict[str, Any]:
    """Peak magnitudes less distance moduli, mag, by band, shape (B,); NaN without a redshift.

    There is neither a K-correction nor one for dust.
    """
    redshift = batch.redshift.double().cpu()
    known = redshift > 0
    distmod = torch.full_like(redshift, torch.nan)
    distmod[known] = Cosmology().distmod(redshift[known])
    return {band: peak - distmod.numpy() for band, peak in peak_magnitudes(batch).items()}


def _named(features: Mapping[str, Any], titles: Mapping[str, str]) -> dict[str, Any]:
    """The chosen features by their titles."""
    return {title: features[name] for name, title in titles.items()}


def _titles(kind: str, bands: tuple[str, ...]) -> dict[str, str]:
    """Names of a kind of features, and what to write above them."""
    if kind == "colour":
        return {f"{kind}_{a}_{b}": f"{a} - {b}" for a, b in pairwise(bands)}
    return {f"{kind}_{band}": band for band in bands}


def _corner_names(bands: tuple[str, ...]) -> dict[str, str]:
    """A few features that say most about a supernova, and what to call them."""
    main = bands[min(1, len(bands) - 1)]
    names = {
        f"peak_mag_{main}": f"peak {main} (mag)",
        f"dm15_{main}": rf"$\Delta m_{{15}}$ {main} (mag)",
    }
    return names | _titles("colour", bands[:3])


class GeneratorFigures(Callback):
    """Writes figures of fresh samples to the logger every few epochs.

    The same seed is used each time, so a figure shows how the same objects change with training.

    Args:
        every_n_epochs: Figures after every so many epochs.
        n: Light curves to draw.
        seed: Seed of the draws.
    """

    def __init__(self, every_n_epochs: int = 100, n: int = 1000, seed: int = 0) -> None:
        self.every_n_epochs = every_n_epochs
        self.n = n
        self.seed = seed

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Draw, plot and log."""
        if (trainer.current_epoch + 1) % self.every_n_epochs or not trainer.is_global_zero:
            return
        writer = board_of(trainer)
        if writer is None or not isinstance(pl_module, GenerativeModel):
            return
        real = self._real(trainer)
        generated = pl_module.sample(self.n, seed=self.seed)
        for name, figure in generator_figures(generated.to("cpu"), real).items():
            writer.add_figure(f"generated/{name}", figure, trainer.global_step)

    def _real(self, trainer: L.Trainer) -> LightCurveBatch:
        """Held-out objects, or the training objects where none are held out."""
        data: Any = trainer.datamodule  # pyright: ignore[reportAttributeAccessIssue]
        held_out = data.val_batch()
        return held_out if len(held_out) else data.train_batch()
