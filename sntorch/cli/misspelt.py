"""What was probably meant by an option that no config has."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

HYDRAS = re.compile(r"Could not override '([^']+)'")
SUGGESTED = 3


def unknown_option(message: str, folder: Path) -> str | None:
    """One line about the option that Hydra could not override, with like ones.

    Args:
        message: Of Hydra, whose own advice (to append the option) would have it ignored.
        folder: Of the configs.

    Returns:
        None where the message is about something else.
    """
    found = HYDRAS.match(message)
    if found is None:
        return None
    name = found[1]
    *groups, last = name.split(".")
    like = difflib.get_close_matches(last, sorted(set(_keys(folder, groups))), SUGGESTED)
    near = ", ".join(".".join([*groups, one]) for one in like)
    meant = f"did you mean {near}?" if near else "none is spelt like it"
    return f"no option {name!r}; {meant} sntorch config print VERB lists all"


def _keys(folder: Path, groups: list[str]) -> Iterator[str]:
    """Options of the verbs, or those of the configs in a group."""
    top = folder.joinpath(*groups[:1])
    for path in top.rglob("*.yaml") if groups else top.glob("*.yaml"):
        yield from _names(yaml.safe_load(path.read_text(encoding="utf-8")))


def _names(config: Any) -> Iterator[str]:
    if isinstance(config, dict):
        for key, value in config.items():
            yield str(key)
            yield from _names(value)
