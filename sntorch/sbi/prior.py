"""Uniform priors, and unconstrained coordinates in which there are no walls."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from sntorch.errors import ConfigError


@dataclass(frozen=True)
class BoxPrior:
    """Independent uniform parameters.

    Attributes:
        names: Of the parameters, D.
        low: Lower bounds.
        high: Upper bounds.
    """

    names: tuple[str, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    def __post_init__(self) -> None:
        for name, low, high in zip(self.names, self.low, self.high, strict=True):
            if not low < high:
                raise ConfigError(f"prior of {name}: low < high is accepted; found {low}, {high}")

    @classmethod
    def of(cls, prior: BoxPrior | Mapping[str, Any]) -> Self:
        """A prior of its settings, as configs and checkpoints hold them, or of another prior."""
        settings = asdict(prior) if isinstance(prior, BoxPrior) else prior
        low, high = (tuple(float(v) for v in settings[bound]) for bound in ("low", "high"))
        return cls(tuple(str(name) for name in settings["names"]), low, high)

    def __str__(self) -> str:
        edges = zip(self.names, self.low, self.high, strict=True)
        return ", ".join(f"{name} {low:g} to {high:g}" for name, low, high in edges)

    def settings(self) -> dict[str, list[Any]]:
        """What ``of`` takes, in plain lists."""
        return {key: list(value) for key, value in asdict(self).items()}

    def contains(self, other: BoxPrior) -> bool:
        """Whether another box of the same parameters is a part of this one, or all of it."""
        pairs = zip(self.low, other.low, self.high, other.high, strict=True)
        return self.names == other.names and all(a <= b and d <= c for a, b, c, d in pairs)

    def check_network(self, path: str, learnt: BoxPrior, accepted: str) -> None:
        """Refuse a network that learnt in another prior than this one.

        Args:
            path: Of the network.
            learnt: Its prior.
            accepted: What is, in words.

        Raises:
            ConfigError: Parameters or ranges differ.
        """
        if learnt != self:
            raise ConfigError(f"{path}: its prior {learnt.told_from(self)}; {accepted}")

    def told_from(self, here: BoxPrior) -> str:
        """In words where this one differs from another one: parameters, or their ranges."""
        if self.names != here.names:
            return f"has the parameters {', '.join(self.names)}; here {', '.join(here.names)}"
        ranges = (list(zip(p.low, p.high, strict=True)) for p in (self, here))
        return "has " + ", ".join(
            f"{name} from {there[0]:g} to {there[1]:g} (here {own[0]:g} to {own[1]:g})"
            for name, there, own in zip(self.names, *ranges, strict=True)
            if there != own
        )

    @property
    def log_volume(self) -> float:
        """ln of the volume of the box."""
        return sum(math.log(b - a) for a, b in zip(self.low, self.high, strict=True))

    @property
    def dim(self) -> int:
        """D."""
        return len(self.names)

    def from_uniform(self, u: Tensor) -> Tensor:
        """Parameters of uniform numbers in (0, 1), shape (..., D)."""
        low, high = u.new_tensor(self.low), u.new_tensor(self.high)
        return low + u * (high - low)

    def constrain(self, free: Tensor) -> Tensor:
        """Parameters of unconstrained variables, shape (..., D)."""
        return self.from_uniform(torch.sigmoid(free))

    def unconstrain(self, theta: Tensor) -> Tensor:
        """Unconstrained variables of parameters within the box, shape (..., D)."""
        low, high = theta.new_tensor(self.low), theta.new_tensor(self.high)
        return torch.logit((theta - low) / (high - low))

    def log_density(self, free: Tensor) -> Tensor:
        """ln of the prior's density of unconstrained variables, shape (...)."""
        return (logsigmoid(free) + logsigmoid(-free)).sum(-1)


def check_rows(theta: Tensor, names: Sequence[str]) -> None:
    """Refuse what are not the parameters of surveys, of one or more.

    Args:
        theta: Should have the shape (B, D).
        names: Of the D parameters.

    Raises:
        ConfigError: Another shape, or no survey.
    """
    if theta.ndim != 2 or theta.shape[1] != len(names) or not len(theta):
        raise ConfigError(
            f"theta: one row of {', '.join(names)} a survey; found {tuple(theta.shape)}"
        )


def around(centre: Tensor, reach: Tensor, prior: BoxPrior) -> BoxPrior:
    """The part of a prior within some reach (D,) of a centre (D,)."""
    low = torch.maximum(centre - reach, centre.new_tensor(prior.low))
    high = torch.minimum(centre + reach, centre.new_tensor(prior.high))
    return replace(prior, low=tuple(low.tolist()), high=tuple(high.tolist()))
