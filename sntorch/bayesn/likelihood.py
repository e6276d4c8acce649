"""The Gaussian likelihood of light curves, with its gradient written out by hand.

With E = W(λ_q, t - t_max) + A(λ_q) at the Q nodes of a band's quadrature (``physics.photometry``),

    F_j = 10^{-0.4 (M0 + Ds)} Σ_q w_q(t_j) 10^{-0.4 E_jq},   ln L = -1/2 Σ_j (f_j - F_j)² / σ_j²,

or the same of magnitudes 27.5 - 2.5 log10 F_j, as BayeSN is trained.

An automatic gradient would keep and walk through a dozen tensors of the size (B, F, C, T, Q); by
hand it is one pass: everything follows from X_jq = ∂ ln L / ∂E_jq. The warp's natural cubic spline
in time is written with truncated powers, J_t(t) = [1, t, (t - τ_k)³₊] P, so that no observation
has to look up its interval. Where t_max is held at 0 everything in time is tabulated once.
Objects are done a few at a time: the tensors stay in the cache.

Letters in shapes: ``B`` objects, ``C`` chains (or any other points) of each, ``F`` slots, ``T``
observations in a slot, ``Q`` nodes, ``D`` days, ``M = K_t + 2`` functions of time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor

from sntorch.bayesn.observations import Observations
from sntorch.physics.photometry import (
    FLUXCAL_ZEROPOINT,
    LN,
    QuadratureIntegrator,
    make_integrator,
)
from sntorch.physics.sed import SEDModel
from sntorch.physics.splines import spline_matrix
from sntorch.physics.template import FIRST_DAY

HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)
# Elements of the largest tensors, on a CPU: 400 kB in double precision fit its caches.
CACHED = 50_000
LEAST_FLUX = 1e-300


@dataclass(frozen=True, eq=False)
class Block:
    """What the likelihood of some objects needs.

    Attributes:
        first_day: Day of the first row of ``weights``.
        time_knots: shape (K_t,).
        powers: See ``truncated_powers``.
        nodes: Rest-frame wavelengths of the quadrature, Å, shape (B, F, Q).
        wave_basis: Spline rows J_λ at the nodes, shape (B, F, Q, K_l).
        weights: A day's quadrature weights beside their change to the next, shape (B, F, D, 2 Q).
        phase: Rest-frame days, shape (B, F, T).
        value, inverse_variance: Fluxes, or magnitudes, and 1/σ² of them, shape (B, F, T).
        magnitudes: Whether they are magnitudes.
        time_basis: Spline rows J_t at the phases, shape (B, F, T, K_t), where t_max is held at 0.
        day_weights: Quadrature weights at the phases, shape (B, F, T, Q), or None likewise.
    """

    first_day: int
    time_knots: Tensor
    powers: Tensor
    nodes: Tensor
    wave_basis: Tensor
    weights: Tensor
    phase: Tensor
    value: Tensor
    inverse_variance: Tensor
    magnitudes: bool = False
    time_basis: Tensor | None = None
    day_weights: Tensor | None = None

    def take(self, index: Tensor, n_slots: int | None = None) -> Block:
        """The chosen objects, with as many slots as are used."""
        names = ["nodes", "wave_basis", "weights", "phase", "value", "inverse_variance"]
        if self.time_basis is not None:
            names += ["time_basis", "day_weights"]
        return replace(self, **{k: getattr(self, k)[index, :n_slots] for k in names})


class Likelihood:
    """Likelihood of B objects' photometry at C points of each.

    Args:
        sed: The SED model.
        observations: Photometry of B objects.
        shift: Largest |t_max|, days, that will be asked for; None holds it at 0.
        magnitudes: Compare magnitudes, not fluxes: observations need a positive flux.
    """

    def __init__(
        self,
        sed: SEDModel,
        observations: Observations,
        shift: float | None,
        magnitudes: bool = False,
    ) -> None:
        used = observations.mask.any(2)
        block = _block(sed, observations, used, shift or 0.0)
        block = replace(block, magnitudes=magnitudes)
        if magnitudes:
            block = _in_magnitudes(block)
        self._set(block if shift is not None else _at_rest(block, sed), used.sum(1))
        # Padding counts as an observation with unit precision, which has no logarithm.
        precision = torch.where(observations.mask, block.inverse_variance, 1.0)
        log_errors = torch.where(observations.mask, HALF_LOG_2PI - 0.5 * precision.log(), 0)
        self.constant = -log_errors.sum((1, 2))

    def _set(self, block: Block, used: Tensor) -> None:
        self.block, self.used = block, used
        self._pieces: dict[int, list[tuple[Tensor | slice, Block]]] = {}

    @property
    def nodes(self) -> Tensor:
        """Rest-frame wavelengths of the quadrature, Å, shape (B, F, Q)."""
        return self.block.nodes

    def take(self, index: Tensor) -> Likelihood:
        """The likelihood of the chosen objects."""
        part = object.__new__(Likelihood)
        part._set(self.block.take(index), self.used[index])
        part.constant = self.constant[index]
        return part

    def __call__(self, warp: Tensor, dust: Tensor, tmax: Tensor, grey: Tensor) -> Tensor:
        """ln L of every point, shape (B, C).

        Args:
            warp: W at the knots, mag, shape (B, C, K_l, K_t).
            dust: Host extinction at the nodes, mag, shape (B, C, F, Q).
            tmax: Rest-frame day of maximum, shape (B, C).
            grey: M0 + Ds, mag, shape (B, C).
        """
        return self.half_chi_square(warp, dust, tmax, grey) + self.constant[:, None]

    def half_chi_square(self, warp: Tensor, dust: Tensor, tmax: Tensor, grey: Tensor) -> Tensor:
        """-χ²/2 of every point, shape (B, C); arguments as above."""
        return cast(Tensor, _Gaussian.apply(self, warp, dust, tmax, grey))

    def day_weights(self, phase: Tensor) -> Tensor:
        """Quadrature weights at rest-frame days (B, F, T), shape (B, F, T, Q)."""
        if self.block.day_weights is not None:
            return self.block.day_weights
        return _weights(self.block, phase[:, :, None])[0][:, :, 0]

    @property
    def data_square(self) -> Tensor:
        """Σ f² / σ² of every object, shape (B,)."""
        return (self.block.value.square() * self.block.inverse_variance).sum((1, 2))

    def pieces(self, n_points: int) -> list[tuple[Tensor | slice, Block]]:
        """Objects with about the same number of slots, as many at a time as the cache holds."""
        if n_points not in self._pieces:
            order = self.used.argsort(stable=True)
            per_slot = n_points * self.block.phase.shape[2] * self.nodes.shape[2]
            sizes = [len(order)]
            if not order.is_cuda:
                sizes = _sizes(self.used[order].tolist(), CACHED / per_slot)
            # Objects that come in order are found without a copy.
            sorted_already = bool((order.diff() == 1).all())
            self._pieces[n_points] = [
                (
                    slice(int(index[0]), int(index[-1]) + 1) if sorted_already else index,
                    self.block.take(index, max(int(self.used[index].max()), 1)),
                )
                for index in order.split(sizes)
                if len(index)
            ]
        return self._pieces[n_points]


class _Gaussian(torch.autograd.Function):
    """-χ²/2, computed together with its gradient."""

    @staticmethod
    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, of: Likelihood, *point: Tensor
    ) -> Tensor:
        pieces = of.pieces(point[0].shape[1])
        needed = any(ctx.needs_input_grad)
        value = torch.empty_like(point[3])
        gradients = [torch.zeros_like(p) for p in point] if needed else []
        for index, block in pieces:
            chosen = [p[index] for p in point]
            chosen[1] = chosen[1][:, :, : block.phase.shape[1]]
            warp, dust, tmax, grey = chosen
            value[index], found = value_and_gradient(block, warp, dust, tmax, grey, needed)
            for gradient, part in zip(gradients, found, strict=True):
                if part.shape[1:] != gradient.shape[1:]:
                    gradient[index, :, : part.shape[2]] = part
                else:
                    gradient[index] = part
        ctx.save_for_backward(*gradients)
        return value

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        warp, dust, tmax, grey = ctx.saved_tensors
        wide = grad[..., None, None]
        return None, wide * warp, wide * dust, grad * tmax, grad * grey


def value_and_gradient(
    of: Block, warp: Tensor, dust: Tensor, tmax: Tensor, grey: Tensor, needed: bool = True
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """-χ²/2, shape (B, C), and, if needed, its derivatives; arguments as for ``Likelihood``."""
    if of.time_basis is not None:
        return _value_at_rest(of, warp, dust, tmax, grey, needed)
    n, c, n_wave, _ = warp.shape
    n_slots, n_nodes = dust.shape[2:]
    t = of.phase[:, :, None, :] - tmax[:, None, :, None]
    basis, squares = _time_functions(t, of.time_knots)
    # The surface along each node's wavelength, as coefficients of the functions of time.
    by_power = (warp @ of.powers).transpose(1, 2).reshape(n, n_wave, -1)
    wave_basis = of.wave_basis.flatten(1, 2)
    along = (wave_basis @ by_power).view(n, n_slots, n_nodes, c, -1).transpose(2, 3)
    exponent = (basis @ along.transpose(-1, -2)).add_(dust.transpose(1, 2).unsqueeze(3))
    power = exponent.mul_(-LN).exp_()
    weights, slope = _weights(of, t)
    light = weights.mul_(power)
    brightness = torch.exp(-LN * grey)[:, None, :, None]
    flux = brightness * light.sum(-1)
    value, pull = _compare(of, flux.transpose(2, 3))
    pull = pull.transpose(2, 3)
    if not needed:
        return value, ()
    scaled = pull * brightness
    x = light.mul_((-LN * scaled)[..., None])
    d_grey = (pull * flux).sum((1, 3)).mul_(-LN)
    d_dust = x.sum(3).transpose(1, 2)
    back = x @ along
    moving = back[..., 1] + (squares.mul_(back[..., 2:])).sum(-1)
    moving = torch.addcmul(moving, scaled, power.mul_(slope).sum(-1))
    d_tmax = moving.sum((1, 3)).neg_()
    d_along = (x.transpose(-1, -2) @ basis).transpose(2, 3).reshape(n, n_slots * n_nodes, -1)
    d_power = (wave_basis.transpose(1, 2) @ d_along).view(n, n_wave, c, -1).transpose(1, 2)
    return value, (d_power @ of.powers.T, d_dust, d_tmax, d_grey)


def _value_at_rest(
    of: Block, warp: Tensor, dust: Tensor, tmax: Tensor, grey: Tensor, needed: bool
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The same with t_max = 0: nothing in time is left to be computed.

    Time first and wavelength second: then no product needs its factors in another order.
    """
    n, c, n_wave, n_time = warp.shape
    n_slots, n_nodes = dust.shape[2:]
    basis = cast(Tensor, of.time_basis).flatten(1, 2)
    weights = cast(Tensor, of.day_weights)[:, :, :, None]
    wave_basis = of.wave_basis.flatten(0, 1)
    by_time = basis @ (-LN * warp).permute(0, 3, 1, 2).reshape(n, n_time, c * n_wave)
    by_time = by_time.view(n * n_slots, -1, n_wave)
    exponent = (by_time @ wave_basis.mT).view(n, n_slots, -1, c, n_nodes)
    of_slot = dust.transpose(1, 2).contiguous().unsqueeze(2)
    light = exponent.add_(of_slot, alpha=-LN).exp_().mul_(weights)
    brightness = torch.exp(-LN * grey)[:, None, None]
    flux = brightness * light.sum(-1)
    value, pull = _compare(of, flux)
    if not needed:
        return value, ()
    d_grey = (pull * flux).sum((1, 2)).mul_(-LN)
    x = light.mul_((-LN * pull * brightness)[..., None])
    d_dust = x.sum(2).transpose(1, 2)
    d_time = (x.view(n * n_slots, -1, n_nodes) @ wave_basis).view(n, basis.shape[1], -1)
    d_warp = (basis.mT @ d_time).view(n, n_time, c, n_wave).permute(0, 2, 3, 1)
    return value, (d_warp, d_dust, torch.zeros_like(tmax), d_grey)


