"""What a user asked a trained generator for, and what is drawn for each object.

Objects have streams of their own and are computed in chunks of one size and padding, so that
object i of a seed is the same to the last bit whatever the number of objects asked for.

Letters in shapes: ``B`` objects, ``L`` steps, ``F`` bands, ``T`` tokens, ``P`` numbers of the
condition, ``Z`` and ``E`` latent numbers an object and a step.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from sntorch.data.batch import LightCurveBatch
from sntorch.data.rows import LightCurveRows
from sntorch.errors import ConfigError, SntorchWarning
from sntorch.generative.base import Cadence, Seed, blank_batch
from sntorch.generative.conditions import Conditions
from sntorch.generative.encoding.base import observed, phase_of, usable_rows
from sntorch.generative.epochs import EpochPrior
from sntorch.generative.lengths import asked_counts, mask_from_counts
from sntorch.generative.noise import balanced, mix, object_noise
from sntorch.generative.sampling import check_options, chunks, seed_of

# Shift of the epochs, choice of them.
N_CHOICES = 2


@dataclass(frozen=True)
class TrainingObjects:
    """What a generator knows of its training objects beside their photometry.

    Attributes:
        bands: Names of the F bands.
        conditions: Their properties.
        epochs: Their cadences.
    """

    bands: tuple[str, ...]
    conditions: Conditions
    epochs: EpochPrior

    def source(
        self, zeropoint: float, t_ref: Tensor, label: Tensor, numbers: Tensor
    ) -> LightCurveBatch:
        """Objects without observations that have the properties that they are made for.

        Args:
            zeropoint: Zero point of the fluxes.
            t_ref: Reference times, MJD, shape (B,).
            label: Classes, shape (B,).
            numbers: Numbers of the condition, shape (B, P).
        """
        conditions = self.conditions
        blank = blank_batch(len(t_ref), self.bands, zeropoint, 0.0, t_ref.device)
        columns = dict(zip(conditions.number_names, numbers.unbind(-1), strict=True))
        known = {name: values for name, values in columns.items() if hasattr(blank, name)}
        if conditions.has_type:
            known["label"] = label
        return replace(blank, t_ref=t_ref, classes=conditions.classes, **known)


@dataclass(frozen=True)
class Request:
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


def check_request(
    known: TrainingObjects,
    n: int,
    lengths: Tensor | int | None,
    condition: Mapping[str, Any] | None,
    cadence: Cadence | None,
    seed: Seed,
    temperature: float,
    epoch_shift: float,
    usual: str,
) -> Request:
    """What ``GenerativeModel.sample`` was asked for.

    Epochs of training objects stay what they are, but the time of maximum moves by a random
    amount of ``epoch_shift`` days: surveys do not know when a supernova explodes.

    Args:
        known: The training objects.
        n: Number of objects, and so on as in ``GenerativeModel.sample``.
        lengths: Observations per band.
        condition: Property to value.
        cadence: Which epochs.
        seed: Seed of the draws.
        temperature: Scale of the latent noise.
        epoch_shift: Standard deviation of the shift of resampled epochs, days.
        usual: "generated" or "resampled": what no ``cadence`` stands for.

    Raises:
        ConfigError: Something that cannot be had, or that contradicts something else.
    """
    check_options(n, lengths, cadence)
    generated = (usual if cadence is None else cadence) == "generated"
    prior, asked = known.epochs, known.conditions.asked(condition or {}, n)
    counts = None if lengths is None else asked_counts(lengths, n, prior.counts.shape[1])
    if counts is not None and not generated:
        _check_bands(known, counts)
    given = _given(known, cadence) if isinstance(cadence, LightCurveBatch) else None
    every = given.counts if given is not None else prior.counts if counts is None else counts
    return Request(
        n=n,
        seed=seed_of(seed),
        members=known.conditions.members(condition or {}),
        counts=counts,
        given=given,
        generated=generated,
        asked=asked,
        temperature=temperature,
        epoch_shift=0.0 if given is not None or generated else epoch_shift,
        n_steps=int(every.max()),
        n_tokens=int(every.sum(-1).max()),
    )


def _check_bands(known: TrainingObjects, counts: Tensor) -> None:
    """Refuse epochs in a band in which no training object has any."""
    empty = counts.any(0) & ~known.epochs.counts.cpu().any(0)
    if bool(empty.any()):
        names = ", ".join(b for b, none in zip(known.bands, empty.tolist(), strict=True) if none)
        raise ConfigError(
            f"lengths: no training object has observations in {names}; 0 is accepted there"
        )


def draw_objects(
    request: Request, known: TrainingObjects, index: Tensor, n_latent: int, n_step_noise: int
) -> Draws:
    """The draws of some of the objects of a request, on the CPU."""
    n_objects = n_latent + N_CHOICES + len(known.conditions.number_names)
    noise = [
        object_noise(request.seed, i, n_objects, request.n_steps, n_step_noise)
        for i in index.tolist()
    ]
    objects, steps = (torch.stack(parts) for parts in zip(*noise, strict=True))
    latent, choices = objects[:, :n_latent], objects[:, n_latent:]
    picked, alike, label, numbers = _properties(request, known.conditions, index, choices)
    days, mask, t_ref = _epochs(request, known.epochs, index, picked, alike)
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
    make: Callable[[Draws], tuple[Tensor, Tensor, Tensor]],
) -> LightCurveRows:
    """The light curves that a request asks for.

    Args:
        request: What is asked for.
        known: The training objects.
        sizes: Latent numbers an object Z and a step E.
        zeropoint: Zero point of the fluxes.
        device: Where to compute.
        make: Phases, fluxes and errors, each (B, L, F), of some objects.
    """
    parts = []
    for index, count in chunks(request.n):
        draws = draw_objects(request, known, index, *sizes).to(device)
        kept = *make(draws), draws.mask, draws.t_ref, draws.label, draws.numbers
        parts.append([part[:count] for part in kept])
    days, flux, flux_err, mask, *objects = (torch.cat(part) for part in zip(*parts, strict=True))
    return observed(known.source(zeropoint, *objects), mask, days, flux, flux_err)


def _properties(
    request: Request, conditions: Conditions, index: Tensor, choices: Tensor
) -> tuple[Tensor, list[Tensor], Tensor, Tensor]:
    """Whose epochs and brightness an object gets (B,), training objects that are like it, its
    class (B,) and numbers (B, P).
    """
    places = [balanced(request.seed, i, len(request.members)) for i in index.tolist()]
    picked = request.members[torch.tensor(places)]
    drawn = conditions.draw(picked, choices[:, N_CHOICES:], request.members)
    asked = {name: values[index] for name, values in request.asked.items()}
    label, numbers = conditions.replaced(*drawn, asked)
    alike = conditions.similar(label, numbers, request.members)
    if conditions.names:
        picked = _picked(alike, torch.special.ndtr(choices[:, 1]))
    return picked, alike, label, numbers


def _picked(alike: list[Tensor], share: Tensor) -> Tensor:
    """One of the training objects that each object is like, shape (B,)."""
    places = [min(int(s * len(a)), len(a) - 1) for s, a in zip(share, alike, strict=True)]
    return torch.stack([own[place] for own, place in zip(alike, places, strict=True)])


def _epochs(
    request: Request, prior: EpochPrior, index: Tensor, picked: Tensor, alike: list[Tensor]
) -> tuple[Tensor | None, Tensor, Tensor]:
    """Phases, where they are imposed, the mask of the observations, and reference times.

    Epochs go with the properties (a distant supernova is detected for a shorter time), so they are
    those of similar training objects; of others than the properties, or both together would name
    an object that the networks have seen.
    """
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


def _given(known: TrainingObjects, cadence: LightCurveBatch) -> EpochPrior:
    """Epochs of the light curves whose cadence a user wants.

    Raises:
        ConfigError: Other bands than the generator's, or no observations.
    """
    if cadence.bands != known.bands:
        raise ConfigError(
            f"cadence in bands {', '.join(cadence.bands)}: this generator has "
            f"{', '.join(known.bands)}"
        )
    cadence = cadence.to("cpu")
    rows = usable_rows(cadence[cadence.t_ref.isfinite()])
    seen = rows.mask.flatten(1).any(1)
    if not bool(seen.any()):
        raise ConfigError("the cadence has no observation with a reference time")
    days = phase_of(rows)
    _warn_beyond(known.epochs, days[rows.mask])
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
