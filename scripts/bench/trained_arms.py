"""Arms of the augmentation experiment whose generators are trained on the spot.

A model is trained once on the common objects of a target, which all trials share, and goes on from
there with the rare objects of a trial (``start_from``): what is common to supernovae and to the
survey is learned from many, what is rare from few. ``joint`` goes on with rare and common objects
together, both classes equally often, so that the few are a part of what the networks must explain.
"""

from __future__ import annotations

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
NAMES = tuple(name + kind for name in MODELS for kind in ("", JOINT))


@dataclass(frozen=True)
class FineTuned:
    """Makes a generator for a trial.

    Args:
        config: Which of ``conf/model``.
        folder: Where models of common objects are kept.
        seconds: CPU seconds of training on common objects and on those of a trial.
        joint: Whether a trial's training also has the common objects.
    """

    config: str
    folder: Path
    seconds: tuple[float, float]
    joint: bool

    def __call__(self, trial: Trial) -> GenerativeModel:
        """The model for the rare objects of a trial."""
        quiet()
        start = f"start_from={self.pretrained(trial.common.batch)}"
        model = built(self.config, f"seed={trial.seed}", start)
        parts = [trial.rare.batch, *([trial.common.batch] if self.joint else [])]
        train(model, concatenate(parts), self.seconds[1], trial.seed, balance=self.joint)
        return model

    def pretrained(self, common: LightCurveBatch) -> Path:
        """The folder of the model of common objects, which is trained if need be."""
        name = self.config.replace("/", "_")
        mark = f"{name}_{self.seconds[0]:.0f}s_{training_sha256(common)[:12]}"
        place = (self.folder / mark).resolve()
        if not place.exists():
            model = built(self.config, "seed=0", "start_from=null")
            train(model, common, self.seconds[0], seed=0, balance=True)
            model.save_pretrained(place)
        return place


def trained_arm(name: str, rare: str, folder: Path, seconds: tuple[float, float]) -> Generated:
    """The arm of a name of ``NAMES``."""
    make = FineTuned(MODELS[name.removesuffix(JOINT)], folder, seconds, name.endswith(JOINT))
    return Generated(name, make, {"type": rare})
