"""Results that arrive a chunk at a time, kept on disk, so that a killed run goes on."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from sntorch.atomic import atomic_write
from sntorch.errors import ConfigError

SIGNATURE = "signature.json"
DIGEST = 64


class ChunkStore:
    """A folder with one file a finished chunk.

    Args:
        folder: Where; made where missing.
        settings: All that the results depend on, as plain containers. A folder that was begun
            with others is refused.

    Raises:
        ConfigError: The folder holds chunks of other settings or data.
    """

    def __init__(self, folder: str | Path, settings: dict[str, Any]) -> None:
        self.folder = Path(folder)
        text = json.dumps(settings, sort_keys=True, default=str)
        signature = {**_short(settings), "sha256": hashlib.sha256(text.encode()).hexdigest()}
        path = self.folder / SIGNATURE
        if path.is_file():
            _compare(path, signature)
            return
        with atomic_write(path) as draft:
            draft.write_text(json.dumps(signature, indent=2, default=str) + "\n")

    def path(self, index: int) -> Path:
        """File of a chunk."""
        return self.folder / f"chunk_{index:06d}.safetensors"

    def save(self, index: int, tensors: dict[str, Tensor], notes: dict[str, Any]) -> None:
        """Keep a chunk's tensors and, as JSON, what else is known of it."""
        plain = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
        with atomic_write(self.path(index)) as draft:
            save_file(plain, str(draft), metadata={"notes": json.dumps(notes)})

    def load(self, index: int) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """A finished chunk's tensors and notes; None where it is not finished.

        Raises:
            ConfigError: A file that is damaged.
        """
        path = self.path(index)
        if not path.is_file():
            return None
        try:
            with safe_open(str(path), framework="pt") as file:
                notes = json.loads((file.metadata() or {})["notes"])
                # Copied: the file's memory is not aligned, products of what lies there differ in
                # the last digit, and a resumed chain would leave its path.
                names = file.keys()
                return {name: file.get_tensor(name).clone() for name in names}, notes
        except (SafetensorError, KeyError, ValueError) as error:
            raise ConfigError(f"{path}: damaged ({error}); delete it to fit it again") from error

    def finished(self, n: int) -> int:
        """How many of the first n chunks are done."""
        return sum(self.path(i).is_file() for i in range(n))


def _short(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings short enough for people to read."""
    return {k: v for k, v in settings.items() if not isinstance(v, list | tuple | dict)}


def _difference(name: str, there: object, now: object) -> str:
    """One setting that differs, in words; of a checksum only what it is of."""
    if isinstance(now, str) and len(now) == DIGEST:
        return f"other {name.replace('_', ' ')}"
    return f"{name}={there} there, {now} now"


def _compare(path: Path, signature: dict[str, Any]) -> None:
    try:
        found = json.loads(path.read_text())
    except ValueError as error:
        raise ConfigError(f"{path}: not JSON; delete its folder to begin anew") from error
    found = found if isinstance(found, dict) else {}
    if found.get("sha256") == signature["sha256"]:
        return
    keys = [
        k
        for k in signature
        if k != "sha256" and found.get(k) != json.loads(json.dumps(signature[k], default=str))
    ]
    what = ", ".join(_difference(k, found.get(k), signature[k]) for k in keys)
    raise ConfigError(
        f"{path.parent} holds chunks of another run ({what or 'other light curves'}): "
        "choose another folder, or delete it"
    )
