"""A supernova's magnitudes as a linear function of its parameters, around a reference.

The magnitude of a band is an average over it of W + A, nearly: with the share p_q of the light at
each node of the band's quadrature, at a reference SED,

    m_j ≈ m_ref,j + Σ_q p_jq [ΔW(λ_q, t_j) + ΔA(λ_q)] + ΔDs,

second order terms are some mmag. That is no model of the data: it gives the coordinates in which
the exact one is sampled (``conditional``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from sntorch.bayesn.likelihood import Likelihood
from sntorch.physics.extinction import DustCurve
from sntorch.physics.photometry import FLUXCAL_ZEROPOINT, LN
from sntorch.physics.sed import SEDModel
from sntorch.physics.splines import spline_matrix

# Days over which the slope in time is taken: over a day of the template, which is kinked.
HALF_STEP = 0.5
# The reference may be far from a faint observation, whose magnitude then says nothing.
LARGEST_PULL = 3.0


@dataclass(eq=False)
class Reference:
    """Where to linearise: shapes (S, K_l, K_t) and (S,).

    Attributes:
        warp: W at the knots, mag.
        av, rv: Host dust.
        grey: M0 + Ds, mag.
        tmax: Rest-frame day of maximum.
    """

    warp: Tensor
    av: Tensor
    rv: Tensor
    grey: Tensor
    tmax: Tensor


@dataclass(eq=False)
class Linearised:
    """The linear model of S supernovae, O observations each, in units of their errors.

    Attributes:
        constant: Observed magnitude minus the part that no parameter changes, shape (S, O).
        grey: Derivative by Ds, shape (S, O).
        warp: Derivatives by W at the knots, shape (S, O, K_l, K_t).
        dust: Derivatives by the anchors of the dust law over R_V, times 1/A_V, shape (S, O, 9).
        tmax: Derivative by t_max, shape (S, O).
        av: A_V of the reference, shape (S,).
        at_tmax: t_max of the reference, rest-frame days, shape (S,).
    """

    constant: Tensor
    grey: Tensor
    warp: Tensor
    dust: Tensor
    tmax: Tensor
    av: Tensor
    at_tmax: Tensor

    def take(self, index: Tensor) -> Linearised:
        """The chosen supernovae, without columns in which none has an observation."""
        part = {f.name: getattr(self, f.name)[index] for f in fields(self)}
        used = (part["grey"] > 0).any(0)
        return Linearised(**{k: v[:, used] if v.ndim > 1 else v for k, v in part.items()})

    def without_grey(self, grey: float) -> Linearised:
        """The same with a constant magnitude, of M0 say, taken from the observations."""
        return replace(self, constant=self.constant - grey * self.grey)


def linearise(likelihood: Likelihood, sed: SEDModel, at: Reference) -> Linearised:
    """The linear model around a reference.

    Args:
        likelihood: Of the supernovae; t_max held at 0 or free.
        sed: Its SED model.
        at: The reference.
    """
    block = likelihood.block
    law = DustCurve(likelihood.nodes.flatten(1))
    rows = law.rows.unflatten(1, likelihood.nodes.shape[1:])
    curve = law(at.rv[:, None]).squeeze(1).unflatten(-1, likelihood.nodes.shape[1:])
    along = block.wave_basis @ at.warp[:, None]
    dust = at.av[:, None, None] * curve

    def light(tmax: Tensor) -> Tensor:
        phase = block.phase - tmax[:, None, None]
        basis = spline_matrix(sed.time_knots, phase, sed.time_second)
        exponent = basis @ along.transpose(-1, -2) + dust[:, :, None]
        return likelihood.day_weights(phase) * torch.exp(-LN * exponent)

    of_node = light(at.tmax)
    total = of_node.sum(-1).clamp(min=torch.finfo(of_node.dtype).tiny)
    share = of_node / total[..., None]
    time = spline_matrix(sed.time_knots, block.phase - at.tmax[:, None, None], sed.time_second)
    mean_basis = share @ block.wave_basis
    by_warp = mean_basis[..., :, None] * time[..., None, :]
    by_anchors = share @ rows
    by_av = (share * curve[:, :, None]).sum(-1)
    slope = _slope(likelihood, light, at.tmax)
    value, error = _in_magnitudes(likelihood, total, at.grey)
    linear = (by_warp * at.warp[:, None, None]).sum((-1, -2))
    linear = linear + at.av[:, None, None] * by_av + slope * at.tmax[:, None, None]
    constant = value + total.log() / LN + linear
    weight = torch.where(block.inverse_variance > 0, 1 / error, 0.0)

    # Observations first, padding last.
    order = (weight.flatten(1) == 0).to(torch.int8).argsort(dim=1, stable=True)

    def flat(x: Tensor) -> Tensor:
        weighted = (x * weight.reshape(*weight.shape, *[1] * (x.ndim - 3))).flatten(1, 2)
        index = order.reshape(*order.shape, *[1] * (weighted.ndim - 2))
        return weighted.gather(1, index.expand_as(weighted))

    return Linearised(
        constant=flat(constant),
        grey=flat(torch.ones_like(weight)),
        warp=flat(by_warp),
        dust=flat(by_anchors),
        tmax=flat(slope),
        av=at.av,
        at_tmax=at.tmax,
    )


def _slope(likelihood: Likelihood, light: Callable[[Tensor], Tensor], tmax: Tensor) -> Tensor:
    """Derivative of the magnitude by t_max, shape (S, F, T); 0 where t_max is held."""
    if likelihood.block.day_weights is not None:
        return torch.zeros_like(likelihood.block.phase)
    after, before = (light(tmax + step).sum(-1) for step in (HALF_STEP, -HALF_STEP))
    least = torch.finfo(after.dtype).tiny
    return (before.clamp(min=least).log() - after.clamp(min=least).log()) / (2 * HALF_STEP * LN)


def _in_magnitudes(likelihood: Likelihood, total: Tensor, grey: Tensor) -> tuple[Tensor, Tensor]:
    """Observations as magnitudes without the flux's zero point, and their errors, (S, F, T).

    A flux becomes the magnitude at which the line through the reference meets it.
    """
    block = likelihood.block
    error = block.inverse_variance.clamp(min=1e-300).rsqrt()
    if block.magnitudes:
        return block.value - FLUXCAL_ZEROPOINT, error
    flux = total * torch.exp(-LN * grey)[:, None, None]
    pull = ((flux - block.value) / flux).clamp(-LARGEST_PULL, LARGEST_PULL)
    reference = -flux.log() / LN
    return reference + pull / LN, error / (LN * flux)
