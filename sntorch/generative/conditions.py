"""What a generator can be told about an object: its class and numbers such as the redshift.

Every property may be unknown, in training too, where some are hidden at random (classifier-free
guidance, Ho & Salimans 2022, arXiv:2207.12598). Properties that a user does not ask for are drawn
as they are among the training objects, their numbers by a smoothed bootstrap.

Letters in shapes: ``B`` objects, ``N`` training objects, ``P`` numbers an object.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sntorch.data.batch import LightCurveBatch
from sntorch.errors import ConfigError

TYPE = "type"
COLUMNS = ("redshift", "redshift_err", "mwebv")
HOST = "host_"
# Objects from which one is chosen that is like another one.
FEWEST_SIMILAR = 10


class Conditions(nn.Module):
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
    moments: Tensor

    def __init__(
        self,
        names: Sequence[str],
        classes: Sequence[str],
        label: Tensor,
        numbers: Tensor,
        moments: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.names, self.classes = tuple(names), tuple(classes)
        self.register_buffer("label", label)
        self.register_buffer("numbers", numbers.double())
        self.register_buffer("moments", self._own_moments() if moments is None else moments)

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
        columns = {name: column(batch, name) for name in names if name != TYPE}
        if TYPE in names and not bool((batch.label >= 0).any()):
            raise ConfigError(
                "condition type: no training object has a type; leave it out of model.conditions"
            )
        for name, values in columns.items():
            if not bool(values.isfinite().any()):
                raise ConfigError(
                    f"condition {name}: unknown for all training objects; leave it out of "
                    "model.conditions"
                )
        if previous is not None:
            return cls(names, previous.classes, *previous.read(batch), previous.moments)
        label = batch.label if TYPE in names else torch.full_like(batch.label, -1)
        return cls(names, batch.classes, label, _stacked(columns, batch))

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
    def has_type(self) -> bool:
        """Whether the class is a condition."""
        return TYPE in self.names

    @property
    def number_names(self) -> list[str]:
        """The properties that are numbers."""
        return [name for name in self.names if name != TYPE]

    @property
    def present(self) -> list[str]:
        """The classes that training objects have."""
        return [self.classes[k] for k in self.label.unique().tolist() if k >= 0]

    @property
    def range(self) -> tuple[Tensor, Tensor]:
        """Lowest and highest number of the training objects, each of shape (P,), on the CPU."""
        return _range(self.numbers.cpu())

    @property
    def n_codes(self) -> int:
        """Numbers M of an encoded condition."""
        return (len(self.classes) + 1) * self.has_type + 2 * len(self.number_names)

    def read(self, batch: LightCurveBatch) -> tuple[Tensor, Tensor]:
        """Classes (B,), -1 where unknown or no condition, and numbers (B, P) of a batch.

        Raises:
            ConfigError: Objects of a class that is not among ``classes``.
        """
        columns = {name: column(batch, name) for name in self.number_names}
        return self._labels(batch), _stacked(columns, batch)

    def forward(self, label: Tensor, numbers: Tensor) -> Tensor:
        """Codes of shape (B, M): one of C + 1 for the class, then value and "unknown"."""
        codes = [self.scaled(numbers), (~numbers.isfinite()).double()]
        if self.has_type:
            place = torch.where(label < 0, len(self.classes), label)
            codes.append(nn.functional.one_hot(place, len(self.classes) + 1).double())
        return torch.cat(codes, dim=-1).float()

    def scaled(self, numbers: Tensor) -> Tensor:
        """Numbers (…, P) in units of their spread around their mean, 0 where unknown."""
        mean, scale = self.moments.to(numbers.device)
        return torch.where(numbers.isfinite(), (numbers - mean) / scale, 0.0)

    def unknown(self, n: int) -> Tensor:
        """Codes of ``n`` objects of which nothing is known, shape (n, M)."""
        label = torch.full((n,), -1, device=self.label.device)
        return self(label, self.numbers.new_full((n, self.numbers.shape[1]), torch.nan))

    def hide(self, label: Tensor, numbers: Tensor, share: float) -> tuple[Tensor, Tensor]:
        """The same with each property unknown for a random ``share`` of the objects, and all
        of them for another such share.
        """
        n, device = len(label), label.device
        hidden = torch.rand(n, numbers.shape[1] + 1, device=device) < share
        hidden = hidden | (torch.rand(n, 1, device=device) < share)
        return (
            torch.where(hidden[:, 0], -1, label),
            torch.where(hidden[:, 1:], torch.nan, numbers),
        )

    def blurred(self, numbers: Tensor, width: float) -> Tensor:
        """Numbers (B, P) moved by normal amounts of ``width`` times their spread."""
        return numbers + width * self.moments[1] * torch.randn_like(numbers)

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

    def _own_moments(self) -> Tensor:
        mean, spread = _moments(self.numbers)
        return torch.stack([mean, torch.where(spread > 0, spread, 1.0)])

    def _labels(self, batch: LightCurveBatch) -> Tensor:
        """Places in ``classes`` of the classes of a batch, shape (B,)."""
        if not self.has_type:
            return torch.full_like(batch.label, -1)
        if tuple(batch.classes) == self.classes:
            return batch.label
        present = [batch.classes[k] for k in batch.label.unique().tolist() if k >= 0]
        strange = sorted(set(present) - set(self.classes))
        if strange:
            raise ConfigError(
                f"type {', '.join(strange)}: the model that this one starts from knows "
                f"{', '.join(self.classes)}"
            )
        places = {name: k for k, name in enumerate(self.classes)}
        table = [places.get(name, -1) for name in batch.classes] + [-1]
        return torch.tensor(table, device=batch.label.device)[batch.label]

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


def column(batch: LightCurveBatch, name: str) -> Tensor:
    """A number of every object of a batch by its name, shape (B,).

    Raises:
        ConfigError: No such column.
    """
    if name in COLUMNS:
        return getattr(batch, name)
    place = name.removeprefix(HOST)
    if name.startswith(HOST) and place.isdigit() and int(place) < batch.host.shape[1]:
        return batch.host[:, int(place)]
    hosts = [f"{HOST}{i}" for i in range(batch.host.shape[1])]
    accepted = ", ".join((TYPE, *COLUMNS, *hosts))
    raise ConfigError(f"condition {name!r}: {accepted} are accepted for this data")


def _stacked(columns: Mapping[str, Tensor], batch: LightCurveBatch) -> Tensor:
    none = batch.time.new_zeros(len(batch), 0, dtype=torch.float64)
    return torch.stack(list(columns.values()), dim=-1).double() if columns else none


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
