"""``sntorch train`` of a generator without a network: fitted at once, kept as a folder.

A baseline has no epochs, so ``trainer``, ``callbacks`` and ``logger`` say nothing to it. What it
leaves is what a network leaves: the split, the model in ``checkpoints``, and the scores that a
network gets at its last validation.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sntorch.checkpoints import FITTED
from sntorch.cli.runs import keep_metrics, keep_split
from sntorch.errors import ConfigError

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from sntorch.data.datamodule import LightCurveDataModule
    from sntorch.generative.base import GenerativeModel

# Light curves that are compared with the validation objects, as many as a network draws.
N_VALIDATION = 1000
log = logging.getLogger(__name__)


def train_baseline(
    cfg: DictConfig, model: Any, datamodule: LightCurveDataModule, output: Path
) -> int:
    """Fit, write the model and ``metrics.json``, and say where the results are.

    Args:
        cfg: The composed ``train`` config.
        model: What ``cfg.model`` built.
        datamodule: The light curves.
        output: Folder of this run.

    Raises:
        ConfigError: No baseline, or a checkpoint to resume from.
    """
    from sntorch.generative.baselines import Baseline

    if not isinstance(model, Baseline):
        raise ConfigError(
            f"model._target_ {cfg.model.get('_target_')}: a LightningModule or a Baseline is "
            "accepted"
        )
    if cfg.ckpt_path is not None:
        raise ConfigError(
            f"ckpt_path={cfg.ckpt_path}: {type(model).__name__} is fitted at once, there is "
            "nothing to resume; null is accepted"
        )
    datamodule.setup("fit")
    keep_split(datamodule, output)
    batch = datamodule.train_batch()
    log.info("fitting %s to %d objects", type(model).__name__, len(batch))
    model.fit(batch)
    model.save_pretrained(output / FITTED)
    keep_metrics(_scores(model, datamodule, cfg.seed), output)
    print(f"run: {output}")
    return 0


def _scores(
    model: GenerativeModel, datamodule: LightCurveDataModule, seed: int
) -> dict[str, float]:
    """Scores of fresh light curves against the validation objects, if there are any."""
    from sntorch.generative.evaluate import quick_metrics

    real = datamodule.val_batch()
    if not len(real):
        return {}
    drawn = model.sample(N_VALIDATION, seed=seed)
    return {f"val/{name}": value for name, value in quick_metrics(drawn, real).items()}
