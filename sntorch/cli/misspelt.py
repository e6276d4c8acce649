"""What was probably meant by an option or a config that there is not."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

HYDRAS = re.compile(r"Could not override '([^']+)'")
SUGGESTED = 3
# How much less like the last word of a name a suggestion's may be than the best one's.
ROOM = 0.1
GLOBAL = "@package _global_"


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
    near = ", ".join(_nearest(found[1], set(_options(folder))))
    meant = f"did you mean {near}?" if near else "none is spelt like it;"
    return f"no option {found[1]!r}; {meant} sntorch config print VERB lists all"


def missing_config(name: str, folder: Path, beside: Iterable[str] = ()) -> str:
    """One line about a config that there is not, with what its group has.

    Args:
        name: As the group and the config in it.
        folder: Of the packaged configs.
        beside: Names next to it that Hydra found, a user's own among them.
    """
    group, _, asked = name.partition("/")
    names = set(config_names(folder, group))
    # Of a config in a sub-folder Hydra does not say which folder it looked in.
    names |= set() if "/" in asked else set(beside)
    near = ", ".join(difflib.get_close_matches(asked, sorted(names), SUGGESTED))
    meant = f"did you mean {near}? " if near else ""
    return f"no config {name!r}; {meant}{group} has {', '.join(sorted(names)) or 'none'}"


def config_names(folder: Path, group: str) -> list[str]:
    """Configs of a group, those in its sub-folders as ``gan/recurrent``."""
    found = (folder / group).rglob("*.yaml")
    return sorted(p.relative_to(folder / group).with_suffix("").as_posix() for p in found)


def _nearest(name: str, known: set[str]) -> list[str]:
    """Options with a last word like that of ``name``, those that are most like it first."""
    last = _last(name)
    like = difflib.get_close_matches(last, {_last(one) for one in known}, SUGGESTED)
    found = [one for one in known if _last(one) in like]
    best = max((_ratio(last, _last(one)) for one in found), default=0.0)
    found = [one for one in found if _ratio(last, _last(one)) > best - ROOM]
    ranked = sorted(found, key=lambda one: (-_ratio(last, _last(one)), -_ratio(name, one), one))
    return (ranked or difflib.get_close_matches(name, sorted(known), SUGGESTED))[:SUGGESTED]


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _ratio(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, one, other).ratio()


def _options(folder: Path) -> Iterator[str]:
    """Every option of the verbs and of all groups, with dots."""
    for path in folder.rglob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        prefix = [] if GLOBAL in text else _package(path, folder)
        yield from _names(yaml.safe_load(text), prefix)


def _package(path: Path, folder: Path) -> list[str]:
    """Where a config's settings go: into its group, and the group in that where it is one."""
    groups = path.relative_to(folder).parts[:-1]
    top = (folder / groups[0]).glob("*.yaml") if len(groups) > 1 else ()
    loaded = (yaml.safe_load(one.read_text(encoding="utf-8")) or {} for one in top)
    chosen = {
        key
        for config in loaded
        for entry in config.get("defaults", ())
        if isinstance(entry, dict)
        for key in entry
    }
    return [*groups[:1], *(group for group in groups[1:] if group in chosen)]


def _names(config: Any, prefix: list[str]) -> Iterator[str]:
    if isinstance(config, dict):
        for key, value in config.items():
            yield ".".join([*prefix, str(key)])
            yield from _names(value, [*prefix, str(key)])
