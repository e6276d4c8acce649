"""Sources whose spectra come from sncosmo: templates of any class, and SALT2/SALT3.

sncosmo (Barbary et al., extra ``[astro]``) only provides the spectra, once; photometry is the
batched one of ``spectral``. SALT: Guy et al. 2007 (A&A 466, 11) and Kenworthy et al. 2021 (ApJ
923, 265), F = x0 [M0(t, λ) + x1 M1(t, λ)] 10^{-0.4 c CL(λ)}, with the peak magnitude of Tripp
(1998), M - alpha x1 + beta c.
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
from sntorch.simulation.distributions import Constant, Normal, SplitNormal
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


class SALTSource(Source):
    """SNe Ia by SALT2 or SALT3 with the magnitude of a Tripp relation.

    ``magnitude`` is the absolute peak B magnitude (Vega) of an SN with x1 = c = 0; the grey
    scatter belongs into its distribution.

    Args:
        name: sncosmo source, ``salt3``, ``salt2:2.4``, ….
        alpha: Magnitudes brighter per unit of x1.
        beta: Magnitudes fainter per unit of c.
    """

    parameters = ("magnitude", "x1", "c")
    # x1 and c: Scolnic & Kessler 2016 (ApJ 822, L35), G10, rounded.
    defaults = MappingProxyType(
        {
            "magnitude": Normal(-19.36, 0.1),
            "x1": SplitNormal(0.97, 1.47, 0.22),
            "c": SplitNormal(-0.054, 0.043, 0.101),
        }
    )

    def __init__(self, name: str = "salt3", alpha: float = 0.14, beta: float = 3.1) -> None:
        source = load_sncosmo_source(name)
        if tuple(source.param_names) != ("x0", "x1", "c"):
            raise ConfigError(
                f"source {name} is no SALT model: its parameters are {source.param_names}"
            )
        self.alpha, self.beta = alpha, beta
        self.phase_range = (float(source.minphase()), float(source.maxphase()))
        self.wave_range = (float(source.minwave()), float(source.maxwave()))
        phase = np.arange(self.phase_range[0], self.phase_range[1] + PHASE_STEP, PHASE_STEP)
        wave = np.arange(*self.wave_range, WAVE_STEP)
        source.set(x0=1.0, x1=0.0, c=0.0)
        mean, peak = _sampled(source, phase, wave), _flux_at(source, "bessellb", np.zeros(1))[0]
        source.set(x1=1.0)
        first = _sampled(source, phase, wave) - mean
        self.color_law = torch.from_numpy(np.asarray(source.colorlaw(wave), dtype=np.float64))
        self.table = SpectralTable(
            torch.from_numpy(np.stack([mean, first]) / peak),
            self.phase_range[0],
            PHASE_STEP,
            float(wave[0]),
            WAVE_STEP,
        )

    def flux(
        self, phase: Tensor, band: Tensor, bands: Sequence[str], parameters: Parameters
    ) -> Tensor:
        """FLUXCAL, shape (B, T); see ``Source.flux``."""
        table = self.table.to(phase.device)
        x1, c = parameters["x1"], parameters["c"]
        weights = _weights(table, bands, parameters, c[:, None] * self.color_law.to(phase.device))
        # The colour law is zero in B, so c alone leaves the B magnitude as it is.
        magnitude = parameters["magnitude"] - self.alpha * x1 + self.beta * c
        amplitude = _amplitude(magnitude + parameters["distmod"])
        first = torch.zeros_like(band[:, 0])
        terms = [(amplitude, first), (amplitude * x1, first + 1)]
        return photometry(table, terms, phase, band, bands, weights).clamp(min=0)

    def covers(self, bands: Sequence[str], redshift: Tensor) -> Tensor:
        """Whether the model reaches over each band at each redshift, shape (B, F)."""
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
