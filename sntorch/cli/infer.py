"""``sntorch infer``: SALT fits of a selected sample -> posteriors of its population."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sntorch.cli.bayesn_runs import output_folder, write_config
from sntorch.cli.entry import hydra_main, listed, settings, told_warnings, whole_number
from sntorch.cli.outputs import refuse_existing_report
from sntorch.errors import ConfigError

if TYPE_CHECKING:
    from omegaconf import DictConfig
    from torch import Tensor

    from sntorch.sbi.tripp_methods import TrippMethods


@hydra_main("infer")
def main(cfg: DictConfig) -> None:
    """Infer as the config says."""
    for name, least in (("draws", 100), ("seed", 0)):
        whole_number(cfg, name, least)
    whole_number(cfg.efficiency, "injections", 100)
    for name in ("batch", "steps"):
        whole_number(cfg.selected_flow, name, 1)
    settings(cfg, "efficiency", ("injections",))
    settings(cfg, "selected_flow", ("batch", "steps"))
    folder = output_folder(cfg.out, cfg.task)
    refuse_existing_report(folder, cfg.overwrite)
    with told_warnings():
        print(infer(cfg, folder))
    print(folder)


def infer(cfg: DictConfig, folder: Path) -> str:
    """Write draws, a summary, figures and a report into ``folder``; returns the summary's text."""
    from hydra.utils import instantiate

    from sntorch.cli.infer_report import checked, write_infer_report
    from sntorch.cli.infer_words import setting
    from sntorch.cli.stages import Stages
    from sntorch.physics.cosmology import Cosmology
    from sntorch.sbi.prior import BoxPrior
    from sntorch.sbi.tripp_files import read_tripp
    from sntorch.sbi.tripp_learning import with_quality
    from sntorch.sbi.tripp_methods import TrippMethods

    prior = BoxPrior.of(instantiate(cfg.prior, _convert_="all"))
    selection = instantiate(cfg.selection) if cfg.selection is not None else None
    cosmology = Cosmology(h0=cfg.h0, om0=cfg.om0)
    observed = read_tripp(cfg.files, cosmology, quality=cfg.quality)
    told = f"{len(observed.names)} supernovae of {cfg.files}"
    if cfg.quality:
        n = len(read_tripp(cfg.files, cosmology).names) - len(observed.names)
        selection, told = with_quality(selection), f"{told} ({n} left out by the fit cuts)"
    with Stages() as stages:
        known = TrippMethods(observed, selection, prior, cfg.seed, stages)
        known.check()
        draws = posteriors(cfg, known)
    checks = checked(draws, known)
    write_config(folder, cfg)
    paragraphs = setting(told, selection, cosmology, prior, cfg.draws, cfg.seed)
    return write_infer_report(folder, known, draws, checks, paragraphs)


def posteriors(cfg: DictConfig, known: TrippMethods) -> dict[str, Tensor]:
    """Draws, shape (S, D), of all methods that are asked for, and of networks.

    Raises:
        ConfigError: Nothing is asked for, or what the sample and its selection do not allow.
    """
    from sntorch.sbi.opening import open_estimator
    from sntorch.sbi.tripp_methods import tripp_methods

    names = default_methods(known) if cfg.methods is None else tuple(listed(cfg, "methods"))
    paths = listed(cfg, "ckpt")
    networks = [known.network(path, open_estimator(path).eval()) for path in paths]
    methods = tripp_methods(known, names, cfg.efficiency.injections, dict(cfg.selected_flow))
    if not methods and not networks:
        raise ConfigError("methods=[]: one method at least, or a network (ckpt=…), is accepted")
    return {
        one.name: one.sample(known.sample, cfg.draws, cfg.seed)[0] for one in (*methods, *networks)
    }


def default_methods(known: TrippMethods) -> tuple[str, ...]:
    """The likelihood with the selection known, where it is, and ignored."""
    if known.selection is None:
        return ("ignored",)
    return ("likelihood" if known.selection.in_closed_form else "efficiency", "ignored")


if __name__ == "__main__":
    main()