def _compare(of: Block, flux: Tensor) -> tuple[Tensor, Tensor]:
    """-χ²/2 of model fluxes (B, F, T, C), shape (B, C), and its derivatives by them."""
    value, precision = of.value[..., None], of.inverse_variance[..., None]
    if not of.magnitudes:
        residual = value - flux
        pull = residual * precision
        return (residual * pull).sum((1, 2)).mul_(-0.5), pull
    # Padding has no light, and its logarithm no gradient.
    flux = flux.clamp(min=LEAST_FLUX)
    residual = value - FLUXCAL_ZEROPOINT + flux.log() / LN
    pull = residual * precision
    return (residual * pull).sum((1, 2)).mul_(-0.5), pull.mul_(-1 / LN).div_(flux)


def _time_functions(t: Tensor, knots: Tensor) -> tuple[Tensor, Tensor]:
    """[1, t, (t - τ_k)³₊], shape (..., M), and 3 (t - τ_k)²₊, shape (..., K_t)."""
    beyond = (t[..., None] - knots).clamp_(min=0)
    squares = beyond * beyond
    basis = t.new_empty(*t.shape, 2 + len(knots))
    basis[..., 0] = 1
    basis[..., 1] = t
    torch.mul(squares, beyond, out=basis[..., 2:])
    return basis, squares.mul_(3)


