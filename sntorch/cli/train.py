"""``sntorch train``: build the data, the module and the trainer from configs, and fit."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sntorch.cli.entry import INTERRUPTED, hydra_main, told_warnings
from sntorch.cli.run_folder import discard
from sntorch.cli.runs import keep_metrics, keep_split, newest_checkpoint, quieten
from sntorch.cli.training_data import keep_bands, refuse_unread_files
from sntorch.errors import CheckpointError, ConfigError, check_number, check_positive

if TYPE_CHECKING:
    import lightning as L
    from omegaconf import DictConfig

# Settings of the trainer that are whole numbers.
WHOLE = ("max_epochs", "max_steps", "check_val_every_n_epoch", "log_every_n_steps")
log = logging.getLogger(__name__)


@hydra_main("train")
def main(cfg: DictConfig) -> int:
    """Train what the config describes; returns the exit code."""
    from hydra.core.hydra_config import HydraConfig

    with told_warnings():
        return train(cfg, Path(HydraConfig.get().runtime.output_dir))


def train(cfg: DictConfig, output: Path) -> int:
    """Fit, write ``metrics.json`` and say where the results are.

    Args:
        cfg: The composed ``train`` config.
        output: Folder of this run; not kept if the run fails before its first step.
    """
    import lightning as L
    from hydra.utils import instantiate

    from sntorch.cli.train_baseline import train_baseline

    trainer = None
    try:
        quieten()
        _check_numbers(cfg)
        refuse_unread_files(cfg)
        L.seed_everything(cfg.seed, workers=True, verbose=False)
        ckpt_path = _checkpoint(cfg)
        datamodule = instantiate(cfg.data)
        model = instantiate(cfg.model, _convert_="all")
        if not isinstance(model, L.LightningModule):
            return train_baseline(cfg, model, datamodule, output)
        trainer = _trainer(cfg, model)
        return _fitted(trainer, model, datamodule, ckpt_path, output)
    except Exception:
        if trainer is None or not trainer.global_step:
            discard(output)
        raise


def _fitted(
    trainer: L.Trainer, model: L.LightningModule, datamodule: Any, ckpt_path: str | None, out: Path
) -> int:
    """Fit a network; returns the exit code."""
    datamodule.setup("fit")
    if trainer.is_global_zero:
        keep_split(datamodule, out)
        log.info(
            "training %s on %s; watch: tensorboard --logdir %s",
            type(model).__name__,
            _described(datamodule),
            out,
        )
    if ckpt_path is not None:
        # Unlike an argument of fit, this is known to the model when it is set up.
        trainer.ckpt_path = ckpt_path
    try:
        trainer.fit(model, datamodule, weights_only=ckpt_path is not None)
    except (RuntimeError, KeyError) as error:
        if ckpt_path is None or not _is_loading_error(error):
            raise
        raise CheckpointError(
            f"{ckpt_path}: not a checkpoint of {type(model).__name__}: {error}"
        ) from error
    if trainer.is_global_zero:
        keep_metrics({k: float(v) for k, v in trainer.callback_metrics.items()}, out)
        print(f"run: {out}")
    return _exit_code(trainer)


def _check_numbers(cfg: DictConfig) -> None:
    """Refuse settings of the optimisation that PyTorch and Lightning answer with a traceback.

    Raises:
        ConfigError: A word for a number, or a negative learning rate.
    """
    for key in WHOLE:
        check_number(f"trainer.{key}", cfg.trainer.get(key), whole=True)
    check_positive("model.learning_rate", cfg.model.get("learning_rate"))
    decay = cfg.model.get("weight_decay")
    check_number("model.weight_decay", decay)
    if decay is not None and decay < 0:
        raise ConfigError(f"model.weight_decay={decay}: a number of at least 0 is accepted")


def _described(datamodule: Any) -> str:
    if hasattr(datamodule, "describe"):
        return datamodule.describe()
    return f"{len(datamodule.train_batch())} objects"


def _checkpoint(cfg: DictConfig) -> str | None:
    """The checkpoint to resume from, checked before any work is done; bands are in its order."""
    from sntorch.cli.runs import check_readable

    if cfg.ckpt_path is None:
        return None
    path = newest_checkpoint(cfg.task) if cfg.ckpt_path == "last" else Path(cfg.ckpt_path)
    done = int(check_readable(path).get("epoch", -1)) + 1
    log.info("going on from %s, after epoch %d", path, done)
    keep_bands(cfg, path)
    return str(path)


def _trainer(cfg: DictConfig, model: L.LightningModule) -> L.Trainer:
    from hydra.utils import instantiate

    callbacks: list[Any] = [instantiate(c) for c in (cfg.callbacks or {}).values() if c]
    logger = instantiate(cfg.logger) if cfg.get("logger") else False
    chosen = {"accelerator": _accelerator(cfg.trainer), "strategy": _strategy(cfg.trainer, model)}
    return instantiate(cfg.trainer, callbacks=callbacks, logger=logger, **chosen)


def _accelerator(trainer: DictConfig) -> str:
    """The accelerator asked for; ``auto`` never means Apple's MPS.

    Times and redshifts are float64, which MPS does not have.
    """
    from lightning.pytorch.accelerators import MPSAccelerator

    asked = trainer.get("accelerator", "auto")
    return "cpu" if asked == "auto" and MPSAccelerator.is_available() else asked


def _strategy(trainer: DictConfig, model: L.LightningModule) -> Any:
    """The strategy asked for; on several devices ``auto`` suits the module's optimisation.

    A step by hand of one network (a GAN's critic) leaves the other one's parameters unused, which
    plain ``ddp`` takes for an error.
    """
    asked = trainer.get("strategy", "auto")
    several = _n_devices(trainer.get("devices", 1)) * int(trainer.get("num_nodes", 1)) > 1
    by_hand = several and not model.automatic_optimization
    return "ddp_find_unused_parameters_true" if asked == "auto" and by_hand else asked


def _n_devices(devices: Any) -> int:
    """How many devices a node has by ``trainer.devices``: 2, "2", [0, 1], "0,1", -1 or auto."""
    import torch

    if isinstance(devices, str) and "," in devices:
        devices = [one for one in devices.split(",") if one.strip()]
    if str(devices) in ("auto", "-1"):
        return torch.cuda.device_count()
    return int(devices) if isinstance(devices, int | str) else len(devices)


def _is_loading_error(error: BaseException) -> bool:
    text = str(error)
    return "state_dict" in text or "checkpoint" in text.lower()


def _exit_code(trainer: L.Trainer) -> int:
    from sntorch.callbacks.checkpoint import ResumableCheckpoint

    interrupted = any(
        isinstance(c, ResumableCheckpoint) and c.interrupted
        for c in trainer.callbacks  # pyright: ignore[reportAttributeAccessIssue]
    )
    if interrupted and trainer.is_global_zero:
        sys.stderr.write("stopped early; resume with ckpt_path=last\n")
    return INTERRUPTED if interrupted else 0


if __name__ == "__main__":
    main()
