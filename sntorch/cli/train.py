"""``sntorch train``: build the data, the module and the trainer from configs, and fit."""

from __future__ import annotations

import json
import logging
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sntorch.cli.entry import INTERRUPTED, hydra_main
from sntorch.cli.runs import newest_checkpoint
from sntorch.errors import CheckpointError, ConfigError

if TYPE_CHECKING:
    import lightning as L
    from omegaconf import DictConfig

NOT_APPLICABLE = (
    "does not have many workers",
    "smaller than the logging interval",
    "across ranks is zero",
    "LeafSpec",
)
log = logging.getLogger(__name__)


@hydra_main("train")
def main(cfg: DictConfig) -> int:
    """Train what the config describes; returns the exit code."""
    from hydra.core.hydra_config import HydraConfig

    return train(cfg, Path(HydraConfig.get().runtime.output_dir))


def train(cfg: DictConfig, output: Path) -> int:
    """Fit, write ``metrics.json`` and say where the results are.

    Args:
        cfg: The composed ``train`` config.
        output: Folder of this run.
    """
    import lightning as L
    from hydra.utils import instantiate

    _quieten()
    L.seed_everything(cfg.seed, workers=True, verbose=False)
    ckpt_path = _checkpoint(cfg)
    datamodule = instantiate(cfg.data)
    model = instantiate(cfg.model, _convert_="all")
    if not isinstance(model, L.LightningModule):
        raise ConfigError(
            f"model._target_ {cfg.model.get('_target_')}: a LightningModule is accepted"
        )
    trainer = _trainer(cfg)
    datamodule.setup("fit")
    train_size = len(datamodule.train_batch())
    log.info(
        "training %s on %d objects; watch: tensorboard --logdir %s",
        type(model).__name__,
        train_size,
        output,
    )
    try:
        trainer.fit(model, datamodule, ckpt_path=ckpt_path, weights_only=ckpt_path is not None)
    except (RuntimeError, KeyError) as error:
        if ckpt_path is None or not _is_loading_error(error):
            raise
        raise CheckpointError(
            f"{ckpt_path}: not a checkpoint of {type(model).__name__}: {error}"
        ) from error
    _write_metrics(trainer, output)
    return _say_where(trainer, output)


def _quieten() -> None:
    """Keep away what Lightning says that does not apply: data in memory, short epochs."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for advice in NOT_APPLICABLE:
        warnings.filterwarnings("ignore", message=f".*{advice}.*")


def _checkpoint(cfg: DictConfig) -> str | None:
    """The checkpoint to resume from, checked before any work is done."""
    from sntorch.cli.runs import check_readable

    if cfg.ckpt_path is None:
        return None
    path = newest_checkpoint(cfg.task) if cfg.ckpt_path == "last" else Path(cfg.ckpt_path)
    check_readable(path)
    return str(path)


def _trainer(cfg: DictConfig) -> L.Trainer:
    from hydra.utils import instantiate

    callbacks: list[Any] = [instantiate(c) for c in (cfg.callbacks or {}).values() if c]
    logger = instantiate(cfg.logger) if cfg.logger else False
    return instantiate(cfg.trainer, callbacks=callbacks, logger=logger)


def _is_loading_error(error: BaseException) -> bool:
    text = str(error)
    return "state_dict" in text or "checkpoint" in text.lower()


def _write_metrics(trainer: L.Trainer, output: Path) -> None:
    metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
    (output / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")


def _say_where(trainer: L.Trainer, output: Path) -> int:
    from sntorch.callbacks.checkpoint import ResumableCheckpoint

    interrupted = any(
        isinstance(c, ResumableCheckpoint) and c.interrupted
        for c in trainer.callbacks  # pyright: ignore[reportAttributeAccessIssue]
    )
    print(f"run: {output}")
    if interrupted:
        sys.stderr.write("stopped early; resume with ckpt_path=last\n")
    return INTERRUPTED if interrupted else 0


if __name__ == "__main__":
    main()
