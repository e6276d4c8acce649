"""What is drawn for each object that a user asked for, and light curves from it.

Objects have streams of their own and are computed beside the same others, padded to the same
length, so that object i of a seed is the same to the last bit whatever the number of objects asked
for. That holds for default requests: lengths, properties or epochs given an object each say who is
computed beside whom and how far rows are padded, and the last bits may differ with their number.

Letters in shapes: ``B`` objects, ``L`` steps, ``F`` bands, ``P`` numbers of the condition, ``Z``
and ``E`` latent numbers an object and a step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from sntorch.data.rows import LightCurveRows
from sntorch.generative.conditions import Conditions
from sntorch.generative.encoding.base import observed
from sntorch.generative.epochs import N_SPLICING
from sntorch.generative.lengths import mask_from_counts
from sntorch.generative.noise import balanced, mix, object_noise, object_uniforms
from sntorch.generative.requests import Request, TrainingObjects
from sntorch.generative.sampling import GROUPS, chunks, groups
from sntorch.nn.groups import on_threads

# Shift of the epochs, choice of them.
N_CHOICES = 2
# Names the stream of what decides a splice.
SPLICING = 2


@dataclass(frozen=True)
class Draws:
    """Everything random about some objects.

    Attributes:
        latent: Latent noise of each object, shape (B, Z), scaled by the temperature.
        steps: Noise of each step, shape (B, L, E), standard normal.
        picked: Training objects whose epochs and brightness are taken, shape (B,).
        days: Phases, shape (B, L, F), or None where the model makes them.
        mask: Observations to make, shape (B, L, F).
        t_ref: Reference times, MJD, shape (B,).
        label: Classes, shape (B,).
        numbers: Numbers of the condition, shape (B, P).
    """

    latent: Tensor
    steps: Tensor
    picked: Tensor
    days: Tensor | None
    mask: Tensor
    t_ref: Tensor
    label: Tensor
    numbers: Tensor

    def to(self, device: torch.device) -> Draws:
        """The same on a device."""
        moved = {k: None if v is None else v.to(device) for k, v in vars(self).items()}
        return Draws(**moved)  # pyright: ignore[reportArgumentType]

    def __getitem__(self, members: Tensor) -> Draws:
        """Some of the objects, without the steps in which none of them has an observation."""
        chosen = {k: None if v is None else v[members] for k, v in vars(self).items()}
        n_steps = int(self.mask[members].any(-1).sum(1).max())
        by_step = {k: chosen[k] for k in ("steps", "days", "mask")}
        shorter = {k: v[:, :n_steps] for k, v in by_step.items() if v is not None}
        return Draws(**(chosen | shorter))  # pyright: ignore[reportArgumentType]


def draw_objects(
    request: Request, known: TrainingObjects, index: Tensor, n_latent: int, n_step_noise: int
) -> Draws:
    """The draws of some of the objects of a request, on the CPU."""
    n_objects = n_latent + N_CHOICES + len(known.conditions.number_names)
    sizes = n_objects, request.n_steps, n_step_noise
    objects, steps = object_noise(request.seed, index, *sizes)
    latent, choices = objects[:, :n_latent], objects[:, n_latent:]
    picked, alike, label, numbers = _properties(request, known.conditions, index, choices)
    days, mask, t_ref = _epochs(request, known, index, picked, alike, numbers)
    shift = request.epoch_shift * choices[:, 0].double()
    return Draws(
        latent * request.temperature,
        steps,
        picked,
        None if days is None else days - shift[:, None, None],
        mask,
        t_ref + shift,
        label,
        numbers,
    )


def sample_objects(
    request: Request,
    known: TrainingObjects,
    sizes: tuple[int, int],
    zeropoint: float,
    device: torch.device,
    group: int,
    make: Callable[[Draws], tuple[Tensor, Tensor, Tensor]],
) -> LightCurveRows:
    """The light curves that a request asks for.

    Args:
        request: What is asked for.
        known: The training objects.
        sizes: Latent numbers an object Z and a step E.
        zeropoint: Zero point of the fluxes.
        device: Where to compute.
        group: Objects that are computed together on a CPU.
        make: Phases, fluxes and errors, each (B, L, F), of some objects. On a CPU it is called by
            as many threads as PyTorch has.
    """

    def made(index: Tensor, count: int) -> list[Tensor]:
        """The photometry and properties of a chunk, of which so many objects are asked for."""
        draws = draw_objects(request, known, index, *sizes).to(device)
        columns = draws.t_ref.new_zeros(3, *draws.mask.shape)
        for members in groups(draws.mask, group):
            # Groups in which nobody was asked for are left out.
            if int(members.min()) < count:
                found = torch.stack(make(draws[members]))
                columns[:, members, : found.shape[2]] = found
        kept = *columns, draws.mask, draws.t_ref, draws.label, draws.numbers
        return [part[:count] for part in kept]

    calls = list(chunks(request.n, GROUPS * group))
    beside = device.type == "cpu"
    parts = on_threads(made, calls) if beside else [made(*call) for call in calls]
    days, flux, flux_err, mask, *objects = (torch.cat(part) for part in zip(*parts, strict=True))
    return observed(known.source(zeropoint, *objects), mask, days, flux, flux_err)


def _properties(
    request: Request, conditions: Conditions, index: Tensor, choices: Tensor
) -> tuple[Tensor, tuple[Tensor, Tensor], Tensor, Tensor]:
    """Whose epochs and brightness an object gets (B,), training objects that are like it (as
    ``Conditions.similar`` says), its class (B,) and numbers (B, P).
    """
    picked = request.members[balanced(request.seed, index, len(request.members))]
    drawn = conditions.draw(picked, choices[:, N_CHOICES:], request.members)
    place = index.clamp(max=request.n - 1)
    asked = {name: values[place] for name, values in request.asked.items()}
    label, numbers = conditions.replaced(*drawn, asked)
    alike = conditions.similar(label, numbers, request.members)
    if conditions.names:
        picked = _picked(alike, torch.special.ndtr(choices[:, 1]))
    return picked, alike, label, numbers


def _picked(alike: tuple[Tensor, Tensor], share: Tensor) -> Tensor:
    """One of the training objects that each object is like, shape (B,)."""
    members, count = alike
    place = (share * count).long().minimum(count - 1)
    return members.gather(1, place[:, None])[:, 0]


def _epochs(
    request: Request,
    known: TrainingObjects,
    index: Tensor,
    picked: Tensor,
    alike: tuple[Tensor, Tensor],
    numbers: Tensor,
) -> tuple[Tensor | None, Tensor, Tensor]:
    """Phases, where they are imposed, the mask of the observations, and reference times.

    Epochs go with the properties (a distant supernova is detected for a shorter time), so they are
    those of similar training objects; of others than the properties, or both together would name
    an object that the networks have seen.
    """
    prior = known.epochs
    if request.given is not None:
        prior, picked = request.given, index % len(request.given)
    t_ref, counts = prior.t_ref.cpu()[picked], prior.counts.cpu()[picked]
    if request.counts is not None:
        counts = request.counts[index.clamp(max=request.n - 1)]
    if request.generated or request.given is not None:
        days = None if request.generated else _padded(prior.days.cpu()[picked], request.n_steps)
        return days, mask_from_counts(counts, request.n_steps), t_ref
    if request.counts is None:
        noise = object_uniforms(mix(request.seed, SPLICING), index, 1 + N_SPLICING)
        if request.donors is not None:
            picked, alike = _borrowed(request, known, picked, numbers, noise[:, 0])
        days, counts = request.cadences.spliced(picked, alike, noise[:, 1:])
        mask = mask_from_counts(counts, request.n_steps)
        return torch.where(mask, days[:, : request.n_steps], 0.0), mask, t_ref
    streams = (torch.Generator().manual_seed(mix(request.seed, i, 1)) for i in index.tolist())
    epochs = [
        request.cadences.combined(member, count, stream)
        for member, count, stream in zip(picked.tolist(), counts, streams, strict=True)
    ]
    return *_stacked(epochs, request.n_steps), t_ref


def _borrowed(
    request: Request, known: TrainingObjects, picked: Tensor, numbers: Tensor, noise: Tensor
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Who begins each cadence, shape (B,), and who may end it: donors with numbers like it."""
    assert request.donors is not None
    near = known.conditions.nearest(numbers, request.donors.numbers.cpu()) + len(known.epochs)
    size = near.shape[1]
    place = (noise * size).long().clamp(max=size - 1)
    first = near.gather(1, place[:, None])[:, 0]
    return request.cadences.begun(picked, first), (near, torch.full_like(picked, size))


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
