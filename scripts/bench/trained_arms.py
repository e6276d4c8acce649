"""Arms of the augmentation experiment whose generators are trained on the spot.

A model is trained on the common objects of a trial and goes on from there with its rare ones
(``start_from``): what is common to supernovae and to the survey is learned from many, what is rare
from few. It is kept by the SHA-256 of these common objects: trials that share them share it, and
folds that leave some of them out have each their own. ``joint`` goes on with rare and common
objects together, both classes equally often, so that the few are a part of what the networks must
explain.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from training_clock import built, quiet, train

from sntorch.data.batch import LightCurveBatch, concatenate
from sntorch.generative import GenerativeModel
from sntorch.generative.evaluate.augmentation import Generated, Trial
from sntorch.pretrained import training_sha256

# Config of each model, and CPU seconds of training: on common objects, then in each trial.
MODELS = {"flow": "flow/matching", "gan": "gan/recurrent"}
SECONDS = (120.0, 20.0)
JOINT = "_joint"
# Real objects of bright, near supernovae have up to 650 observations, where the median has 34.
FOR_LONG = {"flow": ("max_observations=64",)}
NAMES = tuple(name + kind for name in MODELS for kind in ("", JOINT))


@dataclass(frozen=True)
class FineTuned:
    """Makes a generator for a trial.

    Args:
        config: Which of ``conf/model``.
        folder: Where models of common objects are kept.
        seconds: CPU seconds of training on common objects and on those of a trial.
        joint: Whether a trial's training also has the common objects.
        overrides: Of the config.
    """

    config: str
    folder: Path
    seconds: tuple[float, float]
    joint: bool
    overrides: tuple[str, ...] = ()

    def __call__(self, trial: Trial) -> GenerativeModel:
        """The model for the rare objects of a trial."""
        quiet()
        start = f"start_from={self.pretrained(trial.common.batch)}"
        model = built(self.config, f"seed={trial.seed}", start, *self.overrides)
        parts = [trial.rare.batch, *([trial.common.batch] if self.joint else [])]
        train(model, concatenate(parts), self.seconds[1], trial.seed, balance=self.joint)
        return model

    def pretrained(self, common: LightCurveBatch) -> Path:
        """The folder of the model of common objects, which is trained if need be."""
        name = re.sub("[/=]", "_", "_".join([self.config, *self.overrides]))
        mark = f"{name}_{self.seconds[0]:.0f}s_{training_sha256(common)[:12]}"
        place = (self.folder / mark).resolve()
        if not place.exists():
            model = built(self.config, "seed=0", "start_from=null", *self.overrides)
            train(model, common, self.seconds[0], seed=0, balance=True)
            model.save_pretrained(place)
        return place


def trained_arm(
    name: str, rare: str, folder: Path, seconds: tuple[float, float], long: bool = False
) -> Generated:
    """The arm of a name of ``NAMES``; times other than ``SECONDS`` are part of what it is called,
    or its stored scores would pass for others.

    Args:
        name: Of ``NAMES``.
        rare: The rare class.
        folder: Where models of common objects are kept.
        seconds: CPU seconds of training on common objects and on those of a trial.
        long: Whether some light curves are far longer than most.
    """
    model = name.removesuffix(JOINT)
    overrides = FOR_LONG.get(model, ()) if long else ()
    make = FineTuned(MODELS[model], folder, seconds, name.endswith(JOINT), overrides)
    times = "" if tuple(seconds) == SECONDS else "_{:g}s_{:g}s".format(*seconds)
    return Generated(name + times, make, {"type": rare})
