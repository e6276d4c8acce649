"""Objects of classes that a classifier was not trained on, for its doubt to be scored on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sntorch.errors import ConfigError, DataError

if TYPE_CHECKING:
    from sntorch.classification.module import ClassifierModule
    from sntorch.data.batch import LightCurveBatch
    from sntorch.data.datamodule import LightCurveDataModule
    from sntorch.data.transforms import Transform


def held_out_classes(
    names: Sequence[str],
    module: ClassifierModule,
    run: LightCurveDataModule,
    source: LightCurveDataModule | None = None,
) -> dict[str, LightCurveBatch]:
    """The light curves of each class, as the classifier takes them, without labels.

    Args:
        names: Classes as the files have them, or nodes of the taxonomy with all below them.
        module: The classifier.
        run: The data of its training.
        source: Other data to take the objects from, as the run would; default: the run's.

    Raises:
        ConfigError: A class that the classifier knows, or whose objects it was trained on.
        DataError: A class that no light curve is of.
    """
    known = [name for name in names if name in module.classes]
    if known:
        raise ConfigError(
            f"held_out_classes={known}: the classifier knows {', '.join(module.classes)}; classes "
            "that it does not know are accepted"
        )
    whole = _as_read(source or run, module) if names else None
    return {} if whole is None else {name: _of_class(whole, name, module, run) for name in names}


def _as_read(data: LightCurveDataModule, module: ClassifierModule) -> LightCurveBatch:
    """All light curves of a run's files in the classifier's bands, before classes are joined."""
    from sntorch.classification.preparation import in_bands
    from sntorch.data.batch import LightCurveBatch

    sample = data.read()
    if not isinstance(sample, LightCurveBatch):
        sample = sample.to_batch(bands=module.bands, host=module.host)
    return in_bands(sample, module.bands, module.zeropoint)


def _of_class(
    whole: LightCurveBatch, name: str, module: ClassifierModule, run: LightCurveDataModule
) -> LightCurveBatch:
    from sntorch.data.classes import GroupClasses

    found = GroupClasses({name: [name]}, unknown="drop")(whole)
    if not len(found):
        types = ", ".join(whole.classes)
        raise DataError(
            f"held_out_classes: no light curve of class {name}; there are those of {types}; "
            "held_out_files= takes others"
        )
    _refuse_known(found, name, run)
    for change in _cuts(run.transform):
        found = change(found)
    return replace(found, label=found.label.new_full((len(found),), -1), classes=module.classes)


def _refuse_known(batch: LightCurveBatch, name: str, run: LightCurveDataModule) -> None:
    """Doubt about objects that were trained on, under whatever class, would say nothing."""
    names = run.names()
    used = {*names["train"], *names["val"]}
    known = [one for one in batch.object_id if one in used]
    if known:
        raise ConfigError(
            f"held_out_classes: {len(known)} objects of class {name}, {known[0]} the first, were "
            "trained on; a run that leaves them out has data.transform="
            "sntorch.data.classes.GroupClasses with unknown=drop"
        )


def _cuts(transform: Transform | None) -> list[Transform]:
    """What a run does to its light curves, but for what joins or drops classes."""
    from sntorch.data.classes import GroupClasses
    from sntorch.data.transforms import Compose

    steps = [] if transform is None else [transform]
    if isinstance(transform, Compose):
        steps = [*transform.transforms]
    return [step for step in steps if not isinstance(step, GroupClasses)]
