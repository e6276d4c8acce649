"""Bringing files here: over HTTP with pooch, or out of a wheel with the pip client."""

from __future__ import annotations

import gzip
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

TIMEOUT = 30.0


class Unavailable(Exception):  # noqa: N818
    """A place that does not have the files, or cannot be reached; the message says why."""


def from_address(address: str, names: Sequence[str], folder: Path) -> None:
    """Download ``address + name`` for every name.

    Raises:
        Unavailable: The first file that could not be had.
    """
    import pooch
    import requests

    download = pooch.HTTPDownloader(progressbar=False, timeout=TIMEOUT)
    for name in names:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            download(address + name, str(target), None)
        except requests.RequestException as error:
            status = getattr(error.response, "status_code", None)
            reason = f"status {status}" if status else type(error).__name__
            raise Unavailable(f"{address}{name}: {reason}") from error


def from_wheel(requirement: str, inside: str, names: Sequence[str], folder: Path) -> None:
    """Take files out of a wheel, which the pip client downloads but does not install.

    Args:
        requirement: ``package==version``.
        inside: Folder of the files inside the wheel.
        names: Names of the files; one that ends in ``.gz`` may lie there unpacked.
        folder: Where to put them.

    Raises:
        Unavailable: pip could not get the wheel, or it lacks a file.
    """
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += [
            "--disable-pip-version-check",
            "--only-binary=:all:",
            "-d",
            scratch,
            requirement,
        ]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        wheels = list(Path(scratch).glob("*.whl"))
        if result.returncode or not wheels:
            lines = result.stderr.strip().splitlines() or ["pip gave no reason"]
            raise Unavailable(f"pypi {requirement}: {lines[-1]}")
        with zipfile.ZipFile(wheels[0]) as wheel:
            for name in names:
                _take(wheel, str(PurePosixPath(inside) / name), folder / name, requirement)


def _take(wheel: zipfile.ZipFile, member: str, target: Path, requirement: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    present = set(wheel.namelist())
    if member in present:
        with wheel.open(member) as source, target.open("wb") as file:
            shutil.copyfileobj(source, file)
    elif member.removesuffix(".gz") in present:
        content = wheel.read(member.removesuffix(".gz"))
        target.write_bytes(gzip.compress(content, mtime=0))
    else:
        raise Unavailable(f"pypi {requirement}: has no {member}")
