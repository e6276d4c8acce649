"""Experiments and the verbs that they are for: all lie in one group, each says its verb."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sntorch.errors import ConfigError

GROUP = "experiment"


def verb_of(path: Path) -> str | None:
    """The verb that an experiment's config names; None where it names none."""
    import yaml

    return yaml.safe_load(path.read_text()).get("verb")


def check_verb(verb: str, overrides: Sequence[str], configs: Path) -> None:
    """Refuse experiments of other verbs, which Hydra would call a group that is not there.

    Args:
        verb: That was called.
        overrides: What was typed after it.
        configs: Folder of the packaged configs.

    Raises:
        ConfigError: An experiment of another verb; the message names that.
    """
    for override in overrides:
        group, _, value = override.partition("=")
        for name in value.split(",") if group == GROUP else ():
            path = configs / GROUP / f"{name}.yaml"
            other = verb_of(path) if path.is_file() else None
            if other not in (None, verb):
                raise ConfigError(
                    f"experiment={name} is none of sntorch {verb}: "
                    f"sntorch {other} experiment={name} runs it"
                )
