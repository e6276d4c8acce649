"""What a user asked a flow for, and what is drawn for each object.

As for the GAN (``sampling.py``), objects have streams of their own and are computed in chunks of
one size and padding, so that object i of a seed does not depend on how many are asked for.

Letters in shapes: ``B`` objects, ``L`` steps, ``F`` bands, ``T`` tokens, ``P`` numbers of the
condition.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from sntorch.data.batch import LightCurveBatch
from sntorch.errors import ConfigError, SntorchWarning
from sntorch.generative.base import Cadence
from sntorch.generative.encoding.base import phase_of, usable_rows
from sntorch.generative.epochs import EpochPrior
from sntorch.generative.flow import LightCurveFlow
from sntorch.generative.noise import balanced, mix, object_noise
from sntorch.generative.prior import asked_counts, mask_from_counts
from sntorch.generative.sampling import check_options

# Level, shift of the epochs, choice of them; value, error and time of each observation.
N_OBJECT_NOISE, N_STEP_NOISE = 3, 3


@dataclass(frozen=True)
class FlowRequest:
    """What a user asked for, checked.

    Attributes:
        n: Number of objects.
        seed: Seed of the draws.
        members: Training objects to be like.
        counts: Observations per band, shape (n, F), or None to take those of a training object.
        given: Light curves whose epochs to use in turn, or None.
        generated: Whether the model makes the epochs.
        asked: Values of properties, shape (n,), by name.
        temperature: Scale of the latent noise.
        epoch_shift: Standard deviation of the shift of resampled epochs, days.
        n_steps: Length L of the padded rows.
        n_tokens: Length T of the padded tokens.
    """

    n: int
    seed: int
    members: Tensor
    counts: Tensor | None
    given: EpochPrior | None
    generated: bool
    asked: Mapping[str, Tensor]
    temperature: float
    epoch_shift: float
    n_steps: int
    n_tokens: int


@dataclass(frozen=True)
class FlowDraws:
    """Everything random about some objects.

    Attributes:
        objects: Latent noise of the level, shape (B,).
        steps: Latent noise of value, error and time, shape (B, L, F, 3).
        days: Phases, shape (B, L, F), or None where the model makes them.
        mask: Observations to make, shape (B, L, F).
        t_ref: Reference times, MJD, shape (B,).
        label: Classes, shape (B,).
        numbers: Numbers of the condition, shape (B, P).
    """

    objects: Tensor
    steps: Tensor
    days: Tensor | None
    mask: Tensor
    t_ref: Tensor
    label: Tensor
    numbers: Tensor


def flow_request(
    flow: LightCurveFlow,
    n: int,
    lengths: Tensor | int | None,
    condition: Mapping[str, Any] | None,
    cadence: Cadence | None,
    seed: int | None,
    temperature: float,
    epoch_shift: float,
) -> FlowRequest:
    """What ``GenerativeModel.sample`` was asked for.

    Epochs of training objects stay what they are, but the time of maximum moves by a random
    amount of ``epoch_shift`` days: surveys do not know when a supernova explodes.

    Raises:
        ConfigError: Something that cannot be had, or that contradicts something else.
    """
    check_options(n, lengths, cadence)
    generated = cadence == "generated" if isinstance(cadence, str) else False
    if generated and not flow.learns_epochs:
        raise ConfigError(
            "cadence generated: this flow was trained with learn_epochs=false and takes the "
            "epochs of training objects (resampled) or given ones"
        )
    prior, asked = flow.epochs, flow.conditions.asked(condition or {}, n)
    counts = None if lengths is None else asked_counts(lengths, n, prior.counts.shape[1])
    given = _given(flow, cadence) if isinstance(cadence, LightCurveBatch) else None
    every = given.counts if given is not None else prior.counts if counts is None else counts
    return FlowRequest(
        n=n,
        seed=int(torch.randint(2**31, ())) if seed is None else int(seed),
        members=flow.conditions.members(condition or {}),
        counts=counts,
        given=given,
        generated=generated,
        asked=asked,
        temperature=temperature,
        epoch_shift=0.0 if given is not None or generated else epoch_shift,
        n_steps=int(every.max()),
        n_tokens=int(every.sum(-1).max()),
    )


def draw_objects(request: FlowRequest, flow: LightCurveFlow, index: Tensor) -> FlowDraws:
    """The draws of some of the objects of a request, on the CPU."""
    n_bands, n_numbers = flow.epochs.counts.shape[1], flow.conditions.numbers.shape[1]
    sizes = N_OBJECT_NOISE + n_numbers, request.n_steps, N_STEP_NOISE * n_bands
    noise = [object_noise(request.seed, i, *sizes) for i in index.tolist()]
    objects = torch.stack([latent for latent, _ in noise])
    steps = torch.stack([step for _, step in noise]).unflatten(-1, (n_bands, N_STEP_NOISE))
    alike, label, numbers = _properties(request, flow, index, objects)
    share = torch.special.ndtr(objects[:, 2])
    days, mask, t_ref = _epochs(request, flow.epochs, index, alike, share)
    shift = request.epoch_shift * objects[:, 1].double()
    return FlowDraws(
        objects[:, 0] * request.temperature,
        steps * request.temperature,
        None if days is None else days - shift[:, None, None],
        mask,
        t_ref + shift,
        label,
        numbers,
    )


def _properties(
    request: FlowRequest, flow: LightCurveFlow, index: Tensor, objects: Tensor
) -> tuple[list[Tensor], Tensor, Tensor]:
    """Training objects that each one is like, its class (B,) and numbers (B, P)."""
    places = [balanced(request.seed, i, len(request.members)) for i in index.tolist()]
    picked = request.members[torch.tensor(places)]
    drawn = flow.conditions.draw(picked, objects[:, N_OBJECT_NOISE:], request.members)
    asked = {name: values[index] for name, values in request.asked.items()}
    label, numbers = flow.conditions.replaced(*drawn, asked)
    return flow.conditions.similar(label, numbers, request.members), label, numbers


def _epochs(
    request: FlowRequest, prior: EpochPrior, index: Tensor, alike: list[Tensor], share: Tensor
) -> tuple[Tensor | None, Tensor, Tensor]:
    """Phases, where they are imposed, the mask of the observations, and reference times.

    Epochs go with the properties (a distant supernova is detected for a shorter time), so they are
    those of similar training objects; of others than the properties, or both together would name
    an object that the networks have seen.
    """
    picked = _picked(alike, share)
    if request.given is not None:
        prior, picked = request.given, index % len(request.given)
    t_ref, counts = prior.t_ref.cpu()[picked], prior.counts.cpu()[picked]
    if request.counts is not None:
        counts = request.counts[index]
    if request.generated or request.given is not None:
        days = None if request.generated else _padded(prior.days.cpu()[picked], request.n_steps)
        return days, mask_from_counts(counts, request.n_steps), t_ref
    streams = (torch.Generator().manual_seed(mix(request.seed, i, 1)) for i in index.tolist())
    epochs = [
        prior.spliced(member, near, stream)
        if request.counts is None
        else prior.combined(member, count, stream)
        for member, near, count, stream in zip(
            picked.tolist(), alike, counts, streams, strict=True
        )
    ]
    return *_stacked(epochs, request.n_steps), t_ref


def _picked(alike: list[Tensor], share: Tensor) -> Tensor:
    """One of the training objects that each object is like, shape (B,)."""
    places = [min(int(s * len(a)), len(a) - 1) for s, a in zip(share, alike, strict=True)]
    return torch.stack([own[place] for own, place in zip(alike, places, strict=True)])


def _stacked(epochs: list[list[Tensor]], n_steps: int) -> tuple[Tensor, Tensor]:
    """Days of each object and band as phases (B, L, F), 0 where padded, and their mask."""
    counts = torch.tensor([[len(days) for days in bands] for bands in epochs])
    mask = mask_from_counts(counts, n_steps)
    days = torch.zeros(mask.shape, dtype=torch.float64)
    for own, bands in zip(days, epochs, strict=True):
        for f, values in enumerate(bands):
            own[: len(values), f] = values
    return days, mask


def _padded(days: Tensor, n_steps: int) -> Tensor:
    return pad(days, (0, 0, 0, n_steps - days.shape[1]))[:, :n_steps]


def _given(flow: LightCurveFlow, cadence: LightCurveBatch) -> EpochPrior:
    """Epochs of the light curves whose cadence a user wants.

    Raises:
        ConfigError: Other bands than the generator's, or no observations.
    """
    if cadence.bands != flow.encoding.bands:
        raise ConfigError(
            f"cadence in bands {', '.join(cadence.bands)}: this generator has "
            f"{', '.join(flow.encoding.bands)}"
        )
    cadence = cadence.to("cpu")
    rows = usable_rows(cadence[cadence.t_ref.isfinite()])
    seen = rows.mask.flatten(1).any(1)
    if not bool(seen.any()):
        raise ConfigError("the cadence has no observation with a reference time")
    days = phase_of(rows)
    _warn_beyond(flow.epochs, days[rows.mask])
    return EpochPrior(days[seen], rows.mask.sum(1)[seen], rows.source.t_ref[seen])


def _warn_beyond(prior: EpochPrior, days: Tensor) -> None:
    """Say how many epochs lie where no training object has any."""
    known = prior.days[mask_from_counts(prior.counts, prior.days.shape[1])]
    low, high = float(known.min()), float(known.max())
    beyond = int(((days < low) | (days > high)).sum())
    if beyond:
        warnings.warn(
            f"cadence: {beyond} of {len(days)} epochs lie outside the phases of the training set, "
            f"{low:.0f} to {high:.0f} days; photometry there is extrapolated",
            SntorchWarning,
            stacklevel=2,
        )
