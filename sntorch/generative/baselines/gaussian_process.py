"""Resampling training objects from Gaussian processes, as avocado does.

Boone (2019, arXiv:1907.04690): a Gaussian process in time and wavelength is fitted to the fluxes
of each training object, and the object is observed anew at other epochs, with other noise, and at
another redshift where that is asked for. Here the new epochs are those of another training object,
and the fluxes are draws from the process, not its mean, so that what the data leave open varies.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sntorch.generative.baselines.base import Baseline
from sntorch.generative.baselines.epochs import draw_epochs
from sntorch.generative.baselines.redshifts import draw_move, require_redshifts
from sntorch.generative.baselines.settings import check_settings
from sntorch.generative.baselines.training_set import Drawn
from sntorch.generative.baselines.turn import OBJECT, Turn
from sntorch.nn.gaussian_process import Points, draw, posterior
from sntorch.nn.gaussian_process_fit import fit_scales
from sntorch.physics.bandpasses import get_bandpass

# Objects fitted together: bounds the memory of their covariances.
CHUNK = 32
# Smallest error in units of the brightest flux: below it covariances are singular in float64.
ERROR_FLOOR = 1e-4


@dataclass(eq=False)
class GaussianProcessResampling(Baseline):
    """Training objects, observed anew at other epochs.

    ``temperature`` scales how far a draw departs from the mean of the process.

    Args:
        redshift_scatter: Standard deviation of a change of ln z: the process is read at the
            wavelengths and times that the bands then see, and dimmed.
        detection_snr: Signal-to-noise ratio below which the survey reports nothing; default: it
            reports everything, negative fluxes too.
    """

    redshift_scatter: float = 0.0
    detection_snr: float | None = None  # pyright: ignore[reportIncompatibleVariableOverride]

    # Without annotations, which would make them settings.
    follows_cadence = True
    knows_true_flux = True

    def __post_init__(self) -> None:
        check_settings(self, "redshift_scatter")

    def _fit(self) -> dict[str, Tensor]:
        if self.redshift_scatter:
            require_redshifts(self.training)
        waves = [get_bandpass(band).pivot_wavelength for band in self.bands]
        self.fitted["wave"] = torch.tensor(waves, dtype=torch.float64)
        # Objects of about one length together need the least padding.
        order = self.training.n_observations.argsort(stable=True)
        scales = torch.cat([self._scales(index) for index in order.split(CHUNK)])
        return {"scales": scales[order.argsort()]}

    def _scales(self, index: Tensor) -> Tensor:
        """Amplitudes and time scales of some training objects, shape (B, 2)."""
        known = self.training[index].trim()
        points = Points(known.phase, self.fitted["wave"][known.band])
        error = floored(known.flux, known.flux_err)
        return torch.stack(fit_scales(points, known.flux, error, known.mask), -1)

    def _draw(self, turn: Turn) -> Drawn:
        i = turn.pick(OBJECT)
        law, wave = self.fitted["error_law"], self.fitted["wave"]
        epochs = draw_epochs(turn, self.photometry, self.training.t_ref, law)
        move = draw_move(turn, float(self.training.redshift[i]), self.redshift_scatter)
        queries = Points(epochs.phase / move.stretch, wave[epochs.band] / move.stretch)
        # Fluxes are per frequency, of which a band at a higher redshift sees a wider part.
        flux = move.stretch * move.dimming * self._true_flux(turn, i, queries)
        measured = epochs.measure(flux, law, turn)
        label = int(self.training.label[i])
        return Drawn(measured, epochs.t_ref, label, move.redshift, i)

    def _true_flux(self, turn: Turn, i: int, queries: Points) -> Tensor:
        """A draw from the process of training object ``i``, shape (Q,)."""
        known = self.photometry[i]
        amplitude, time_scale = self.fitted["scales"][i]
        seen = Points(known.phase, self.fitted["wave"][known.band])
        mean, cov = posterior(
            seen, known.flux, floored(known.flux, known.flux_err), queries, (amplitude, time_scale)
        )
        normal = turn.temperature * turn.normal(len(queries.phase))
        return draw(mean, cov, normal)


def floored(flux: Tensor, flux_err: Tensor) -> Tensor:
    """Errors that double precision can tell from none, shape (…, T)."""
    return torch.hypot(flux_err, ERROR_FLOOR * flux.abs().amax(-1, keepdim=True))
