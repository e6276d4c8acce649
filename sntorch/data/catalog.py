"""Named public data sets: where they come from, their checksums, and how to fetch them.

The packaged ``catalog.yaml`` lists them, ``catalog.sha256`` the checksum of every file. Nothing is
kept that does not match, and a failed download leaves nothing behind.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import yaml

from sntorch.atomic import atomic_folder
from sntorch.data.downloads import Unavailable, from_address, from_wheel
from sntorch.data.io import read
from sntorch.data.light_curve import LightCurves
from sntorch.errors import ConfigError, DataError

HERE = Path(__file__).parent
CACHE_VARIABLE = "SNTORCH_DATA"


@dataclass(frozen=True)
class DataSet:
    """A named data set.

    Attributes:
        name: What ``fetch`` and ``load`` know it by.
        text: What it holds, in a line.
        cite: Whom to cite.
        licence: Under which terms it is published.
        format: Format for ``sntorch.read``.
        survey: Survey for ``sntorch.read``, empty where the files say it.
        address: Folder of the files on the web, empty where there is none.
        mirrors: Wheels that carry the files, ``{"pypi": "package==version", "folder": …}``.
        archive: ``{"file", "sha256" or "md5", "folder"}`` where the set is one packed file.
        files: sha256 of each file (of its unpacked content where the name ends in ``.gz``).
    """

    name: str
    text: str = ""
    cite: str = ""
    licence: str = ""
    format: str = ""
    survey: str = ""
    address: str = ""
    mirrors: tuple[Mapping[str, str], ...] = ()
    archive: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)

    @property
    def wanted(self) -> tuple[str, ...]:
        """Names of what has to be fetched: the archive, or the files."""
        return (self.archive["file"],) if self.archive else tuple(self.files)


@cache
def datasets() -> dict[str, DataSet]:
    """All named data sets."""
    entries = yaml.safe_load((HERE / "catalog.yaml").read_text(encoding="utf-8"))
    files: dict[str, dict[str, str]] = {name: {} for name in entries}
    for line in (HERE / "catalog.sha256").read_text(encoding="utf-8").splitlines():
        digest, _, path = line.partition("  ")
        name, _, member = path.partition("/")
        files[name][member] = digest
    return {name: _dataset(name, entry, files[name]) for name, entry in entries.items()}


def _dataset(name: str, entry: dict[str, Any], files: dict[str, str]) -> DataSet:
    entry["mirrors"] = tuple(entry.get("mirrors", ()))
    return DataSet(name=name, files=files, **entry)


def get(name: str) -> DataSet:
    """The data set of this name.

    Raises:
        ConfigError: No such set; lists the names.
    """
    if name not in datasets():
        raise ConfigError(f"no data set {name!r}; the names are {', '.join(datasets())}")
    return datasets()[name]


def cache_folder() -> Path:
    """Where fetched data sets are kept: $SNTORCH_DATA, or the user's cache folder."""
    import pooch

    return Path(os.environ.get(CACHE_VARIABLE) or pooch.os_cache("sntorch"))


def fetch(
    name: str | DataSet, source: str | Path | None = None, folder: str | Path | None = None
) -> Path:
    """Bring a data set here, check every file, and say where it is.

    Args:
        name: Name of the data set, or a set of one's own.
        source: A local copy (folder or file) to take instead of downloading.
        folder: Where to put it; ``cache_folder()/NAME`` by default.

    Returns:
        The folder that ``sntorch.read`` takes.

    Raises:
        ConfigError: No such data set.
        DataError: No copy could be had, or one that does not match its checksum; nothing is left.
    """
    dataset = name if isinstance(name, DataSet) else get(name)
    target = Path(folder) if folder else cache_folder() / dataset.name
    if is_complete(dataset, target):
        return _readable(dataset, target)
    with atomic_folder(target, replaceable=lambda p: _holds_only(dataset, p)) as draft:
        if source is None:
            _download(dataset, draft)
        else:
            _copy(dataset, Path(source), draft)
        if dataset.archive:
            _unpack(draft / dataset.archive["file"], draft, dataset)
    return _readable(dataset, target)


