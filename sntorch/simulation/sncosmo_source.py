"""Sources whose spectra come from sncosmo: templates of any class.

sncosmo (Barbary et al., extra ``[astro]``) only provides the spectra, once; photometry is the
batched one of ``spectral``.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sntorch.data.light_curve import FLUXCAL_ZEROPOINT
from sntorch.errors import ConfigError
from sntorch.physics.extinction import fitzpatrick99
from sntorch.simulation.distributions import Constant
from sntorch.simulation.sources import Parameters, Source
from sntorch.simulation.spectral import (
    BandWeights,
    SpectralTable,
    band_weights,
    covered,
    photometry,
    rest_photometry,
)
from sntorch.simulation.streams import Streams, pick

PHASE_STEP = 0.25
WAVE_STEP = 10.0
BEFORE_EXPLOSION = 30.0


def load_sncosmo_source(name: str) -> Any:
    """A sncosmo source by its name, or ``name:version``.

    Raises:
        ConfigError: sncosmo is not installed, or has no such source, or cannot fetch it.
    """
    try:
        import sncosmo
    except ImportError:
        raise ConfigError(
            f'source {name} needs sncosmo, which is not installed: pip install "sntorch[astro]"'
        ) from None
    base, _, version = name.partition(":")
    try:
        return sncosmo.get_source(base, version=version or None)
    except Exception as error:
        raise ConfigError(
            f"sncosmo has no source {name!r} or cannot fetch it ({' '.join(str(error).split())}); "
            "where there is no network, SNCOSMO_DATA_DIR names a folder with its files"
        ) from error


class TemplateSource(Source):
    """Supernovae that look like one of several spectral templates.

    Time is counted from the template's maximum in a reference band, where it has the absolute
    magnitude ``magnitude``. Before a template begins the flux is zero.

    Args:
        templates: Names of sncosmo sources, ``name`` or ``name:version``.
        weights: Relative frequency of each; equal by default.
        reference_band: Band, at rest, in which the peak magnitude is given.
    """

    parameters = ("template", "magnitude", "av", "rv")
    defaults = MappingProxyType({"av": Constant(0.0), "rv": Constant(3.1)})

    def __init__(
        self,
        templates: Sequence[str],
        weights: Sequence[float] | None = None,
        reference_band: str = "bessellb",
    ) -> None:
        self.templates = tuple(templates)
        self.weights = [1.0] * len(self.templates) if weights is None else list(weights)
        if (
            not self.templates
            or len(self.weights) != len(self.templates)
            or min(self.weights) <= 0
        ):
            raise ConfigError(
                f"templates need one positive weight each; found {len(self.templates)} templates "
                f"and weights {self.weights}"
            )
        sources = [load_sncosmo_source(name) for name in self.templates]
        peaks = [_peak(source, reference_band) for source in sources]
        begin = min(s.minphase() - t for s, (t, _) in zip(sources, peaks, strict=True))
        end = min(s.maxphase() - t for s, (t, _) in zip(sources, peaks, strict=True))
        self.phase_range = (begin - BEFORE_EXPLOSION, end)
        self.wave_range = (max(s.minwave() for s in sources), min(s.maxwave() for s in sources))
        phase = np.arange(begin, end + PHASE_STEP, PHASE_STEP)
        wave = np.arange(*self.wave_range, WAVE_STEP)
        flux = [_sampled(s, phase + t, wave) / f for s, (t, f) in zip(sources, peaks, strict=True)]
        self.table = SpectralTable(
            torch.from_numpy(np.stack(flux)), begin, PHASE_STEP, float(wave[0]), WAVE_STEP
        )

    def draw(self, streams: Streams) -> dict[str, Tensor]:
        """Number of the template (B,), and the defaults of the dust."""
        chosen = pick(streams.uniform("template"), self.weights)
        return {"template": chosen.double(), **super().draw(streams)}

    def flux(
        self, phase: Tensor, band: Tensor, bands: Sequence[str], parameters: Parameters
    ) -> Tensor:
        """FLUXCAL, shape (B, T); see ``Source.flux``."""
        table = self.table.to(phase.device)
        law = fitzpatrick99(table.wave, parameters["rv"])
        weights = _weights(table, bands, parameters, parameters["av"][:, None] * law)
        amplitude = _amplitude(parameters["magnitude"] + parameters["distmod"])
        terms = [(amplitude, parameters["template"].long())]
        return photometry(table, terms, phase, band, bands, weights)

    def covers(self, bands: Sequence[str], redshift: Tensor) -> Tensor:
        """Whether all templates reach over each band at each redshift, shape (B, F)."""
        return covered(bands, redshift, *self.wave_range)


def _weights(
    table: SpectralTable, bands: Sequence[str], parameters: Parameters, attenuation: Tensor
) -> BandWeights:
    return band_weights(table, bands, parameters["redshift"], parameters["mwebv"], attenuation)


def _amplitude(magnitude: Tensor) -> Tensor:
    return 10 ** (0.4 * (FLUXCAL_ZEROPOINT - magnitude))


def _sampled(source: Any, phase: np.ndarray, wave: np.ndarray) -> np.ndarray:
    """Spectra at the given phases, shape (P, L); 0 before the source begins."""
    flux = np.zeros((len(phase), len(wave)))
    known = (phase >= source.minphase()) & (phase <= source.maxphase())
    flux[known] = source.flux(phase[known], wave)
    # Beyond the end the last spectrum stands; a source's phase range ends there anyway.
    flux[phase > source.maxphase()] = source.flux(source.maxphase(), wave)
    return flux


def _flux_at(source: Any, band: str, phase: np.ndarray) -> np.ndarray:
    """FLUXCAL of the source as it is in a band at rest, shape (P,)."""
    wave = np.arange(source.minwave(), source.maxwave(), WAVE_STEP)
    spectra = torch.from_numpy(_sampled(source, phase, wave))
    return rest_photometry(spectra, torch.from_numpy(wave), band).numpy()


def _peak(source: Any, band: str) -> tuple[float, float]:
    """Phase and FLUXCAL of a source's maximum in a band at rest."""
    phase = np.arange(source.minphase(), source.maxphase(), 0.1)
    flux = _flux_at(source, band, phase)
    best = int(np.argmax(flux))
    return float(phase[best]), float(flux[best])
