"""``sntorch publish``: a trained model as a folder to pass on, with its model card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sntorch.cli.entry import hydra_main
from sntorch.cli.outputs import refuse_existing
from sntorch.errors import CheckpointError, ConfigError, DataError

if TYPE_CHECKING:
    from omegaconf import DictConfig

METRICS = "metrics.json"
# What the cards read.
SECTIONS = {
    "generator": (
        "n",
        "peak",
        "summary",
        "features",
        "memorisation",
        "raw_memorisation",
        "impossible",
        "passed",
    ),
    "classifier": ("n", "positive", "redshift", "scores", "per_class"),
}


@hydra_main("publish")
def main(cfg: DictConfig) -> None:
    """Write the folder."""
    from sntorch.pretrained import find_model, model_sha256

    refuse_existing(Path(cfg.out), cfg.overwrite)
    path = find_model(cfg.ckpt)
    kind, model = opened(path)
    scores = None
    if cfg.metrics is not None:
        scores = scores_of(Path(cfg.metrics), model_sha256(path), kind)
    model.save_pretrained(cfg.out, scores)
    print(f"{cfg.out}: {type(model).__name__} with {'scores' if scores else 'no scores'}")
    for file in sorted(Path(cfg.out).iterdir()):
        print(file)


def opened(path: Path) -> tuple[str, Any]:
    """``generator`` or ``classifier``, and the trained model itself.

    Args:
        path: A checkpoint, or the folder of a model.

    Raises:
        CheckpointError: Neither of them, or damaged.
    """
    from sntorch.checkpoints import module_name
    from sntorch.classification import ClassifierModule
    from sntorch.generative.base import Generator
    from sntorch.generative.training import TrainedGenerator
    from sntorch.pretrained import load_pretrained

    folder = path.is_dir()
    name = load_pretrained(path)[0].get("model") if folder else module_name(path, "model")
    if name == ClassifierModule.__name__:
        return "classifier", ClassifierModule.open(path)
    model = Generator.from_pretrained(path).model
    if not isinstance(model, TrainedGenerator):
        raise CheckpointError(
            f"{path}: a {type(model).__name__} holds its training set and is passed on as it is; "
            "a trained network is accepted"
        )
    return "generator", model


def scores_of(path: Path, sha256: str, kind: str = "generator") -> dict[str, Any]:
    """The scores that ``sntorch evaluate`` wrote for a model.

    Args:
        path: ``metrics.json``, or the folder that holds it.
        sha256: Of the model.
        kind: ``generator`` or ``classifier``.

    Raises:
        DataError: No such file, or no scores in it.
        ConfigError: Scores of another model.
    """
    file = path / METRICS if path.is_dir() else path
    try:
        scores = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{file}: cannot be read ({error}); {METRICS} of sntorch evaluate is accepted"
        ) from error
    missing = [
        name for name in SECTIONS[kind] if not isinstance(scores, dict) or name not in scores
    ]
    if missing:
        raise DataError(
            f"{file}: has no {', '.join(missing)}; {METRICS} of sntorch evaluate is accepted"
        )
    if scores.get("model_sha256") != sha256:
        raise ConfigError(
            f"{file}: holds the scores of another model; run sntorch evaluate on this one"
        )
    return scores


if __name__ == "__main__":
    main()
