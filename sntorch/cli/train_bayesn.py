"""``sntorch train-bayesn``: a sample of SNe Ia -> a BayeSN model, or a population of dust."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sntorch.cli.bayesn_runs import (
    CONFIG,
    given_light_curves,
    output_folder,
    published_model,
    write_config,
    write_figures,
)
from sntorch.cli.entry import INTERRUPTED, hydra_main, whole_number
from sntorch.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from omegaconf import DictConfig

    from sntorch.bayesn import SEDModel
    from sntorch.bayesn.hierarchy import HierarchicalModel
    from sntorch.bayesn.populations import Population
    from sntorch.bayesn.sample_settings import SampleSettings
    from sntorch.bayesn.selected import SelectedSample
    from sntorch.bayesn.surfaces import FixedSED, TrainedSED
    from sntorch.bayesn.training import Status, Trained, TrainingSettings
    from sntorch.bayesn.training_sample import TrainingSample

log = logging.getLogger(__name__)

BEGINNINGS = ("model", "scratch")
# Ratio of the wavelengths of bands that are drawn side by side, at least.
APART = 1.05
CHECKPOINTS = "checkpoints"
KNOTS = ("wave_knots", "time_knots")


@hydra_main("train_bayesn")
def main(cfg: DictConfig) -> int:
    """Train as the config says; returns the exit code."""
    whole_number(cfg, "seed", 0)
    folder = output_folder(cfg.out, cfg.task)
    try:
        text = train(cfg, folder)
    except KeyboardInterrupt:
        if not (folder / CONFIG).is_file():
            raise
        sys.stderr.write(f"stopped; to go on: the same command with out={folder}\n")
        return INTERRUPTED
    print(text)
    print(folder)
    return 0


def train(cfg: DictConfig, folder: Path) -> str:
    """Train, write products and figures into ``folder``, and return the report.

    Args:
        cfg: The composed ``train_bayesn`` config.
        folder: Where everything goes; a training that was stopped there goes on.
    """
    import torch
    from hydra.utils import instantiate

    from sntorch.bayesn.training_products import write_training

    # Threads work on parts of the sample; tensors are too small for more in each.
    torch.set_num_threads(1)
    settings = instantiate(cfg.training, _convert_="all")
    published = published_model(cfg)
    model = hierarchical_model(cfg, published)
    trained = _watched(model, settings, cfg, folder)
    text = write_training(trained, folder, _provenance(cfg))
    write_figures(folder, training_figures(trained, published))
    return text


def hierarchical_model(cfg: DictConfig, published: SEDModel) -> HierarchicalModel:
    """The model that the config describes, with its sample.

    Raises:
        ConfigError: A setting that is not accepted.
        DataError: A sample that nothing can be learnt from.
    """
    from hydra.utils import instantiate

    from sntorch.bayesn.hierarchy import HierarchicalModel
    from sntorch.bayesn.preparation import read_headers
    from sntorch.bayesn.training_sample import training_sample
    from sntorch.physics.bandpasses import load_bandpasses

    if not isinstance(cfg.free_tmax, bool):
        raise ConfigError(f"free_tmax={cfg.free_tmax}: true or false is accepted")
    population = _population(cfg)
    settings: SampleSettings = instantiate(cfg.sample, _convert_="all")
    if population.needs_host_mass:
        settings = replace(settings, need_host_mass=True)
    surfaces = _surfaces(cfg, published)
    if cfg.bandpasses:
        load_bandpasses(cfg.bandpasses)
    headers = read_headers(cfg.headers) if cfg.headers else None
    curves = given_light_curves(cfg, headers, "train on")
    sample = training_sample(curves, surfaces.sed, settings, headers)
    sample = sample.to(surfaces.sed.w0.device)
    return HierarchicalModel(
        sample,
        surfaces,
        population,
        magnitudes=settings.likelihood == "magnitude",
        free_tmax=cfg.free_tmax,
        selection=_selection(cfg, surfaces, sample),
    )


def training_figures(trained: Trained, published: SEDModel) -> Iterator[tuple[str, Figure]]:
    """Name and figure, one after another; what was held fixed has none.

    Args:
        trained: What was trained.
        published: The model that training began with, drawn for comparison.
    """
    from sntorch.plotting.chains import population_corner, trace
    from sntorch.plotting.training import mean_light_curves, residual_covariance, surfaces

    draws, sed = trained.draws, trained.model.sed
    several = trained.settings.sampler != "map"
    if "w0" in draws and several:
        yield "surfaces", surfaces(draws, sed, published)
        yield "residual_covariance", residual_covariance(draws, sed)
    bands = _distinct(b for b in trained.model.sample.observations.bands if sed.covers(b, 0.0))
    if "w0" in draws and bands:
        yield "mean_light_curves", mean_light_curves(draws, sed, bands, published)
    numbers = [name for name, values in draws.items() if values.ndim == 2]
    if numbers and several:
        yield "population", population_corner(draws, truths=_published_numbers(published))
    if numbers and trained.settings.sampler == "nuts":
        yield "traces", trace(draws)


def _population(cfg: DictConfig) -> Population:
    from hydra.utils import instantiate

    from sntorch.bayesn.populations import Population

    population = instantiate(cfg.population, _convert_="all")
    if not isinstance(population, Population):
        found = cfg.population.get("_target_")
        raise ConfigError(
            f"population: {found} is no population: a subclass of "
            "sntorch.bayesn.populations.Population is accepted"
        )
    return population


def _selection(
    cfg: DictConfig, surfaces: FixedSED | TrainedSED, sample: TrainingSample
) -> SelectedSample | None:
    """What the sample was selected by, learnt; None where nothing is said of it."""
    from hydra.utils import instantiate

    from sntorch.bayesn.selection import PeakSelection

    if not cfg.selected_by:
        return None
    selection = instantiate(cfg.selected_by)
    if not isinstance(selection, PeakSelection):
        found = cfg.selected_by.get("_target_")
        raise ConfigError(
            f"selected_by: {found} is none; sntorch.bayesn.selection.PeakSelection is accepted"
        )
    return selection(surfaces.sed, sample)


def _surfaces(cfg: DictConfig, published: SEDModel) -> FixedSED | TrainedSED:
    """Surfaces to learn, or to hold, with the SED model that training begins at."""
    from hydra.utils import instantiate

    if cfg.initialisation not in BEGINNINGS:
        accepted = ", ".join(BEGINNINGS)
        raise ConfigError(f"initialisation={cfg.initialisation}: accepted are {accepted}")
    surfaces = instantiate(cfg.surfaces)(_beginning(cfg, published))
    other = [f"{name}={cfg[name]}" for name in KNOTS if cfg[name] is not None]
    if cfg.initialisation != "model":
        other.append(f"initialisation={cfg.initialisation}")
    if other and not surfaces.trained:
        raise ConfigError(f"{other[0]}: the SED is held fixed; surfaces=trained learns one")
    return surfaces


def _beginning(cfg: DictConfig, published: SEDModel) -> SEDModel:
    from sntorch.bayesn import SEDModel
    from sntorch.bayesn.postprocessing import parameters_of
    from sntorch.bayesn.starting_surfaces import at_knots, from_scratch

    # Without draws these are the model's own.
    parameters = at_knots(parameters_of({}, published), cfg.wave_knots, cfg.time_knots)
    if cfg.initialisation == "scratch":
        parameters = from_scratch(parameters)
    n_nodes = None if cfg.n_nodes is None else whole_number(cfg, "n_nodes", 2)
    return SEDModel(parameters, n_nodes).to(published.w0.device)


def _watched(
    model: HierarchicalModel, settings: TrainingSettings, cfg: DictConfig, folder: Path
) -> Trained:
    """Train with progress on stderr and in TensorBoard."""
    from sntorch.bayesn.training import train
    from sntorch.cli.stages import Stages
    from sntorch.cli.training_watch import Board

    stages, board = Stages(), Board(folder, settings.warmup + settings.draws)

    def progress(step: str, done: float) -> None:
        # The first call comes when all checks are passed: a folder that is refused stays as it is.
        if not (folder / CONFIG).is_file():
            write_config(folder, cfg)
            log.info("training; to go on if stopped: the same command with out=%s", folder)
            log.info("watch: tensorboard --logdir %s", folder)
        stages(step, done)

    def watch(status: Status) -> None:
        stages.note = board.block(status)

    with stages, board:
        trained = train(model, settings, folder / CHECKPOINTS, watch, progress)
        board.bound(trained)
    write_config(folder, cfg)
    return trained


def _provenance(cfg: DictConfig) -> list[str]:
    """Who trained on what, for the head of a BAYESN.YAML; files by name, since it is passed on."""
    from importlib.metadata import version

    given = [f"{key}={Path(cfg[key]).name}" for key in ("files", "headers") if cfg[key]]
    words = ["train-bayesn", f"task={cfg.task}", *given, f"seed={cfg.seed}"]
    return [f"sntorch {version('sntorch')}: {' '.join(words)}"]


def _distinct(bands: Iterable[str]) -> list[str]:
    """By wavelength, one of those that are nearly the same: surveys have several V and Y."""
    from sntorch.physics.bandpasses import get_bandpass

    chosen, last = [], 0.0
    for wave, band in sorted((get_bandpass(band).pivot_wavelength, band) for band in bands):
        if wave > APART * last:
            chosen.append(band)
            last = wave
    return chosen


def _published_numbers(published: SEDModel) -> dict[str, float]:
    """Of the published population, by the names of the draws."""
    numbers = {"tau_a": published.tau_a, "sigma0": published.sigma0}
    if published.sigma_r:
        return {**numbers, "mu_r": published.rv, "sigma_r": published.sigma_r}
    return {**numbers, "rv": published.rv}


if __name__ == "__main__":
    main()
