"""A population of Bazin functions, observed at the epochs of training objects."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sntorch.features.bazin import N_SHAPES, bazin
from sntorch.features.bazin_fit import fit_bazin, shapes_of
from sntorch.generative.baselines.base import Baseline
from sntorch.generative.baselines.copula import GaussianCopula
from sntorch.generative.baselines.epochs import draw_epochs
from sntorch.generative.baselines.settings import check_settings
from sntorch.generative.baselines.training_set import Drawn
from sntorch.generative.baselines.turn import Turn

# Draws of each object's fit that the copula is made of: what the data leave open is part of it.
DRAWS = 8


@dataclass(eq=False)
class ParametricPopulation(Baseline):
    """Bazin functions whose numbers, in all bands together, follow a Gaussian copula.

    One population is fitted for every class. Objects have no redshift, for the functions do not
    know one. ``temperature`` scales how far an object departs from the median one.

    Args:
        model_error: How far supernovae depart from the function, in units of the brightest flux of
            an object in a band; it keeps the brightest points from dictating the fit.
        detection_snr: Signal-to-noise ratio below which the survey reports nothing; default: it
            reports everything, negative fluxes too.
    """

    model_error: float = 0.03
    detection_snr: float | None = None  # pyright: ignore[reportIncompatibleVariableOverride]

    # Without annotations, which would make them settings.
    follows_cadence = True
    knows_true_flux = True

    def __post_init__(self) -> None:
        check_settings(self, "model_error")

    def _fit(self) -> dict[str, Tensor]:
        learned: dict[str, Tensor] = {}
        for label in self.training.label.unique().tolist():
            fits = fit_bazin(self.training[self.training.label == label], self.model_error)
            copula = GaussianCopula.fit(fits.draws(DRAWS, torch.Generator().manual_seed(0)))
            learned[f"quantiles.{label}"] = copula.quantiles
            learned[f"root.{label}"] = copula.root
        return learned

    def _draw(self, turn: Turn) -> Drawn:
        law, n_bands = self.fitted["error_law"], len(self.bands)
        epochs = draw_epochs(turn, self.photometry, self.training.t_ref, law)
        label = int(self.training.label[epochs.member])
        copula = GaussianCopula(self.fitted[f"quantiles.{label}"], self.fitted[f"root.{label}"])
        drawn = copula.at(turn.temperature * turn.normal(N_SHAPES * n_bands))
        shapes = shapes_of(drawn, n_bands)
        flux = bazin(epochs.phase, shapes[epochs.band])
        return Drawn(epochs.measure(flux, law, turn), epochs.t_ref, label)
