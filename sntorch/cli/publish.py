"""``sntorch publish``: a trained generator as a folder to pass on, with its model card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sntorch.cli.entry import hydra_main
from sntorch.errors import CheckpointError, ConfigError, DataError

if TYPE_CHECKING:
    from omegaconf import DictConfig

METRICS = "metrics.json"
# What the card reads.
SECTIONS = ("n", "peak", "summary", "features", "memorisation", "impossible", "passed")


@hydra_main("publish")
def main(cfg: DictConfig) -> None:
    """Write the folder."""
    from sntorch.checkpoints import find_checkpoint
    from sntorch.generative.base import Generator
    from sntorch.generative.training import TrainedGenerator
    from sntorch.pretrained import is_pretrained, model_sha256

    path = Path(cfg.ckpt) if is_pretrained(cfg.ckpt) else find_checkpoint(cfg.ckpt)
    model = Generator.from_pretrained(path).model
    if not isinstance(model, TrainedGenerator):
        raise CheckpointError(
            f"{path}: a {type(model).__name__} holds its training set and is passed on as it is; "
            "a trained network is accepted"
        )
    scores = None if cfg.metrics is None else scores_of(Path(cfg.metrics), model_sha256(path))
    model.save_pretrained(cfg.out, scores)
    print(f"{cfg.out}: {type(model).__name__} with {'scores' if scores else 'no scores'}")
    for file in sorted(Path(cfg.out).iterdir()):
        print(file)


def scores_of(path: Path, sha256: str) -> dict[str, Any]:
    """The scores that ``sntorch evaluate`` wrote for a model.

    Args:
        path: ``metrics.json``, or the folder that holds it.
        sha256: Of the model.

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
    missing = [name for name in SECTIONS if not isinstance(scores, dict) or name not in scores]
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
