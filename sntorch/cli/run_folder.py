"""The folder of a run that was refused before its first step: it is not kept."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from sntorch.cli.runs import SPLIT

# The name that conf/hydra/outputs.yaml gives to a run's folder.
NAMED = "%Y-%m-%d_%H-%M-%S"
STARTED = time.time()
# Folders and files that are there before the first step.
FOLDERS, FILES = (".hydra", "tensorboard"), (SPLIT, "*.log")


def discard(folder: Path) -> bool:
    """Remove the folder of a run that has done nothing; any other stays.

    Only a folder that this process made is removed: one named by a time since it began, which
    holds nothing but the run's settings, its log, its split and the opened TensorBoard file.

    Args:
        folder: Of the run.

    Returns:
        Whether it was removed.
    """
    if not _is_ours(folder) or not all(_is_beginning(path) for path in folder.iterdir()):
        return False
    shutil.rmtree(folder)
    return True


def _is_ours(folder: Path) -> bool:
    try:
        made = time.mktime(time.strptime(folder.name, NAMED))
    except ValueError:
        return False
    # The name has no fractions of a second.
    return folder.is_dir() and not folder.is_symlink() and made >= int(STARTED)


def _is_beginning(path: Path) -> bool:
    if path.is_dir():
        return path.name in FOLDERS and not path.is_symlink()
    return any(path.match(pattern) for pattern in FILES)
