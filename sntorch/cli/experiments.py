"""What a verb's overrides choose: experiments lie in one group, each says which verb it is for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sntorch.cli.misspelt import config_names
from sntorch.errors import ConfigError

GROUP = "experiment"
# Groups without which a run does as well.
OPTIONAL = ("logger",)


def verb_of(path: Path) -> str | None:
    """The verb that an experiment's config names; None where it names none."""
    import yaml

    return yaml.safe_load(path.read_text()).get("verb")


def check_groups(overrides: Sequence[str], configs: Path) -> None:
    """Refuse ``null`` for a group of configs, which Hydra does not understand.

    Args:
        overrides: What was typed after the verb.
        configs: Folder of the packaged configs.

    Raises:
        ConfigError: There is one.
    """
    for override in overrides:
        group, _, value = override.partition("=")
        if value == "null" and (configs / group).is_dir():
            names = ", ".join(config_names(configs, group))
            instead = f"~{group} leaves it out" if group in OPTIONAL else f"accepted are {names}"
            raise ConfigError(f"{override}: a config has to be named; {instead}")


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
