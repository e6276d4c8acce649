"""From drawn numbers to light curves, by the networks of a flow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from sntorch.data.batch import LightCurveBatch
from sntorch.data.rows import LightCurveRows
from sntorch.generative.base import blank_batch
from sntorch.generative.encoding.base import observed
from sntorch.generative.flow import LightCurveFlow, Networks
from sntorch.generative.flow_requests import FlowDraws, FlowRequest, draw_objects
from sntorch.generative.sampling import chunks
from sntorch.generative.tokens import TokenLayout


def sample_flow(
    flow: LightCurveFlow,
    networks: Networks,
    request: FlowRequest,
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
    parts = []
    for index, count in chunks(request.n):
        draws = _on(device, draw_objects(request, flow, index))
        velocity = _guided(flow, networks, flow.conditions(draws.label, draws.numbers), guidance)
        made = _made(flow, velocity, draws, request.n_tokens, n_steps)
        kept = *made, draws.mask, draws.t_ref, draws.label, draws.numbers
        parts.append([part[:count] for part in kept])
    days, flux, flux_err, mask, *objects = (torch.cat(part) for part in zip(*parts, strict=True))
    return observed(_source(flow, *objects), mask, days, flux, flux_err)


def _made(
    flow: LightCurveFlow, velocity: Networks, draws: FlowDraws, n_tokens: int, n_steps: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Phases, fluxes and errors of some objects, each (B, L, F)."""
    layout = TokenLayout.of(draws.mask, n_tokens)
    value, error, time = (layout.gather(noise) for noise in draws.steps.unbind(-1))
    days = draws.days
    if days is None:
        days = flow.make_epochs(velocity, layout, time, n_steps)
    noise = draws.objects, torch.stack([value, error], dim=-1)
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


def _source(
    flow: LightCurveFlow, t_ref: Tensor, label: Tensor, numbers: Tensor
) -> LightCurveBatch:
    """The generated objects, with the properties that they were made for."""
    conditions, zeropoint = flow.conditions, flow.encoding.zeropoint
    blank = blank_batch(len(t_ref), flow.encoding.bands, zeropoint, 0.0, t_ref.device)
    columns = dict(zip(conditions.number_names, numbers.unbind(-1), strict=True))
    known = {name: values for name, values in columns.items() if hasattr(blank, name)}
    if conditions.has_type:
        known["label"] = label
    return replace(blank, t_ref=t_ref, classes=conditions.classes, **known)


def _on(device: torch.device, draws: FlowDraws) -> FlowDraws:
    moved = {k: None if v is None else v.to(device) for k, v in vars(draws).items()}
    return FlowDraws(**moved)  # pyright: ignore[reportArgumentType]
