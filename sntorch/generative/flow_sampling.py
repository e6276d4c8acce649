"""From drawn numbers to light curves, by the networks of a flow."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from sntorch.data.rows import LightCurveRows
from sntorch.generative.flow import LightCurveFlow, Networks
from sntorch.generative.requests import Draws, Request, sample_objects
from sntorch.generative.tokens import TokenLayout

# The level of an object; value, error and time of each observation.
N_LATENT, N_STEP_NOISE = 1, 3


def sample_flow(
    flow: LightCurveFlow,
    networks: Networks,
    request: Request,
    n_steps: int,
    guidance: float,
    device: torch.device,
) -> LightCurveRows:
    """The light curves that a request asks for.

    Args:
        flow: The fitted flow.
        networks: Its trained velocities.
        request: What is asked for.
        n_steps: Steps of the integration.
        guidance: Strength of classifier-free guidance.
        device: Where to compute.
    """

    def make(draws: Draws) -> tuple[Tensor, Tensor, Tensor]:
        velocity = _guided(flow, networks, flow.conditions(draws.label, draws.numbers), guidance)
        return _made(flow, velocity, draws, request, n_steps)

    sizes = N_LATENT, N_STEP_NOISE * len(flow.encoding.bands)
    return sample_objects(request, flow.objects, sizes, flow.encoding.zeropoint, device, make)


def _made(
    flow: LightCurveFlow, velocity: Networks, draws: Draws, request: Request, n_steps: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Phases, fluxes and errors of some objects, each (B, L, F)."""
    layout = TokenLayout.of(draws.mask, request.n_tokens)
    steps = draws.steps.unflatten(-1, (-1, N_STEP_NOISE)) * request.temperature
    value, error, time = (layout.gather(noise) for noise in steps.unbind(-1))
    days = draws.days
    if days is None:
        days = flow.make_epochs(velocity, layout, time, n_steps)
    noise = draws.latent[:, 0], torch.stack([value, error], dim=-1)
    return days, *flow.make_photometry(velocity, days, layout, noise, n_steps)


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
