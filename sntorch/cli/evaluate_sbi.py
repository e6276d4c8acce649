"""``sntorch evaluate task=sbi``: methods on the same selected samples of known posterior."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sntorch.cli.entry import listed, settings, whole_number
from sntorch.cli.runs import quieten
from sntorch.errors import ConfigError

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from sntorch.sbi.benchmarks import Benchmark, CheckSettings
    from sntorch.sbi.estimator import PosteriorEstimator
    from sntorch.sbi.inference import SelectionInference

METHODS = ("ignored", "efficiency", "selected_flow")


def evaluate_sbi(cfg: DictConfig, output: Path) -> str:
    """Hold methods to the exact posterior of a benchmark's surveys; returns the summary.

    Args:
        cfg: The composed ``evaluate`` config.
        output: Folder for ``report.html``, ``metrics.json``, ``tables/``, ``figures/`` and
            ``tensorboard/``.

    Raises:
        ConfigError: A method that there is not, that is named twice, or that the benchmark does
            not support.
        CheckpointError: A network that cannot be opened.
    """
    from hydra.utils import instantiate

    from sntorch.cli.sbi_metrics import sbi_metrics
    from sntorch.cli.sbi_report import sbi_summary, write_sbi_report
    from sntorch.cli.selection_figures import efficiency_figures
    from sntorch.cli.stages import Stages
    from sntorch.sbi.benchmarks import check_networks, compare_methods
    from sntorch.sbi.opening import open_estimator

    for name, least in (("n_surveys", 2), ("draws", 100), ("seed", 0)):
        whole_number(cfg, name, least)
    thorough = check_settings(cfg)
    quieten()
    benchmark = instantiate(cfg.benchmark, _convert_="all")
    networks = {path: open_estimator(path).eval() for path in listed(cfg, "ckpt")}
    benchmark = narrowed(benchmark, networks.values())
    with Stages() as stages:
        methods, seconds = prepared(cfg, benchmark, networks, stages)
        found = compare_methods(
            benchmark, methods, cfg.n_surveys, cfg.draws, cfg.seed, bool(cfg.at_fiducial), stages
        )
    checks = check_networks(benchmark, methods, found, thorough)
    metrics = sbi_metrics(benchmark, found, seconds, checks)
    others = efficiency_figures(methods, cfg.seed)
    write_sbi_report(output, benchmark, found, metrics, checks, others)
    return sbi_summary(metrics)


def check_settings(cfg: DictConfig) -> CheckSettings:
    """How thoroughly networks are checked.

    Raises:
        ConfigError: ``network_checks`` is neither settings nor false, or numbers too small.
    """
    from dataclasses import fields

    from sntorch.sbi.benchmarks import CheckSettings

    chosen = cfg.network_checks
    if not chosen:
        return CheckSettings(surveys=0)
    if not hasattr(chosen, "keys"):
        raise ConfigError(f"network_checks={chosen}: false, or network_checks.surveys=… and so on")
    return CheckSettings(
        **settings(cfg, "network_checks", [f.name for f in fields(CheckSettings)])
    )


def narrowed(benchmark: Benchmark, estimators: Iterable[PosteriorEstimator]) -> Benchmark:
    """The benchmark within the box that its networks were truncated to.

    A network that was trained in a part of the prior is right there, and nowhere else.
    """
    first = next(iter(estimators), None)
    if first is None or not benchmark.prior.contains(first.prior):
        return benchmark
    return benchmark.within(first.prior)


def prepared(
    cfg: DictConfig,
    benchmark: Benchmark,
    networks: Mapping[str, PosteriorEstimator],
    progress: Callable[[str, float], None],
) -> tuple[list[SelectionInference], dict[str, float]]:
    """The methods asked for, and CPU seconds to train each here.

    Raises:
        ConfigError: An unknown method, or one that the benchmark does not support.
    """
    names = listed(cfg, "methods")
    unknown = [name for name in names if name not in METHODS]
    if unknown:
        raise ConfigError(f"methods={unknown[0]}: accepted are {', '.join(METHODS)}")
    # Networks first: what is wrong with them shows at once.
    methods: list[SelectionInference] = [benchmark.network(*one) for one in networks.items()]
    seconds: dict[str, float] = {}
    for name in names:
        begun = time.process_time()
        methods.append(_method(cfg, benchmark, name, partial(progress, f"{name}, learning")))
        if name != "ignored":
            seconds[methods[-1].name] = time.process_time() - begun
    return methods, seconds


def _method(
    cfg: DictConfig, benchmark: Benchmark, name: str, progress: Callable[[float], None]
) -> SelectionInference:
    if name == "ignored":
        return benchmark.ignored()
    if name == "efficiency":
        settings(cfg, "efficiency", ("injections",))
        injections = whole_number(cfg.efficiency, "injections", 100)
        return benchmark.efficiency(injections, cfg.seed, progress)
    given = settings(cfg, "selected_flow", ("path", "batch", "steps"))
    for key in ("batch", "steps"):
        whole_number(cfg.selected_flow, key, 1)
    return benchmark.selected_flow(seed=cfg.seed, progress=progress, **given)
