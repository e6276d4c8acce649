"""``sntorch augment``: a sample -> the same with generated objects of its rare classes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from sntorch.cli.entry import hydra_main, told_warnings, whole_number
from sntorch.cli.outputs import refuse_existing
from sntorch.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from omegaconf import DictConfig

    from sntorch.data.light_curve import LightCurves
    from sntorch.generative.parents import Choose

# Formats that hold the provenance of every object.
KEEPS_PROVENANCE = ("parquet", "sncosmo", "csv")


@hydra_main("augment")
def main(cfg: DictConfig) -> None:
    """Augment as the config says."""
    from sntorch.data.io import read, write
    from sntorch.generative.augment import augmented, wanted

    whole_number(cfg, "seed", 0)
    out = Path(cfg.out)
    format = _format(out, cfg.format)
    refuse_existing(out, cfg.overwrite)
    real = read(cfg.files)
    lack = wanted(real, cfg.target, _classes(cfg))
    with told_warnings():
        sample = augmented(real, lack, _parents(cfg, lack), cfg.seed)
    write(sample, out, format=format)
    print(table(real, lack))
    print(f"{out}: {len(sample)} light curves, {len(real)} of them real")


def table(real: LightCurves, lack: Mapping[str, int]) -> str:
    """Real and new objects of each class, a line each."""
    counts = Counter(lc.type for lc in real)
    width = max(map(len, ("class", *counts)))
    lines = [f"{'class':<{width}}  {'real':>6}  {'new':>6}"]
    lines += [f"{k:<{width}}  {n:>6}  {lack.get(k, 0):>6}" for k, n in counts.most_common()]
    return "\n".join(lines)


def _format(out: Path, named: str | None) -> str:
    """The format of the output, if the provenance survives in it."""
    from sntorch.data.io.dispatch import format_to_write

    format = named or format_to_write(out)
    if format not in KEEPS_PROVENANCE:
        raise ConfigError(
            f"out={out}: format {format} cannot say which objects are generated, and by what; "
            "name a file ending in .parquet, .ecsv or .csv"
        )
    return format


def _classes(cfg: DictConfig) -> list[str] | None:
    """The classes that the config names."""
    from omegaconf import ListConfig

    if cfg.classes is None:
        return None
    named = list(cfg.classes) if isinstance(cfg.classes, ListConfig) else [cfg.classes]
    if not named:
        raise ConfigError("classes=[]: a list of class names, or null for all, is accepted")
    return [str(name) for name in named]


def _parents(cfg: DictConfig, lack: Mapping[str, int]) -> Choose:
    """The model that the config names, for each class."""
    from sntorch.generative.parents import fitted_on_the_spot, trained_before

    if cfg.ckpt is None:
        return fitted_on_the_spot(cfg.model)
    return trained_before(cfg.ckpt, [name for name, number in lack.items() if number])


if __name__ == "__main__":
    main()
