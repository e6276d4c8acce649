"""Folders that ``sntorch train`` wrote, the checkpoints in them, and the device to run on."""

from __future__ import annotations

import importlib
import json
import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sntorch.errors import CheckpointError, ConfigError

OUTPUTS = Path("outputs")
LAST = Path("checkpoints") / "last.ckpt"
SPLIT = "split.csv"
NOT_APPLICABLE = (
    "does not have many workers",
    "smaller than the logging interval",
    # Ours share their batches among workers.
    "`IterableDataset` has `__len__`",
    "across ranks is zero",
    "LeafSpec",
    "Grad strides do not match",
    # On a Mac, where auto means the CPU.
    "GPU available but not used",
)


def newest_checkpoint(task: str) -> Path:
    """The last checkpoint of the newest run of a task.

    Raises:
        CheckpointError: No run of this task has one.
    """
    found = sorted((OUTPUTS / task).glob(f"*/{LAST}"), key=lambda p: p.stat().st_mtime)
    if not found:
        raise CheckpointError(
            f"no checkpoint in {OUTPUTS / task}/*/{LAST}: train first, or give a path"
        )
    return found[-1]


def run_folder(checkpoint: Path) -> Path:
    """The folder of the run that wrote a checkpoint."""
    return checkpoint.resolve().parents[1]


def keep_split(datamodule: Any, output: Path) -> None:
    """Keep with the run which object was for what; ``data.split_file`` takes the table."""
    from sntorch.data.splits import write_split

    if hasattr(datamodule, "names"):
        write_split(output / SPLIT, datamodule.names())


def keep_metrics(metrics: Mapping[str, float], output: Path) -> None:
    """Write a run's last scores."""
    (output / "metrics.json").write_text(json.dumps(dict(metrics), indent=2) + "\n")


def check_readable(path: Path) -> dict[str, Any]:
    """Load a checkpoint's contents without running any code from it.

    Raises:
        CheckpointError: The file is missing, damaged, or no Lightning checkpoint.
    """
    import torch

    if not path.is_file():
        raise CheckpointError(f"{path}: no such checkpoint")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise CheckpointError(
            f"{path}: damaged, or not a checkpoint ({type(error).__name__})"
        ) from error
    if not isinstance(content, dict) or "state_dict" not in content:
        raise CheckpointError(f"{path}: not a Lightning checkpoint (no state_dict)")
    return content


def device(name: str) -> str:
    """The device that ``device=…`` names; ``auto`` is CUDA where there is one.

    Raises:
        ConfigError: No such device here.
    """
    import torch

    # Times need double precision, which Apple's GPUs do not have.
    n_cuda = torch.cuda.device_count()
    accepted = ["cpu", *(["cuda"] if n_cuda else []), *(f"cuda:{i}" for i in range(n_cuda))]
    if name == "auto":
        return "cuda" if n_cuda else "cpu"
    if name not in accepted:
        raise ConfigError(f"device={name}: accepted here are auto, {', '.join(accepted)}")
    return name


def quieten() -> None:
    """Keep away what Lightning says that does not apply: data in memory, short epochs."""
    # It sets its level when it is imported.
    importlib.import_module("lightning")
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for advice in NOT_APPLICABLE:
        warnings.filterwarnings("ignore", message=f".*{advice}.*")
