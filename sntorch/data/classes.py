"""Coarser classes out of fine ones, by the tree of classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch

from sntorch.data.batch import LightCurveBatch
from sntorch.data.taxonomy import default_taxonomy
from sntorch.errors import ConfigError, DataError

REST = "*"


@dataclass(frozen=True)
class GroupClasses:
    """A transform that joins classes.

    Args:
        groups: Name of each new class, and the nodes of the taxonomy that it holds with all below
            them; ``*`` for whatever no other group holds. The new classes are in this order.
        unknown: What happens to an object that no group holds, or that has no class: ``refuse``
            or ``drop``.

    Raises:
        ConfigError: No groups, two of them with ``*``, or another word for ``unknown``.

    Example:
        >>> GroupClasses({"Ia": ["Ia"], "CC": ["CC"]})  # doctest: +SKIP
    """

    groups: Mapping[str, Sequence[str]]
    unknown: str = "refuse"

    def __post_init__(self) -> None:
        if not self.groups or self.unknown not in ("refuse", "drop"):
            raise ConfigError(
                f"GroupClasses(groups={self.groups}, unknown={self.unknown}): one group or more, "
                "and refuse or drop for what is in none"
            )
        if sum(REST in nodes for nodes in self.groups.values()) > 1:
            raise ConfigError("GroupClasses: one group only can hold * (the rest)")

    def __call__(self, batch: LightCurveBatch) -> LightCurveBatch:
        """The batch with the new classes.

        Raises:
            DataError: An object that no group holds, unless such are dropped.
        """
        table = torch.tensor([self._group(name) for name in batch.classes] + [-1])
        label = table.to(batch.device)[batch.label]
        known = label >= 0
        if self.unknown == "refuse" and not bool(known.all()):
            self._refuse(batch, known)
        grouped = replace(batch, label=label, classes=tuple(self.groups))
        return grouped if bool(known.all()) else grouped[known.nonzero()[:, 0]].trim()

    def _group(self, name: str) -> int:
        taxonomy = default_taxonomy()
        rest = -1
        for i, nodes in enumerate(self.groups.values()):
            for node in nodes:
                if node == REST:
                    rest = i
                elif name == node or (
                    name in taxonomy and node in taxonomy and taxonomy.is_a(name, node)
                ):
                    return i
        return rest

    def _refuse(self, batch: LightCurveBatch, known: torch.Tensor) -> None:
        out = (~known).nonzero()[:, 0].tolist()
        names = sorted(
            {batch.classes[i] if i >= 0 else "(none)" for i in batch.label[out].tolist()}
        )
        raise DataError(
            f"{len(out)} objects ({batch.object_id[out[0]]}, …) of the classes {', '.join(names)} "
            f"are in none of the groups {', '.join(self.groups)}; add them, or unknown=drop"
        )
