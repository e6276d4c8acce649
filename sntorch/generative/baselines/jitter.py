"""Classical augmentation: training objects shifted in magnitude and time, with new noise.

What ztfparsnip (Reusch & Townsend) and others do before they train a classifier. A shift scales
the noise of a light curve with its signal, so an object that gets fainter receives the noise that
the survey would still have added. One that gets brighter keeps more noise than the survey has, and
its errors say so.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from sntorch.generative.baselines.base import Baseline
from sntorch.generative.baselines.errors import quality, variance
from sntorch.generative.baselines.redshifts import draw_move, require_redshifts
from sntorch.generative.baselines.settings import check_settings
from sntorch.generative.baselines.training_set import Drawn, Photometry, observed
from sntorch.generative.baselines.turn import Turn


@dataclass(eq=False)
class Jitter(Baseline):
    """Training objects, changed a little.

    Epochs stay those of the object, so only ``cadence="resampled"`` is had; lengths are met by
    leaving out observations of an object that has enough. ``temperature`` scales the shifts.

    Args:
        grey: Standard deviation of a shift of all bands together, mag.
        band: Standard deviation of a further shift of each band, mag.
        time: Standard deviation of a shift against the reference time, days.
        noise: Noise beyond what the survey has, in units of the errors; the errors grow with it.
        drop: Probability that an observation is left out.
        redshift_scatter: Standard deviation of a change of ln z, which stretches and dims; the
            bands see the same part of the spectrum as before.
        detection_snr: Signal-to-noise ratio below which the survey reports nothing; default: it
            reports everything, negative fluxes too.
    """

    grey: float = 0.3
    band: float = 0.05
    time: float = 1.0
    noise: float = 0.3
    drop: float = 0.05
    redshift_scatter: float = 0.0
    detection_snr: float | None = None  # pyright: ignore[reportIncompatibleVariableOverride]

    def __post_init__(self) -> None:
        check_settings(self, "grey", "band", "time", "noise", "redshift_scatter", shares=("drop",))

    def _fit(self) -> dict[str, Tensor]:
        if self.redshift_scatter:
            require_redshifts(self.training)
        return {}

    def _draw(self, turn: Turn) -> Drawn:
        i, known = turn.own_light_curve(self.photometry, self.counts)
        move = draw_move(turn, float(self.training.redshift[i]), self.redshift_scatter)
        shift = turn.temperature * turn.normal(len(self.bands) + 2)
        magnitudes = self.grey * shift[0] + self.band * shift[2:][known.band]
        scale = move.dimming * 10 ** (-0.4 * magnitudes)
        phase = known.phase * move.stretch + self.time * shift[1]
        measured = self._measured(turn, known, phase, scale)
        if self.drop and turn.counts is None:
            measured = measured.at(turn.uniform(len(measured)) >= self.drop)
        return self._drawn_from(i, measured, move.redshift)

    def _measured(self, turn: Turn, known: Photometry, phase: Tensor, scale: Tensor) -> Photometry:
        """Scaled measurements (T,) with the noise that they lack."""
        law, band = self.fitted["error_law"], known.band
        flux, inherited = scale * known.flux, (scale * known.flux_err).square()
        expected = quality(law, known.flux, known.flux_err, band) * variance(law, flux, band)
        added = (expected - inherited).clamp(min=0) + self.noise**2 * expected
        flux = flux + added.sqrt() * turn.normal(len(flux))
        return observed(phase, band, flux, (inherited + added).sqrt())
