"""What a user asked a trained generator for, checked against what it knows.

Letters in shapes: ``B`` objects, ``L`` steps, ``F`` bands, ``P`` numbers of the condition.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from sntorch.data.batch import LightCurveBatch
from sntorch.errors import ConfigError, SntorchWarning
from sntorch.generative.base import Cadence, Seed, blank_batch
from sntorch.generative.conditions import Conditions
from sntorch.generative.donors import Donors
from sntorch.generative.encoding.base import phase_of, usable_rows
from sntorch.generative.epochs import Cadences, EpochPrior
from sntorch.generative.lengths import asked_counts, mask_from_counts
from sntorch.generative.sampling import check_options, seed_of


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

    @classmethod
    def of(
        cls,
        names: Sequence[str],
        batch: LightCurveBatch,
        mask: Tensor,
        previous: TrainingObjects | None = None,
    ) -> TrainingObjects:
        """What is known of training objects, each of which has an observation.

        Args:
            names: Properties to condition on.
            batch: The objects.
            mask: The observations to learn from, shape (B, L, F).
            previous: Of a model whose codes of conditions are kept.

        Raises:
            DataError: No objects, or one without observations.
            ConfigError: A property that the objects do not have.
        """
        known = None if previous is None else previous.conditions
        conditions = Conditions.of(names, batch, known)
        days = torch.where(mask, phase_of(usable_rows(batch)), 0.0)
        return cls(batch.bands, conditions, EpochPrior(days, mask.sum(1), batch.t_ref))

    @classmethod
    def from_state(
        cls,
        names: Sequence[str],
        found: Mapping[str, Any],
        state: Mapping[str, Tensor],
        prefix: str = "",
    ) -> TrainingObjects:
        """What is known of them in a saved model.

        Args:
            names: Properties to condition on.
            found: Its description, with ``bands`` and ``classes``.
            state: Its tensors, by the names of the ``state_dict``.
            prefix: What the names of ``conditions`` and ``epochs`` start with.
        """
        conditions = Conditions.from_state(names, found["classes"], state, f"{prefix}conditions.")
        epochs = EpochPrior.from_state(state, f"{prefix}epochs.")
        return cls(tuple(found["bands"]), conditions, epochs)

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
        cadences: Epochs of the training objects and of donors, to make new ones from.
        donors: Other objects of the survey, whose epochs come after those in ``cadences``.
        given: Light curves whose epochs to use in turn, or None.
        generated: Whether the model makes the epochs.
        asked: Values of properties, shape (n,), by name.
        temperature: Scale of the latent noise.
        epoch_shift: Standard deviation of the shift of resampled epochs, days.
        n_steps: Length L of the padded rows.
    """

    n: int
    seed: int
    members: Tensor
    counts: Tensor | None
    cadences: Cadences
    donors: Donors | None
    given: EpochPrior | None
    generated: bool
    asked: Mapping[str, Tensor]
    temperature: float
    epoch_shift: float
    n_steps: int


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
    donors: Donors | None,
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
        donors: Other objects of the survey, to borrow epochs from.

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
        cadences=prior.cadences(donors),
        donors=donors,
        given=given,
        generated=generated,
        asked=asked,
        temperature=temperature,
        epoch_shift=0.0 if given is not None or generated else epoch_shift,
        n_steps=int(every.max()),
    )


def _check_bands(known: TrainingObjects, counts: Tensor) -> None:
    """Refuse epochs in a band in which no training object has any."""
    empty = counts.any(0) & ~known.epochs.counts.cpu().any(0)
    if bool(empty.any()):
        names = ", ".join(b for b, none in zip(known.bands, empty.tolist(), strict=True) if none)
        raise ConfigError(
            f"lengths: no training object has observations in {names}; 0 is accepted there"
        )


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
