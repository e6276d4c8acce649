"""Generated objects beside the real ones of a sample: they train, and nothing is scored on them.

Real objects are split as if they were alone, so that scores with and without generated ones are of
the same objects. A generated object that was made from a validation or test object is a leak.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

import torch

from sntorch.data.batch import LightCurveBatch, concatenate
from sntorch.data.light_curve import LightCurves
from sntorch.data.provenance import is_synthetic, parents
from sntorch.data.transforms import Transform
from sntorch.errors import SntorchWarning


@dataclass(frozen=True)
class Sides:
    """The real and the generated objects of a sample; either may be none.

    Attributes:
        real: Objects that do not say that they are generated.
        synthetic: Those that do.
        parents: Names of the objects that each generated one was made from, by its name; empty
            where it does not say.
    """

    real: LightCurveBatch
    synthetic: LightCurveBatch
    parents: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, batch: LightCurveBatch, light_curves: LightCurves | None = None) -> Sides:
        """The sides of a batch.

        Args:
            batch: The objects, shape (B,).
            light_curves: The same objects in the same order with their provenance, which a batch
                does not have; without them all are real.
        """
        objects = light_curves or ()
        made = torch.tensor([is_synthetic(lc) for lc in objects], dtype=torch.bool)
        if not made.any():
            return cls(batch, batch[:0], {})
        origin: dict[str, frozenset[str]] = {}
        for lc in filter(is_synthetic, objects):
            origin[lc.object_id] = origin.get(lc.object_id, frozenset()) | parents(lc)
        return cls(batch[~made].trim(), batch[made].trim(), origin)

    @property
    def split(self) -> LightCurveBatch:
        """What is divided into parts: the real objects, or generated ones that are alone."""
        return self.real if len(self.real) else self.synthetic

    @property
    def mixed(self) -> bool:
        """Whether there are objects of both kinds."""
        return len(self.real) > 0 and len(self.synthetic) > 0

    def map(self, transform: Transform) -> Sides:
        """Both sides after a transform."""
        real, made = (transform(b) if len(b) else b for b in (self.real, self.synthetic))
        return replace(self, real=real, synthetic=made)

    def held_out(self, name: str) -> LightCurveBatch:
        """The objects to score on, where the sample is one for validation or test alone."""
        if self.mixed:
            warnings.warn(
                f"{name} sample: {len(self.synthetic)} synthetic objects are left out; only the "
                f"{len(self.real)} real ones are scored on",
                SntorchWarning,
                stacklevel=2,
            )
        return self.split

    def training(
        self,
        parts: Mapping[str, LightCurveBatch],
        separate: Collection[str],
        given: Mapping[str, str],
    ) -> LightCurveBatch:
        """The training objects, with the generated ones that were not made from held-out ones.

        Args:
            parts: Objects of ``split`` that are ``train``, and ``val`` and ``test`` objects.
            separate: Which of ``val`` and ``test`` are samples of their own.
            given: Part by name of the object in a split of the user's own, else empty. It may
                name held-out objects that are not in the sample.
        """
        if not len(self.synthetic):
            return parts["train"]
        train = {name for name, part in given.items() if part == "train"}
        if not self.mixed:
            # Parts of one generated sample may share parents; a separate sample has none of them.
            return self._allowed(parts["train"], _names(parts, separate), train)
        held_out = _names(parts, ("val", "test")) | (given.keys() - train)
        return concatenate([parts["train"], self._allowed(self.synthetic, held_out, train)]).trim()

    def _allowed(
        self, batch: LightCurveBatch, held_out: AbstractSet[str], vouched: AbstractSet[str]
    ) -> LightCurveBatch:
        """Generated objects that may train; says how many may not, and how many are doubtful."""
        if not held_out:
            return batch
        copies = _descendants(self.parents, held_out)
        out = [name for name in batch.object_id if name in copies]
        known = {name for name, made_from in self.parents.items() if made_from} | vouched | copies
        _tell(len(batch), out, [name for name in batch.object_id if name not in known])
        kept = torch.tensor([name not in copies for name in batch.object_id])
        return batch[kept].trim() if out else batch


def _names(parts: Mapping[str, LightCurveBatch], chosen: Collection[str]) -> set[str]:
    return {name for part in chosen for name in parts[part].object_id}


def _descendants(
    origin: Mapping[str, frozenset[str]], held_out: AbstractSet[str]
) -> AbstractSet[str]:
    """Generated objects that are held out or were made from such, also by way of others."""
    reached = set(held_out)
    while new := {
        name
        for name, made_from in origin.items()
        if name not in reached and not made_from.isdisjoint(reached)
    }:
        reached |= new
    return reached & origin.keys()


def _tell(n: int, out: list[str], doubtful: list[str]) -> None:
    if out:
        warnings.warn(
            f"{len(out)} of {n} synthetic objects, {out[0]} the first, are left out: they were "
            "made from validation or test objects, or are such in data.split_file",
            SntorchWarning,
            stacklevel=3,
        )
    if doubtful:
        warnings.warn(
            f"{len(doubtful)} of {n} synthetic objects, {doubtful[0]} the first, do not say which "
            "objects they were made from (no parent_object): they train, but if their generator "
            "has seen validation or test objects, scores are too good; split first, train the "
            "generator on the training part alone, and give the split as data.split_file, with "
            "these objects as train",
            SntorchWarning,
            stacklevel=3,
        )