def _weights(of: Block, t: Tensor) -> tuple[Tensor, Tensor]:
    """Quadrature weights between days and their change a day, each of shape (B, F, C, T, Q)."""
    n, n_slots, n_days, width = of.weights.shape
    # A trajectory that diverges may come here with a NaN.
    inside = (t - of.first_day).nan_to_num_().clamp_(0, n_days - 1)
    day = inside.floor()
    first = torch.arange(n * n_slots, device=t.device).view(n, n_slots, 1, 1) * n_days
    rows = of.weights.reshape(-1, width).index_select(0, (day.long() + first).flatten())
    lower, slope = rows.view(*t.shape, 2, width // 2).unbind(-2)
    return torch.addcmul(lower, inside.sub_(day)[..., None], slope), slope


def _block(sed: SEDModel, observations: Observations, used: Tensor, shift: float) -> Block:
    phase = observations.phase
    bands, redshift, mwebv = observations.bands, observations.redshift, observations.mwebv
    seen = phase[observations.mask]
    ends = (0.0, 0.0)
    if len(seen):
        ends = (max(float(seen.min()) - shift, FIRST_DAY - 1.0), float(seen.max()) + shift)
    every = make_integrator("quadrature", sed.surface, bands, redshift, mwebv, ends)
    integrator = cast(QuadratureIntegrator, every)
    rows = torch.arange(len(phase), device=phase.device)[:, None]
    weights = integrator.weights[rows, observations.band]
    weights = weights * integrator.units[observations.band][..., None, None]
    # Padded slots may count a band that the model does not see, with NaN weights.
    weights = torch.where(used[..., None, None], weights, 0.0)
    nodes = integrator.nodes[rows, observations.band]
    return Block(
        first_day=integrator.first_day - 1,
        time_knots=sed.time_knots,
        powers=truncated_powers(sed),
        nodes=nodes,
        wave_basis=spline_matrix(sed.wave_knots, nodes, sed.wave_second),
        weights=_with_changes(weights, begins=integrator.first_day == FIRST_DAY),
        phase=phase,
        value=observations.flux,
        inverse_variance=observations.mask / observations.flux_err.square(),
    )


def _in_magnitudes(block: Block) -> Block:
    """The observations as magnitudes; σ_m = σ / (0.4 ln 10 · flux)."""
    seen = block.inverse_variance > 0
    flux = torch.where(seen, block.value, 1.0)
    magnitude = torch.where(seen, FLUXCAL_ZEROPOINT - flux.log() / LN, 0.0)
    precision = block.inverse_variance * (LN * flux).square()
    return replace(block, value=magnitude, inverse_variance=precision)


def _at_rest(block: Block, sed: SEDModel) -> Block:
    """With everything in time tabulated at t_max = 0."""
    weights, _ = _weights(block, block.phase[:, :, None])
    basis = spline_matrix(sed.time_knots, block.phase, sed.time_second)
    return replace(
        block, time_basis=basis, day_weights=weights[:, :, 0], weights=block.weights[:, :, :0]
    )


def _with_changes(weights: Tensor, begins: bool) -> Tensor:
    """Weights of a day beside their change to the next, a day before the first as well.

    Before the template begins there is no light, and the flux jumps; anywhere else the day before
    is not asked for.
    """
    change = torch.diff(weights, dim=2, append=weights[:, :, -1:])
    both = torch.cat([weights, change], -1)
    before = torch.zeros_like(both[:, :, :1]) if begins else both[:, :, :1]
    return torch.cat([before, both], 2)


def _sizes(slots: list[int], most: float) -> list[int]:
    """How many objects, of increasing numbers of slots, each piece takes."""
    sizes, size = [], 0
    for n_slots in slots:
        if size and (size + 1) * n_slots > most:
            sizes.append(size)
            size = 0
        size += 1
    return [*sizes, size]


def truncated_powers(sed: SEDModel) -> Tensor:
    """P of J_t(t) = [1, t, (t - τ_k)³₊] P, transposed: shape (K_t, M).

    The third derivative of the natural cubic spline jumps at its knots, and it is a straight line
    before the first.
    """
    knots, second = sed.time_knots, sed.time_second
    third = second.diff(dim=0) / knots.diff()[:, None]
    zero = third.new_zeros(1, third.shape[1])
    jumps = torch.cat([zero, third, zero]).diff(dim=0) / 6
    before = knots[0] - torch.tensor([1.0, 2.0], dtype=knots.dtype, device=knots.device)
    near, far = spline_matrix(knots, before, second)
    slope = near - far
    return torch.stack([near - slope * before[0], slope, *jumps]).T.contiguous()
