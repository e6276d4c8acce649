"""Nothing half-written: write beside the target, then rename."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sntorch.errors import DataError


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """A temporary name beside ``path``, renamed to it when the block ends without an error.

    Args:
        path: The file to write; an existing file is replaced, its folder is made where missing.

    Yields:
        The name to write to; it has the same suffixes as ``path``.

    Raises:
        DataError: ``path`` is a folder, or cannot be written.
    """
    target = Path(path)
    if target.is_dir():
        raise DataError(f"{target}: is a folder, a file name is needed")
    with _staging(target) as folder:
        draft = folder / target.name
        yield draft
        os.replace(draft, target)


@contextmanager
def atomic_folder(
    path: str | Path, replaceable: Callable[[Path], bool] = lambda _: False
) -> Iterator[Path]:
    """A temporary folder that becomes ``path`` when the block ends without an error.

    Args:
        path: The folder to write; it may exist when it is empty.
        replaceable: Says whether an existing, filled folder may be replaced as a whole.

    Yields:
        The folder to write into.

    Raises:
        DataError: ``path`` is a file, or a folder with something else in it, or cannot be written.
    """
    target = Path(path)
    if target.exists() and not target.is_dir():
        raise DataError(f"{target}: is a file, a folder name is needed")
    if target.is_dir() and any(target.iterdir()) and not replaceable(target):
        raise DataError(f"{target}: the folder holds other files; name a new or an empty folder")
    with _staging(target) as folder:
        draft = folder / "new"
        draft.mkdir()
        yield draft
        if target.exists():
            os.replace(target, folder / "old")
        os.replace(draft, target)


@contextmanager
def _staging(target: Path) -> Iterator[Path]:
    """A temporary folder on the target's file system, removed in the end."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise DataError(f"{target}: cannot be written ({error.strerror})") from error
    try:
        yield folder
    except OSError as error:
        raise DataError(f"{target}: cannot be written ({error.strerror or error})") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
