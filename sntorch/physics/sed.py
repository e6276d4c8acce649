"""BayeSN's spectral energy distribution of a SN Ia, and its photometry.

    S(t, λ) = H(t, λ) 10^{-0.4 [W(λ, t) + A(λ)]},   W = J_λ (W0 + θ W1 + ε) J_t^T

with H the template of Hsiao et al. (2007), W0, W1, ε surfaces at knots, J natural cubic splines,
and A the Fitzpatrick (1999) law of the host. Mandel et al. (2022, arXiv:2008.07538: M20), Thorp et
al. (2021, arXiv:2102.05678: T21), Ward et al. (2023, arXiv:2209.10558: W22). Deviation: none
intended.

Letters in shapes: ``B`` objects, ``F`` bands, ``T`` phases, ``L`` wavelengths, ``K_l``, ``K_t``
knots.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from sntorch.errors import ConfigError
from sntorch.physics.band_tables import GRID_SIZE
from sntorch.physics.bandpasses import get_bandpass
from sntorch.physics.extinction import fitzpatrick99
from sntorch.physics.parameters import SEDParameters
from sntorch.physics.photometry import (
    FLUXCAL_ZEROPOINT,
    LN,
    Integrator,
    Surface,
    days,
    make_integrator,
    within_template,
)
from sntorch.physics.splines import second_derivative_matrix, spline_matrix
from sntorch.physics.template import template_spectra

CHUNK = 256
MOST_NODES = 32
Value = Tensor | np.ndarray | Sequence[float] | float


class SEDModel(nn.Module):
    """The forward model: parameters of SNe Ia in, photometry and spectra out.

    Every parameter is a number or has shape (B,); results are tensors on the model's device.
    Differentiable in all of them.

    Args:
        parameters: The trained population.
        n_nodes: Nodes of the band quadrature; default: by the number of knots (8 for T21, 15 for
            M20, 21 for W22).

    Raises:
        ConfigError: A number of nodes that is not accepted.
    """

    wave: Tensor
    template: Tensor
    wave_knots: Tensor
    wave_second: Tensor
    time_knots: Tensor
    time_second: Tensor
    w0: Tensor
    w1: Tensor
    epsilon_cholesky: Tensor

    def __init__(self, parameters: SEDParameters, n_nodes: int | None = None) -> None:
        super().__init__()
        self.sigma0, self.tau_a, self.m0 = parameters.sigma0, parameters.tau_a, parameters.m0
        self.rv, self.sigma_r = parameters.rv, parameters.sigma_r
        # The closer the knots, the more the warp bends within a band.
        default = max(8, 3 * len(parameters.wave_knots) - 12)
        self.n_nodes = default if n_nodes is None else n_nodes
        if not 2 <= self.n_nodes <= MOST_NODES:
            raise ConfigError(f"n_nodes={n_nodes}: 2 to {MOST_NODES} nodes a band are accepted")
        ends = np.log10(parameters.wave_knots[[0, -1]])
        grid = 10 ** np.linspace(ends[0], ends[1], GRID_SIZE)
        wave_knots, time_knots = (
            torch.from_numpy(k) for k in (parameters.wave_knots, parameters.time_knots)
        )
        for name, value in {
            "wave": torch.from_numpy(grid),
            "template": torch.from_numpy(template_spectra(grid)),
            "wave_knots": wave_knots,
            "wave_second": second_derivative_matrix(wave_knots),
            "time_knots": time_knots,
            "time_second": second_derivative_matrix(time_knots),
            "w0": torch.from_numpy(parameters.w0),
            "w1": torch.from_numpy(parameters.w1),
            "epsilon_cholesky": torch.from_numpy(parameters.epsilon_cholesky),
        }.items():
            self.register_buffer(name, value)

    @classmethod
    def from_name(cls, name: str) -> Self:
        """A packaged model: ``t21``, ``foundation-griz``, ``m20`` or ``w22``."""
        return cls(SEDParameters.from_name(name))

    @classmethod
    def from_yaml(cls, path: str | Path) -> Self:
        """The model of any BAYESN.YAML."""
        return cls(SEDParameters.from_yaml(path))

    def extra_repr(self) -> str:
        """Knots and population, so that printing a model documents it."""
        k_l, k_t = self.w0.shape
        first, last = self.wave_range
        population = f"R_V={self.rv}, τ_A={self.tau_a}, σ0={self.sigma0}"
        return f"{k_l} × {k_t} knots, {first:.0f}-{last:.0f} Å, {population}"

    @property
    def wave_range(self) -> tuple[float, float]:
        """First and last rest-frame wavelength, Å."""
        return float(self.wave_knots[0]), float(self.wave_knots[-1])

    @property
    def phase_range(self) -> tuple[float, float]:
        """First and last rest-frame day of the surface's knots."""
        return float(self.time_knots[0]), float(self.time_knots[-1])

    @property
    def surface(self) -> Surface:
        """Grid, template and knots, for an integrator."""
        return Surface(
            self.wave,
            self.template,
            self.wave_knots,
            self.wave_second,
            self.time_knots,
            self.time_second,
            self.wave_range,
            self.n_nodes,
        )

    def covers(self, band: str, redshift: Value) -> Tensor:
        """Whether a band lies inside the model's wavelengths, shape of ``redshift``.

        The edges are where the transmission exceeds 1 % of its largest value.
        """
        low, high = get_bandpass(band).edges
        first, last = self.wave_range
        stretch = 1 + self._tensor(redshift)
        return (stretch * first <= low) & (stretch * last >= high)

    def sample_epsilon(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """Residual surfaces from the population, mag, shape (n, K_l, K_t); 0 at the outer
        wavelength knots.
        """
        size = len(self.epsilon_cholesky)
        device = self.w0.device if generator is None else generator.device
        draws = torch.randn(n, size, generator=generator, dtype=self.w0.dtype, device=device)
        return self.epsilon_surface(draws.to(self.w0.device))

    def epsilon_surface(self, standard: Tensor) -> Tensor:
        """Residual surfaces of standard-normal variables (..., N), mag, shape (..., K_l, K_t)."""
        return residual_surface(standard @ self.epsilon_cholesky.T, *self.w0.shape)

    def warp(self, theta: Tensor, epsilon: Tensor | None = None) -> Tensor:
        """W at the knots, mag, shape (B, K_l, K_t)."""
        surface = self.w0 + theta[:, None, None] * self.w1
        return surface if epsilon is None else surface + epsilon

    def integrator(
        self, bands: Sequence[str], redshift: Value, mwebv: Value = 0.0, kind: str = "quadrature"
    ) -> Integrator:
        """Photometry prepared for B redshifts: call it many times while parameters change."""
        z, ebv = (
            t.reshape(-1)
            for t in torch.broadcast_tensors(self._tensor(redshift), self._tensor(mwebv))
        )
        return make_integrator(kind, self.surface, bands, z, ebv)

    def flux(
        self,
        phase: Value,
        bands: Sequence[str],
        theta: Value = 0.0,
        av: Value = 0.0,
        rv: Value | None = None,
        epsilon: Tensor | None = None,
        redshift: Value = 0.0,
        distmod: Value = 0.0,
        mwebv: Value = 0.0,
        tmax: Value = 0.0,
        delta_m: Value = 0.0,
        integrator: str = "quadrature",
    ) -> Tensor:
        """Flux at every phase in every band, FLUXCAL (zero point 27.5).

        Args:
            phase: Rest-frame days, shape (T,) or (B, T).
            bands: F names.
            theta: Coefficient of W1.
            av: Host extinction A_V, mag.
            rv: Host R_V; default: the model's.
            epsilon: Residual surface, mag, shape (K_l, K_t) or (B, K_l, K_t).
            redshift: Heliocentric redshift.
            distmod: Distance modulus, mag.
            mwebv: Milky-Way E(B-V), mag.
            tmax: Rest-frame day of maximum: the SED sees ``phase - tmax``.
            delta_m: Grey offset, mag.
            integrator: ``quadrature`` (fast) or ``grid`` (all 300 wavelengths).

        Returns:
            Shape (B, F, T), or (F, T) where every parameter is a single number and ``phase`` is
            (T,). Zero before the template's first day (-19), NaN after its last (85).
        """
        phase = self._axis(phase)
        bands = [bands] if isinstance(bands, str) else list(bands)
        columns = self._columns(
            phase,
            epsilon,
            theta=theta,
            av=av,
            rv=rv,
            redshift=redshift,
            distmod=distmod,
            mwebv=mwebv,
            tmax=tmax,
            delta_m=delta_m,
        )
        n, single = columns.pop("size"), columns.pop("single")
        n_phases = phase.shape[-1]
        every = phase.reshape(-1, 1, n_phases).expand(n, len(bands), n_phases).flatten(1)
        band = (
            torch.arange(len(bands), device=self.wave.device)
            .repeat_interleave(n_phases)
            .expand(n, -1)
        )
        flux = self._flux_at(every, band, bands, integrator, columns).view(n, len(bands), n_phases)
        return flux[0] if single else flux

    def magnitude(self, phase: Value, bands: Sequence[str], **parameters: Any) -> Tensor:
        """Magnitude in each band's own system; arguments and shape as in ``flux``, NaN where flux
        <= 0.
        """
        flux = self.flux(phase, bands, **parameters)
        positive = flux > 0
        bright = torch.log10(torch.where(positive, flux, torch.ones_like(flux)))
        return torch.where(
            positive, FLUXCAL_ZEROPOINT - 2.5 * bright, torch.full_like(flux, torch.nan)
        )

    def flux_at(
        self,
        phase: Value,
        band: Tensor,
        bands: Sequence[str],
        theta: Value = 0.0,
        av: Value = 0.0,
        rv: Value | None = None,
        epsilon: Tensor | None = None,
        redshift: Value = 0.0,
        distmod: Value = 0.0,
        mwebv: Value = 0.0,
        tmax: Value = 0.0,
        delta_m: Value = 0.0,
        integrator: str = "quadrature",
    ) -> Tensor:
        """Flux of each observation, FLUXCAL, shape (B, T); other arguments as in ``flux``.

        Args:
            phase: Rest-frame days, shape (B, T).
            band: Index into ``bands`` of each observation, shape (B, T).
            bands: F names.
        """
        phase = self._axis(phase)
        bands = [bands] if isinstance(bands, str) else list(bands)
        columns = self._columns(
            phase,
            epsilon,
            theta=theta,
            av=av,
            rv=rv,
            redshift=redshift,
            distmod=distmod,
            mwebv=mwebv,
            tmax=tmax,
            delta_m=delta_m,
        )
        n = columns.pop("size")
        columns.pop("single")
        phase = phase.expand(n, -1)
        return self._flux_at(
            phase, band.to(phase.device).expand(n, -1), bands, integrator, columns
        )

    def spectrum(
        self,
        phase: Value,
        wave: Value,
        theta: Value = 0.0,
        av: Value = 0.0,
        rv: Value | None = None,
        epsilon: Tensor | None = None,
    ) -> Tensor:
        """Rest-frame spectrum f_λ in the template's units, shape (B, T, L), or (T, L) for single
        numbers.

        Args:
            phase: Rest-frame days since maximum, shape (T,) or (B, T).
            wave: Rest-frame wavelength, Å, shape (L,).
            theta, av, rv, epsilon: As in ``flux``.

        Returns:
            Zero before the template's first day, NaN after its last; beyond the model's
            wavelengths the warp goes on as a straight line.
        """
        phase, wave = self._axis(phase), self._axis(wave)
        columns = self._columns(phase, epsilon, theta=theta, av=av, rv=rv)
        n, single = columns["size"], columns["single"]
        template = self._tensor(template_spectra(wave.detach().cpu().double().numpy()))
        lower, upper, fraction = days(phase.reshape(-1, phase.shape[-1]).expand(n, -1))
        spectra = torch.lerp(template[lower], template[upper], fraction[..., None])
        at_wave = spline_matrix(self.wave_knots, wave, self.wave_second) @ columns["warp"]
        at_time = spline_matrix(self.time_knots, phase, self.time_second)
        warp = at_time @ at_wave.transpose(-1, -2)
        dust = columns["av"][:, None] * fitzpatrick99(wave, columns["rv"])
        spectra = spectra * torch.exp(-LN * (warp + dust[:, None]))
        spectra = within_template(spectra, phase[..., None])
        return spectra[0] if single else spectra

    def _flux_at(
        self,
        phase: Tensor,
        band: Tensor,
        bands: Sequence[str],
        integrator: str,
        columns: dict[str, Tensor],
    ) -> Tensor:
        """Chunks of objects, so that memory stays bounded however many there are."""
        shifted = phase - columns["tmax"][:, None]
        if not shifted.numel():
            return torch.zeros_like(shifted)
        known = shifted.detach().nan_to_num()
        ends = float(known.min()), float(known.max())
        # Objects of one redshift see a band at the same wavelengths: chunks of them are compact.
        order = columns["redshift"].detach().argsort()
        parts = []
        for piece in order.split(CHUNK):
            c = {name: value[piece] for name, value in columns.items()}
            integrate = make_integrator(
                integrator, self.surface, bands, c["redshift"], c["mwebv"], ends
            )
            flux = integrate(shifted[piece], band[piece], c["warp"], c["av"], c["rv"])
            grey = self.m0 + c["distmod"] + c["delta_m"]
            parts.append(flux * torch.exp(-LN * grey)[:, None])
        return torch.cat(parts)[order.argsort()]

    def _columns(
        self, phase: Tensor, epsilon: Tensor | None, **parameters: Value | None
    ) -> dict[str, Any]:
        """All parameters with shape (B,), and the warp; B is 1 where all are single numbers."""
        tensors = {k: self._tensor(self.rv if v is None else v) for k, v in parameters.items()}
        shapes = [t.shape for t in tensors.values()]
        shapes.append(phase.shape[:-1])
        residual = None if epsilon is None else self._tensor(epsilon)
        if residual is not None:
            shapes.append(residual.shape[:-2])
        shape = self._batch_shape(shapes, residual)
        n = int(np.prod(shape))
        columns: dict[str, Any] = {k: t.expand(shape).reshape(n) for k, t in tensors.items()}
        if residual is not None:
            residual = residual.expand(*shape, *self.w0.shape).reshape(n, *self.w0.shape)
        columns["warp"] = self.warp(columns.pop("theta"), residual)
        return {**columns, "size": n, "single": not shape}

    def _batch_shape(self, shapes: list[torch.Size], epsilon: Tensor | None) -> torch.Size:
        knots = self.w0.shape
        if epsilon is not None and epsilon.shape[-2:] != knots:
            found = tuple(epsilon.shape)
            raise ConfigError(
                f"epsilon has shape {found}; accepted is (..., {knots[0]}, {knots[1]})"
            )
        try:
            return torch.broadcast_shapes(*shapes)
        except RuntimeError as error:
            found = ", ".join(sorted({str(tuple(s)) for s in shapes}))
            raise ConfigError(
                f"phase and parameters have shapes {found}; numbers and one (B,) are accepted"
            ) from error

    def _axis(self, value: Value) -> Tensor:
        tensor = self._tensor(value)
        return tensor if tensor.ndim else tensor[None]

    def _tensor(self, value: Value) -> Tensor:
        if isinstance(value, np.ndarray) and not value.flags.writeable:
            value = value.copy()
        return torch.as_tensor(value, dtype=self.w0.dtype, device=self.w0.device)


def residual_surface(values: Tensor, n_wave: int, n_time: int) -> Tensor:
    """Residuals (..., N), wavelength fastest, at the knots: (..., K_l, K_t), 0 at the outer two
    wavelengths.
    """
    inner = values.unflatten(-1, (n_time, n_wave - 2)).transpose(-1, -2)
    return nn.functional.pad(inner, (0, 0, 1, 1))
