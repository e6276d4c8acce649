"""Features of a light curve for trees: a Bazin function in every band, and summaries.

The fits of the bands share a prior that is learnt from the training objects (see
``features.bazin_fit``), so that an object with few points gets what usually goes with them, and
the width of its posterior says so. Phases count from the trigger, never from the peak, so that
the features of a curve that is cut early hold nothing that was known later.

Letters in shapes: ``B`` objects, ``F`` bands.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sntorch.data.batch import LightCurveBatch
from sntorch.data.magnitudes import POGSON
from sntorch.data.trigger import from_trigger
from sntorch.errors import ConfigError, DataError
from sntorch.features.bazin_fit import BazinPopulation, fit_population, shapes_of
from sntorch.features.summary import summary_features
from sntorch.physics.cosmology import Cosmology

Array = NDArray[np.float64]
REDSHIFTS = ("none", "photo-z", "spec-z")
SHAPES = ("ln_peak", "peak_time", "ln_fall", "rise_ratio")
# How far supernovae depart from the function, in units of the peak flux.
MODEL_ERROR = 0.05
# Objects that the population is learnt from.
MOST = 1000


@dataclass
class ParametricFeatures:
    """Turns light curves into a table.

    Args:
        redshift: ``none``; ``spec-z``, the batch's ``redshift``; or ``photo-z``, the first column
            of its ``host``, with the error in the second one, if there is one.
        seed: Of the choice of objects that the population is learnt from.
        derived: Whether to add what neighbouring bands differ by, and rates and magnitudes at
            the object's redshift. Trees cut one feature at a time and a perceptron reads them by
            rank, so neither finds small differences of large numbers by itself.

    Raises:
        ConfigError: Another use of redshift.
    """

    redshift: str = "none"
    seed: int = 0
    derived: bool = False

    def __post_init__(self) -> None:
        if self.redshift not in REDSHIFTS:
            raise ConfigError(f"redshift={self.redshift}: accepted are {', '.join(REDSHIFTS)}")
        self.bands: tuple[str, ...] = ()
        self.population: BazinPopulation | None = None

    def fit(self, batch: LightCurveBatch) -> ParametricFeatures:
        """Learn the population of Bazin functions; returns itself.

        Raises:
            DataError: No object has an observation.
        """
        seen = torch.nonzero(batch.n_observations > 0)[:, 0]
        if not len(seen):
            raise DataError("no observations to learn the light curves' shapes from")
        order = torch.from_numpy(np.random.default_rng(self.seed).permutation(len(seen)))
        some = from_trigger(batch[seen[order[:MOST]]].to("cpu", torch.float64)).trim()
        self.population, _ = fit_population(some, MODEL_ERROR)
        self.bands = batch.bands
        return self

    def __call__(self, batch: LightCurveBatch) -> dict[str, Array]:
        """Features by name, shape (B,) each; NaN where an object does not have one.

        Raises:
            DataError: Other bands than in the fit, or a photo-z that the batch does not have.
        """
        if self.population is None or batch.bands != self.bands:
            raise DataError(
                f"light curves in bands {', '.join(batch.bands)}; the features were fitted in "
                f"{', '.join(self.bands) or 'none yet'}"
            )
        local = from_trigger(batch.to("cpu", torch.float64))
        features = self._shapes(local) | self._summaries(local)
        features |= self._redshifts(local, features)
        return features | self._derived(features) if self.derived else features

    def _derived(self, features: dict[str, Array]) -> dict[str, Array]:
        """Colours and the like from the fits; in the rest frame where redshifts are used."""
        found = {
            f"{name}_{a}_{b}": features[f"{name}_{a}"] - features[f"{name}_{b}"]
            for name in SHAPES
            for a, b in zip(self.bands[:-1], self.bands[1:], strict=True)
        }
        if self.redshift == "none":
            return found
        z, unknown = features["redshift"], np.full(len(features["redshift"]), np.nan)
        distance = self._distances(z)
        for band in self.bands:
            found[f"rest_ln_fall_{band}"] = features[f"ln_fall_{band}"] - np.log1p(z)
            found[f"rest_dm15_{band}"] = features.get(f"dm15_{band}", unknown) / (1 + z)
            found[f"absolute_peak_{band}"] = features.get(f"peak_mag_{band}", unknown) - distance
        return found

    def _shapes(self, batch: LightCurveBatch) -> dict[str, Array]:
        assert self.population is not None
        fit = self.population.fit(batch)
        shapes = shapes_of(fit.mode, len(self.bands))
        spread = fit.root.square().sum(-1).sqrt()
        named = {
            f"{name}_{band}": shapes[:, f, k].numpy()
            for k, name in enumerate(SHAPES)
            for f, band in enumerate(self.bands)
        }
        return named | {f"spread_{k}": column.numpy() for k, column in enumerate(spread.T)}

    def _summaries(self, batch: LightCurveBatch) -> dict[str, Array]:
        if not batch.time.shape[1]:
            return {}
        snr = torch.where(batch.mask, batch.flux / batch.flux_err, 0.0)
        return summary_features(batch) | {
            "snr_max": snr.amax(1).numpy(),
            "snr_min": snr.amin(1).numpy(),
        }

    def _redshifts(self, batch: LightCurveBatch, features: dict[str, Array]) -> dict[str, Array]:
        """The redshift, its error, and how bright each band's peak is at that distance (mag)."""
        if self.redshift == "none":
            return {}
        z, error = self.redshifts(batch).numpy().T
        usable = np.isfinite(z) & (z > 0)
        distance = self._distances(z)
        luminosity = {
            f"absolute_{band}": batch.zeropoint - POGSON * features[f"ln_peak_{band}"] - distance
            for band in self.bands
        }
        return {"redshift": np.where(usable, z, np.nan), "redshift_err": error} | luminosity

    def _distances(self, z: Array) -> Array:
        """Distance moduli, shape (B,), NaN where there is no redshift above 0."""
        usable = np.isfinite(z) & (z > 0)
        distance = np.full(len(z), np.nan)
        distance[usable] = Cosmology().distmod(torch.from_numpy(z[usable])).numpy()
        return distance

    def redshifts(self, batch: LightCurveBatch) -> Tensor:
        """The redshift that is used and its error, shape (B, 2), NaN where unknown; (B, 0): none.

        Raises:
            DataError: A photo-z that the batch does not have.
        """
        if self.redshift == "none":
            return torch.empty(len(batch), 0, dtype=torch.float64)
        if self.redshift == "spec-z":
            return torch.stack([batch.redshift, batch.redshift_err], dim=1).cpu().double()
        if not batch.host.shape[1]:
            raise DataError(
                "redshift=photo-z, but the light curves have no host columns: the photometric "
                "redshift (and its error) must be the first of them, host=[hostgal_photoz, …]"
            )
        columns = batch.host[:, :2].cpu().double()
        unknown = torch.full_like(columns[:, :1], torch.nan)
        return torch.cat([columns, unknown], dim=1)[:, :2]
