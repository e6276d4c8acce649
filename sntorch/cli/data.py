"""``sntorch data``: list, fetch and convert light curves."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, NoReturn

from sntorch.cli.entry import guarded, told_warnings
from sntorch.cli.outputs import refuse_existing
from sntorch.data import catalog
from sntorch.data.io import FORMATS, read
from sntorch.data.light_curve import LightCurves
from sntorch.errors import ConfigError

OPTIONS = ("strict", "format", "to_format", "survey", "bad_rows", "overwrite")
TRUTHS = ("strict", "overwrite")


def main(argv: list[str] | None = None) -> int:
    """Run the verb; returns the exit code.

    Raises:
        SntorchError: What was asked for cannot be done.
    """
    options = _parser().parse_args(sys.argv[1:] if argv is None else argv)
    return options.run(options)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """One line, as for every other mistake."""
        raise ConfigError(f"{self.prog}: {message}")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="sntorch data", description="List, fetch and convert light curves.")
    verbs = parser.add_subparsers(required=True, metavar="list | fetch | convert")
    listing = verbs.add_parser("list", help="the named data sets and the file formats")
    listing.set_defaults(run=_list)
    fetching = verbs.add_parser("fetch", help="download a named data set and check it")
    fetching.add_argument("name", metavar="NAME")
    fetching.add_argument("--from", dest="source", metavar="PATH", help="a local copy to take")
    fetching.add_argument("--to", dest="folder", metavar="FOLDER", help="where to put it")
    fetching.set_defaults(run=_fetch)
    converting = verbs.add_parser("convert", help="from one file format to another")
    converting.add_argument("source", metavar="IN")
    converting.add_argument("target", metavar="OUT")
    hint = f"{', '.join(f'{o}=…' for o in OPTIONS)}, bands.LETTER=NAME"
    converting.add_argument("settings", nargs="*", metavar="key=value", help=hint)
    converting.set_defaults(run=_convert)
    return parser


def _list(_: argparse.Namespace) -> int:
    print(f"data sets (kept in {catalog.cache_folder()}):")
    for dataset in catalog.datasets().values():
        here = catalog.cache_folder() / dataset.name
        place = "here" if here.is_dir() else "" if _is_public(dataset) else "needs --from PATH"
        print(f"  {dataset.name:<22}  {dataset.text}{f'  [{place}]' if place else ''}")
        print(f"  {'':<22}  {dataset.licence}; {dataset.cite}")
    print("formats:")
    for name, form in FORMATS.items():
        print(f"  {name:<22}  {form.text}")
    return 0


def _is_public(dataset: catalog.DataSet) -> bool:
    return bool(dataset.address or dataset.mirrors)


def _fetch(options: argparse.Namespace) -> int:
    dataset = catalog.get(options.name)
    if options.source is None and dataset.address:
        print(f"{dataset.name}: {len(dataset.wanted)} files from {dataset.address}")
    folder = catalog.fetch(options.name, options.source, options.folder)
    print(f"{dataset.name}: {folder}\ncite: {dataset.cite}")
    return 0


def _convert(options: argparse.Namespace) -> int:
    settings = _settings(options.settings)
    to_format = settings.pop("to_format", None)
    overwrite = settings.pop("overwrite", False)
    refuse_existing(Path(options.target), overwrite, "OUT")
    # What was left out is one line on stderr instead of Python's warning.
    with told_warnings():
        light_curves = read(options.source, **settings)
        light_curves.write(options.target, format=to_format)
    left_out = len(light_curves.skipped)
    print(f"read    {options.source}: {_counts(light_curves)}, {left_out} objects left out")
    print(f"wrote   {options.target}")
    return 0


def _counts(light_curves: LightCurves) -> str:
    bands = ", ".join(light_curves.bands)
    return f"{len(light_curves)} objects, {light_curves.n_observations} observations in {bands}"


def _settings(words: list[str]) -> dict[str, Any]:
    """``key=value`` words as keywords of ``read``."""
    settings: dict[str, Any] = {}
    for word in words:
        key, equals, value = word.partition("=")
        band = key.removeprefix("bands.")
        if not equals or (key not in OPTIONS and band == key):
            accepted = ", ".join((*OPTIONS, "bands.LETTER"))
            raise ConfigError(
                f"sntorch data convert: {word!r}; accepted are KEY=VALUE with {accepted}"
            )
        if band != key:
            settings.setdefault("bands", {})[band] = value
        else:
            settings[key] = _truth(key, value) if key in TRUTHS else value
    return settings


def _truth(key: str, value: str) -> bool:
    if value.lower() not in ("true", "false"):
        raise ConfigError(f"sntorch data convert: {key}={value}; accepted are true and false")
    return value.lower() == "true"


if __name__ == "__main__":
    guarded(main)
