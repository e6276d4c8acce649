"""Outputs under names of the user's own: what is there already is replaced only when asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sntorch.errors import ConfigError

REPORT = "report.html"


def refuse_existing(path: Path, overwrite: Any, name: str = "out") -> None:
    """Refuse to write where something is; an empty folder is nothing.

    Args:
        path: The file or folder that would be written.
        overwrite: The setting of that name.
        name: Of the setting that names the path, for the message.

    Raises:
        ConfigError: There is something, and ``overwrite`` is not true; or it is no truth value.
    """
    if not isinstance(overwrite, bool):
        raise ConfigError(f"overwrite={overwrite}: true and false are accepted")
    empty = path.is_dir() and not any(path.iterdir())
    if path.exists() and not empty and not overwrite:
        raise ConfigError(f"{name}={path}: exists already; overwrite=true replaces it")


def refuse_existing_report(folder: Path, overwrite: Any) -> None:
    """Refuse a folder with a report in it; other files there (a run's own) are left alone.

    Raises:
        ConfigError: As ``refuse_existing``.
    """
    if folder.is_dir() and (folder / REPORT).exists():
        refuse_existing(folder, overwrite)
