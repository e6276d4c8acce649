"""Models that generate the objects of one class, and the names by which their objects tell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sntorch.building import build, plain, target_class
from sntorch.data.batch import LightCurveBatch
from sntorch.data.facts import class_counts
from sntorch.data.light_curve import LightCurve, LightCurves
from sntorch.data.provenance import with_provenance
from sntorch.errors import CheckpointError, ConfigError
from sntorch.generative.base import GenerativeModel, Generator
from sntorch.generative.baselines import Baseline
from sntorch.generative.training import TrainedGenerator
from sntorch.pretrained import find_model, model_sha256


@dataclass(frozen=True)
class Parent:
    """A model that generates the objects of one class.

    Attributes:
        model: Fitted on that class.
        name: What stands under ``parent_model`` in the provenance.
        condition: What the model is told, the class where it knows several.
    """

    model: GenerativeModel
    name: str
    condition: Mapping[str, str] | None = None


# The model of a class, from its name and its real objects.
Choose = Callable[[str, LightCurves], Parent]


def fitted_on_the_spot(config: Mapping[str, Any]) -> Choose:
    """A baseline, fitted on each class.

    Args:
        config: Its ``_target_`` and settings.

    Raises:
        ConfigError: No baseline (a network has to be trained first), or wrong settings.
    """
    settings = plain(config)
    try:
        name = described(build(settings, Baseline))
    except ConfigError as error:
        raise ConfigError(f"model: {error}{_hint(settings)}") from error

    def choose(_: str, real: LightCurves) -> Parent:
        return Parent(build(settings, Baseline).fit(real.to_batch()), name)

    return choose


def _hint(settings: Mapping[str, Any]) -> str:
    """How a network is used, where the settings name one."""
    try:
        target_class(settings, TrainedGenerator)
    except ConfigError:
        return ""
    return "; a network is trained first (sntorch train) and named by ckpt="


def described(model: Baseline) -> str:
    """A baseline's class and settings."""
    settings = ", ".join(f"{k}={v}" for k, v in model.arguments.items())
    return f"{type(model).__name__}({settings})"


def trained_before(path: str | Path, classes: Sequence[str]) -> Choose:
    """The generator in a checkpoint or folder.

    Args:
        path: A checkpoint, a run or a folder. A network without the condition ``type`` is taken
            to be of the one class to fill up; others know their classes.
        classes: The classes to fill up.

    Raises:
        CheckpointError: No generator there, or one that was not trained on these classes.
    """
    found = find_model(path)
    model = Generator.from_pretrained(found).model
    name = trained_name(model, found)
    known = known_classes(model)
    strange = sorted(set(classes) - set(known)) if known else list(classes)[1:]
    if strange:
        trained = f"on {', '.join(known)}" if known else "on one class, which it cannot name"
        raise CheckpointError(
            f"{found}: trained {trained}; to fill up are {', '.join(classes)}; classes=[…] chooses"
        )
    return lambda kind, _: Parent(model, name, {"type": kind} if known else None)


def trained_name(model: GenerativeModel, path: Path) -> str:
    """The name of a trained model: its class, its file or folder, and the checksum of that."""
    return f"{type(model).__name__} {path.name} sha256:{model_sha256(path)}"


def marked(
    batch: LightCurveBatch, names: Sequence[str], parents: Sequence[str], model: str, seed: int
) -> list[LightCurve]:
    """Generated light curves that say where they come from.

    Args:
        batch: Of ``sample_with_parents``.
        names: Of the objects, in place of the batch's own.
        parents: Training objects they were made from, empty where there are none.
        model: Name of the model.
        seed: Of the draws.
    """
    made = zip(batch.to_light_curves(), names, parents, strict=True)
    return [
        with_provenance(
            replace(lc, object_id=name),
            synthetic=True,
            parent_model=model,
            **({"parent_object": parent} if parent else {}),
            seed=seed,
        )
        for lc, name, parent in made
    ]


def known_classes(model: GenerativeModel) -> list[str]:
    """Classes that a model can be asked for, none where it knows nothing of classes."""
    if isinstance(model, Baseline):
        return list(class_counts(model.training))
    if isinstance(model, TrainedGenerator):
        return model.objects.conditions.present
    return []
