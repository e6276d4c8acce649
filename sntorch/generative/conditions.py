"""What a generator can be told about an object: its class and numbers such as the redshift.

Every property may be unknown. Properties that a user does not ask for are drawn as they are among
the training objects, their numbers by a smoothed bootstrap.

Letters in shapes: ``B`` objects, ``N`` training objects, ``P`` numbers an object.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from sntorch.data.batch import LightCurveBatch
from sntorch.errors import ConfigError
from sntorch.generative.codes import ConditionCodes
from sntorch.generative.properties import TYPE, numbers_of

# Objects from which one is chosen that is like another one.
FEWEST_SIMILAR = 10


class Conditions(ConditionCodes):
    """The properties of a training set, and their encoding for a network.

    Args:
        names: Properties: ``type``, ``redshift``, ``redshift_err``, ``mwebv``, and ``host_0``,
            ``host_1`` … for columns of ``LightCurveBatch.host``.
        classes: Names of the classes.
        label: Classes of the training objects, shape (N,), -1 where unknown.
        numbers: Numbers of the training objects in the order of ``names``, shape (N, P).
        moments: Mean and scale by which numbers are encoded, shape (2, P): those that networks
            were trained with; default: those of ``numbers``.
    """

    label: Tensor
    numbers: Tensor

    def __init__(
        self,
        names: Sequence[str],
        classes: Sequence[str],
        label: Tensor,
        numbers: Tensor,
        moments: Tensor | None = None,
    ) -> None:
        numbers = numbers.double()
        super().__init__(names, classes, _own_moments(numbers) if moments is None else moments)
        self.register_buffer("label", label)
        self.register_buffer("numbers", numbers)

    @classmethod
    def of(
        cls, names: Sequence[str], batch: LightCurveBatch, previous: Conditions | None = None
    ) -> Conditions:
        """The properties of training objects.

        Args:
            names: Properties.
            batch: Training objects.
            previous: Those that networks were trained with before: their classes and moments are
                kept, so that a code still means the same.

        Raises:
            ConfigError: An unknown property, one that no training object has, or a class that
                ``previous`` does not know.
        """
        number_names = [name for name in names if name != TYPE]
        numbers = numbers_of(batch, number_names)
        if TYPE in names and not bool((batch.label >= 0).any()):
            raise ConfigError(
                "condition type: no training object has a type; leave it out of model.conditions"
            )
        for name, values in zip(number_names, numbers.unbind(-1), strict=True):
            if not bool(values.isfinite().any()):
                raise ConfigError(
                    f"condition {name}: unknown for all training objects; leave it out of "
                    "model.conditions"
                )
        if previous is not None:
            return cls(names, previous.classes, *previous.read(batch), previous.moments)
        label = batch.label if TYPE in names else torch.full_like(batch.label, -1)
        return cls(names, batch.classes, label, numbers)

    @classmethod
    def from_state(
        cls,
        names: Sequence[str],
        classes: Sequence[str],
        state: Mapping[str, Tensor],
        prefix: str,
    ) -> Conditions:
        """The properties in saved tensors whose names start with ``prefix``."""
        tensors = (state[prefix + name] for name in ("label", "numbers", "moments"))
        return cls(names, classes, *tensors)

    @property
    def present(self) -> list[str]:
        """The classes that training objects have."""
        return [self.classes[k] for k in self.label.unique().tolist() if k >= 0]

    @property
    def range(self) -> tuple[Tensor, Tensor]:
        """Lowest and highest number of the training objects, each of shape (P,), on the CPU."""
        return _range(self.numbers.cpu())

    def members(self, condition: Mapping[str, Any]) -> Tensor:
        """Training objects of the class that a condition names, or all.

        Raises:
            ConfigError: A class that no training object has.
        """
        kind = condition.get(TYPE)
        if kind is None:
            return torch.arange(len(self.label))
        chosen = (self.label.cpu() == self._index(kind)).nonzero()[:, 0]
        if not len(chosen):
            raise ConfigError(f"type {kind}: the training set has {self._known_types()}")
        return chosen

    def asked(self, condition: Mapping[str, Any], n: int) -> dict[str, Tensor]:
        """What a user asked for: values (n,) by name, NaN or -1 for "unknown".

        Args:
            condition: Property to value, or one value an object; None for "unknown".
                ``extrapolate: true`` allows numbers outside the range of the training set.
            n: Number of objects.

        Raises:
            ConfigError: Another property, a wrong number of values, or values out of range.
        """
        options = dict(condition)
        extrapolate = bool(options.pop("extrapolate", False))
        unknown = sorted(set(options) - set(self.names))
        if unknown:
            known = ", ".join(self.names) or "no conditions"
            raise ConfigError(
                f"condition {', '.join(unknown)}: this generator was trained with {known}"
            )
        found: dict[str, Tensor] = {}
        for name, value in options.items():
            if name == TYPE:
                found[name] = torch.full((n,), -1 if value is None else self._index(value))
                continue
            found[name] = _values(name, value, n)
            if not extrapolate:
                self._check_range(name, found[name])
        return found

    def draw(self, picked: Tensor, noise: Tensor, members: Tensor) -> tuple[Tensor, Tensor]:
        """Classes and numbers like those of training objects, on the CPU.

        Args:
            picked: Training objects to be like, shape (B,).
            noise: Standard normal numbers for the smoothing, shape (B, P).
            members: Training objects whose spread sets its width.
        """
        known = self.numbers.cpu()
        low, high = self.range
        width = len(members) ** (-1 / 3)
        mean, spread = _moments(known[members])
        moved = (known[picked] - mean + width * spread * noise) / (1 + width**2) ** 0.5
        return self.label.cpu()[picked], (mean + moved).clamp(low, high)

    def similar(self, label: Tensor, numbers: Tensor, members: Tensor) -> tuple[Tensor, Tensor]:
        """Training objects like each of those described: the nearest tenth of its class, or all
        of it where there are no numbers.

        Args:
            label: Classes, shape (B,).
            numbers: Numbers, shape (B, P).
            members: Training objects to choose from, shape (N,).

        Returns:
            Those like each object, nearest first, shape (B, K), and how many of them count,
            shape (B,).
        """
        if not self.names:
            return members.expand(len(label), -1), torch.full((len(label),), len(members))
        ours, theirs = (self.scaled(x) for x in (numbers, self.numbers.cpu()[members]))
        distance = (ours[:, None] - theirs).square().sum(-1)
        # Other classes come last, whatever their numbers.
        other = (label[:, None] >= 0) & (label[:, None] != self.label.cpu()[members])
        distance = torch.where(other, torch.inf, distance) if self.has_type else distance
        tenth = max(FEWEST_SIMILAR, len(members) // 10) if self.number_names else len(members)
        near = distance.topk(min(tenth, len(members)), dim=1, largest=False)
        return members[near.indices], near.values.isfinite().sum(1).clamp(min=1)

    def nearest(self, numbers: Tensor, others: Tensor) -> Tensor:
        """Which other objects, with numbers (N, P), are nearest to each of numbers (B, P): the
        nearest tenth, shape (B, K), or all where there are no numbers.
        """
        if not self.number_names:
            return torch.arange(len(others)).expand(len(numbers), -1)
        ours, theirs = self.scaled(numbers), self.scaled(others)
        distance = (ours[:, None] - theirs).square().sum(-1)
        tenth = min(max(FEWEST_SIMILAR, len(others) // 10), len(others))
        return distance.topk(tenth, dim=1, largest=False).indices

    def replaced(
        self, label: Tensor, numbers: Tensor, asked: Mapping[str, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Classes (B,) and numbers (B, P) with the asked values (B,) in their places."""
        columns = [asked.get(name, numbers[:, p]) for p, name in enumerate(self.number_names)]
        label = asked.get(TYPE, label)
        return label, torch.stack(columns, dim=-1) if columns else numbers

    def _index(self, kind: Any) -> int:
        if kind not in self.classes:
            raise ConfigError(f"type {kind}: the training set has {self._known_types()}")
        return self.classes.index(kind)

    def _known_types(self) -> str:
        return ", ".join(self.present)

    def _check_range(self, name: str, values: Tensor) -> None:
        low, high = (edge[self.number_names.index(name)] for edge in self.range)
        outside = values[(values < low) | (values > high)]
        if len(outside):
            raise ConfigError(
                f"condition {name}={float(outside[0]):g}: the training set has {low:.4g} to "
                f"{high:.4g}; extrapolate: true in the condition goes beyond"
            )


def _own_moments(numbers: Tensor) -> Tensor:
    mean, spread = _moments(numbers)
    return torch.stack([mean, torch.where(spread > 0, spread, 1.0)])


def _moments(numbers: Tensor) -> tuple[Tensor, Tensor]:
    mean = numbers.nanmean(0)
    return mean, (numbers - mean).square().nanmean(0).sqrt()


def _range(numbers: Tensor) -> tuple[Tensor, Tensor]:
    known = numbers.isfinite()
    low = torch.where(known, numbers, torch.inf).amin(0)
    return low, torch.where(known, numbers, -torch.inf).amax(0)


def _values(name: str, value: Any, n: int) -> Tensor:
    """One value an object from a number, None or a sequence."""
    try:
        found = torch.as_tensor(torch.nan if value is None else value, dtype=torch.float64)
        return found.expand(n)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ConfigError(
            f"condition {name}={value}: a number, or {n} of them, is accepted"
        ) from error