def load(name: str, source: str | Path | None = None, **read_options: Any) -> LightCurves:
    """Read a named data set.

    Args:
        name: Name of the data set.
        source: Where a copy lies, read as it is, unchecked; default: fetch it first.
        **read_options: As in ``sntorch.read``.
    """
    dataset = get(name)
    options = {"format": dataset.format, "survey": dataset.survey or None, **read_options}
    return read(fetch(name) if source is None else source, **options)


def is_complete(dataset: DataSet, folder: Path) -> bool:
    """Whether a folder holds the whole data set, every file with the right checksum."""
    if dataset.archive:
        packed = folder / dataset.archive["file"]
        return _readable(dataset, folder).is_dir() and _matches(dataset, packed.name, packed)
    return folder.is_dir() and all(_matches(dataset, n, folder / n) for n in dataset.files)


def _readable(dataset: DataSet, folder: Path) -> Path:
    return folder / dataset.archive.get("folder", "") if dataset.archive else folder


def _holds_only(dataset: DataSet, folder: Path) -> bool:
    """Whether everything in a folder belongs to the data set, so that it may be replaced."""
    if dataset.archive:
        inside = {dataset.archive["file"], dataset.archive["folder"]}
        return all(p.name in inside for p in folder.iterdir())
    found = (p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    return all(name in dataset.files for name in found)


def _download(dataset: DataSet, draft: Path) -> None:
    """Try the address, then the mirrors; the first that gives everything, unharmed, counts."""
    reasons = []
    attempts = [partial(from_address, dataset.address)] if dataset.address else []
    attempts += [partial(from_wheel, m["pypi"], m["folder"]) for m in dataset.mirrors]
    for attempt in attempts:
        try:
            attempt(dataset.wanted, draft)
            _check(dataset, draft)
            return
        except (Unavailable, DataError) as error:
            reasons.append(str(error))
            _empty(draft)
    tried = "; ".join(reasons) or "it has no public address"
    raise DataError(
        f"{dataset.name}: could not be fetched ({tried}); with a copy of "
        f"{_some(dataset.wanted)} at hand: sntorch data fetch {dataset.name} --from PATH"
    )


def _copy(dataset: DataSet, source: Path, draft: Path) -> None:
    if not source.exists():
        raise DataError(f"{source}: no such file or folder")
    for name in dataset.wanted:
        found = _find(source, name)
        if found is None:
            raise DataError(f"{source}: {name} of the data set {dataset.name} is not there")
        target = draft / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if found.suffix != target.suffix and target.suffix == ".gz":
            target.write_bytes(gzip.compress(found.read_bytes(), mtime=0))
        else:
            shutil.copyfile(found, target)
    _check(dataset, draft)


def _find(source: Path, name: str) -> Path | None:
    """A file of the set in a local copy, packed or not."""
    if source.is_file():
        return source if source.name == Path(name).name else None
    names = (name, name.removesuffix(".gz"), Path(name).name)
    return next((p for n in names if (p := source / n).is_file()), None)


def _check(dataset: DataSet, draft: Path) -> None:
    for name in dataset.wanted:
        if not _matches(dataset, name, draft / name):
            raise DataError(f"{name}: does not match its checksum, damaged or another version")


def _matches(dataset: DataSet, name: str, path: Path) -> bool:
    if not path.is_file():
        return False
    if dataset.archive:
        kind = "sha256" if "sha256" in dataset.archive else "md5"
        return checksum(path, kind, unpacked=False) == dataset.archive[kind]
    return checksum(path) == dataset.files[name]


def checksum(path: Path, kind: str = "sha256", unpacked: bool = True) -> str:
    """Checksum of a file, of its content where the name ends in ``.gz``; empty if damaged."""
    opened = gzip.open if unpacked and path.suffix == ".gz" else open
    digest = hashlib.new(kind, usedforsecurity=False)
    try:
        with opened(path, "rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except (OSError, EOFError):
        return ""
    return digest.hexdigest()


def _unpack(archive: Path, folder: Path, dataset: DataSet) -> None:
    """Unpack a tar file; members that would land outside the folder, or are no files, end it."""
    try:
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
    except (tarfile.TarError, EOFError, OSError) as error:
        raise DataError(f"{archive.name}: cannot be unpacked safely ({error})") from error
    if not (folder / dataset.archive["folder"]).is_dir():
        raise DataError(f"{archive.name}: holds no folder {dataset.archive['folder']}")


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:2]) + (f" and {len(names) - 2} more files" if len(names) > 2 else "")
