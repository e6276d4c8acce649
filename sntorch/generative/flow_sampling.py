"""From drawn numbers to light curves, by the networks of a flow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sntorch.data.rows import LightCurveRows
from sntorch.generative.draws import Draws, sample_objects
from sntorch.generative.flow import LightCurveFlow, Networks
from sntorch.generative.requests import Request
from sntorch.generative.tokens import TokenLayout

# The level of an object; value, error and time of each observation.
N_LATENT, N_STEP_NOISE = 1, 3
# Their tokens in a layer fit into the cache of a core: 1.6 times as fast as four times as many.
GROUP = 32


@dataclass(frozen=True)
class Drawing:
    """How light curves are drawn from a flow.

    Attributes:
        n_steps: Steps of the integration.
        guidance: Strength of classifier-free guidance.
        measurement: Whether the flow makes true fluxes.
        noiseless: Whether they are left without noise.
    """

    n_steps: int
    guidance: float
    measurement: bool
    noiseless: bool


def sample_flow(
    flow: LightCurveFlow,
    networks: Networks,
    request: Request,
    how: Drawing,
    device: torch.device,
) -> LightCurveRows:
    """The light curves that a request asks for.

    Args:
        flow: The fitted flow.
        networks: Its trained velocities.
        request: What is asked for.
        how: How the flow is integrated, and what is measured.
        device: Where to compute.
    """

    def make(draws: Draws) -> tuple[Tensor, Tensor, Tensor]:
        condition = flow.conditions(draws.label, draws.numbers)
        velocity = _guided(flow, networks, condition, how.guidance)
        days, flux, flux_err = _made(flow, velocity, draws, request.temperature, how.n_steps)
        if how.measurement and not how.noiseless:
            flux = flux + flux_err * draws.steps[..., N_STEP_NOISE * n_bands :]
        return days, flux, flux_err

    n_bands = len(flow.encoding.bands)
    sizes = N_LATENT, (N_STEP_NOISE + how.measurement) * n_bands
    zeropoint = flow.encoding.zeropoint
    return sample_objects(request, flow.objects, sizes, zeropoint, device, GROUP, make)


def _made(
    flow: LightCurveFlow, velocity: Networks, draws: Draws, temperature: float, n_steps: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Phases, fluxes and errors of some objects, each (B, L, F)."""
    layout = TokenLayout.of(draws.mask)
    noise = draws.steps[..., : N_STEP_NOISE * draws.mask.shape[-1]] * temperature
    parts = noise.unflatten(-1, (-1, N_STEP_NOISE)).unbind(-1)
    value, error, time = (layout.gather(part) for part in parts)
    days = draws.days
    if days is None:
        days = flow.make_epochs(velocity, layout, time, n_steps)
    start = draws.latent[:, 0], torch.stack([value, error], dim=-1)
    return days, *flow.make_photometry(velocity, days, layout, start, n_steps)


def _guided(
    flow: LightCurveFlow, networks: Networks, condition: Tensor, strength: float
) -> Callable[..., Tensor]:
    """Velocities under a condition, away from those without it where guidance is not 1."""
    if strength == 1 or not condition.shape[-1]:
        return lambda *inputs: networks(*inputs, condition)
    blank = flow.conditions.unknown(len(condition))

    def velocity(*inputs: Any) -> Tensor:
        return torch.lerp(networks(*inputs, blank), networks(*inputs, condition), strength)

    return velocity
