"""More objects of the rare classes of a sample, generated and marked as such.

Each class is learnt from its own real objects alone. Augment the training part of a sample only,
after it was split by object: a copy of a training object in the test part is a leak.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from sntorch.data.filters import canonical
from sntorch.data.light_curve import LightCurve, LightCurves
from sntorch.data.provenance import is_synthetic, with_provenance
from sntorch.errors import ConfigError, DataError, SntorchWarning
from sntorch.generative.baselines.training_set import FEWEST
from sntorch.generative.parents import Choose, Parent, marked

# Below it generators repeat what is odd about the few objects they saw.
FEW = 30
ALL = "max"


def wanted(
    light_curves: Sequence[LightCurve], target: int | str, classes: Sequence[str] | None = None
) -> dict[str, int]:
    """How many objects each class lacks.

    Args:
        light_curves: Labelled, real objects.
        target: Number of objects that a class shall have, or "max" for that of the largest class.
        classes: Classes to fill up; default: all.

    Returns:
        Numbers by class, 0 where there are enough.

    Raises:
        DataError: Objects without a type, generated ones, or a class with fewer than 5 objects.
        ConfigError: A class that does not occur, or another target.
    """
    counts = _counted(light_curves)
    absent = sorted(set(classes or ()) - set(counts))
    if absent:
        raise ConfigError(
            f"classes={', '.join(absent)}: no such objects; there are {', '.join(counts)}"
        )
    level = _level(target, counts)
    lack = {name: max(level - counts[name], 0) for name in (classes or counts)}
    for name, number in lack.items():
        if number and counts[name] < FEWEST:
            raise DataError(
                f"class {name}: {counts[name]} objects; at least {FEWEST} are needed to generate "
                "others like them; classes=[…] chooses the classes to fill up"
            )
    return lack


def augmented(
    light_curves: Sequence[LightCurve], lack: Mapping[str, int], choose: Choose, seed: int
) -> LightCurves:
    """All real objects as they are, and generated ones after them, each with its provenance.

    Args:
        light_curves: The real objects.
        lack: Number of objects to generate, by class.
        choose: Gives the model of a class from its name and its objects.
        seed: Seed of the draws; the same for every class, so that the class's model with this
            seed gives the same objects again.

    Raises:
        DataError: Objects that the model cannot learn from.
    """
    chosen = {name: number for name, number in lack.items() if number}
    real = LightCurves(with_provenance(lc, synthetic=False) for lc in light_curves)
    parts = {name: real.filter(lambda lc, name=name: lc.type == name) for name in chosen}
    _warn_of_few({name: len(part) for name, part in parts.items()})
    taken = {lc.object_id for lc in real}
    objects = list(real)
    for name, number in chosen.items():
        try:
            made = _generated(parts[name], name, number, choose(name, parts[name]), seed)
        except DataError as error:
            raise DataError(f"class {name}: {error}") from error
        objects += [replace(lc, object_id=_free(lc.object_id, taken)) for lc in made]
    return LightCurves(objects)


def _counted(light_curves: Sequence[LightCurve]) -> dict[str, int]:
    """Objects by class, the largest class first."""
    unknown = [lc.object_id for lc in light_curves if not lc.type]
    if unknown:
        raise DataError(
            f"{len(unknown)} of {len(light_curves)} objects have no type, the first: "
            f"{unknown[0]}; leave them out, or give them one"
        )
    made = [lc.object_id for lc in light_curves if is_synthetic(lc)]
    if made:
        raise DataError(
            f"{len(made)} objects are synthetic already, the first: {made[0]}; augment the real "
            "objects alone"
        )
    return dict(Counter(lc.type for lc in light_curves).most_common())


def _level(target: int | str, counts: Mapping[str, int]) -> int:
    if target == ALL:
        return max(counts.values())
    if isinstance(target, bool) or not isinstance(target, int) or target < 1:
        raise ConfigError(
            f"target={target}: a whole number of at least 1, or {ALL} for the number of the "
            "largest class, is accepted"
        )
    return target


def _warn_of_few(counts: Mapping[str, int]) -> None:
    few = [f"{name} ({n})" for name, n in counts.items() if n < FEW]
    if few:
        warnings.warn(
            f"fewer than {FEW} objects of class {', '.join(few)}: generated ones repeat what is "
            "odd about these; compare a classifier trained with them to one trained with "
            "model=baseline/jitter and to one with class weights alone",
            SntorchWarning,
            stacklevel=3,
        )


def _generated(
    real: LightCurves, name: str, number: int, parent: Parent, seed: int
) -> list[LightCurve]:
    """New objects of one class in the units, and with the header, of the real ones."""
    _check_bands(real, parent)
    batch, parents = parent.model.sample_with_parents(
        number, condition=parent.condition, seed=seed
    )
    surveys = {lc.survey for lc in real}
    header: dict[str, Any] = {"type": name, "survey": surveys.pop() if len(surveys) == 1 else ""}
    if not any(np.isfinite(lc.peak_mjd) for lc in real):
        # Otherwise it would tell generated objects from real ones.
        header["peak_mjd"] = float("nan")
    names = [f"new_{name}_{i:06d}" for i in range(number)]
    return [
        replace(lc.with_zeropoint(real[0].zeropoint), **header)
        for lc in marked(batch, names, parents, parent.name, seed)
    ]


def _check_bands(real: LightCurves, parent: Parent) -> None:
    """Refuse a model of other bands: they would tell generated objects from real ones."""
    theirs, ours = set(canonical(real.bands).values()), set(parent.model.bands)
    if theirs != ours:
        raise DataError(
            f"light curves in bands {', '.join(sorted(theirs))}, but {parent.name} generates "
            f"{', '.join(sorted(ours))}; the two must agree"
        )


def _free(name: str, taken: set[str]) -> str:
    """The name, or the first one like it that no object has yet."""
    found = name
    while found in taken:
        found = f"{found}_"
    taken.add(found)
    return found
