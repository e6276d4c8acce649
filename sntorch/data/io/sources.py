"""Opening files: every way in which that fails as one line."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from sntorch.errors import DataError


def read_bytes(path: Path) -> bytes:
    """Content of a file, unpacked when its name ends in ``.gz``.

    Raises:
        DataError: Missing, a folder, unreadable, or damaged.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file")
    if path.is_dir():
        raise DataError(f"{path}: is a folder, a file is needed")
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if path.suffix == ".gz" else content
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: damaged or truncated gzip file ({error})") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from error


def read_text(path: Path) -> str:
    """Content of a text file (UTF-8).

    Raises:
        DataError: As ``read_bytes``, or not text in UTF-8.
    """
    content = read_bytes(path)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: not a text file in UTF-8 (byte {error.start} is {content[error.start]:#x})"
        ) from error
