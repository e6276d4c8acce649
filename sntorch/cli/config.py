"""``sntorch config``: copy the packaged configs to a folder, or print a composed one."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sntorch.cli.entry import config_dir
from sntorch.errors import ConfigError

if TYPE_CHECKING:
    from omegaconf import DictConfig


def main(argv: list[str] | None = None) -> int:
    """Run ``copy DIR`` or ``print NAME [overrides]``."""
    parser = argparse.ArgumentParser(prog="sntorch config", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    copy = actions.add_parser("copy", help="copy all configs to a folder of yours")
    copy.add_argument("folder", type=Path)
    show = actions.add_parser("print", help="print a composed config")
    show.add_argument("name", help="train, generate, simulate, fit, train-bayesn, evaluate")
    show.add_argument("overrides", nargs="*")
    options = parser.parse_args(sys.argv[1:] if argv is None else argv)
    if options.action == "copy":
        copy_configs(options.folder)
        print(f"configs copied to {options.folder}; use them with --config-dir {options.folder}")
    else:
        print(composed(options.name, options.overrides), end="")
    return 0


def copy_configs(folder: Path) -> None:
    """Copy every packaged config into ``folder``, which must not hold anything yet."""
    if (folder.is_dir() and any(folder.iterdir())) or folder.is_file():
        raise ConfigError(f"{folder}: not empty; a new or empty folder is accepted")
    shutil.copytree(config_dir(), folder, dirs_exist_ok=True)


def composed(name: str, overrides: list[str]) -> str:
    """The config ``name`` with overrides, as YAML."""
    from omegaconf import OmegaConf

    return OmegaConf.to_yaml(compose_config(name, overrides))


def compose_config(name: str, overrides: Sequence[str] = ()) -> DictConfig:
    """The config ``name`` with overrides, for use from Python."""
    from hydra import compose, initialize_config_dir

    name = name.replace("-", "_")
    if not (config_dir() / f"{name}.yaml").is_file():
        names = sorted(p.stem for p in config_dir().glob("*.yaml"))
        raise ConfigError(f"no config {name!r}; there are {', '.join(names)}")
    with initialize_config_dir(version_base="1.3", config_dir=str(config_dir())):
        return compose(name, list(overrides))


if __name__ == "__main__":
    sys.exit(main())
