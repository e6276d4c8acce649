"""``sntorch infer``: SALT fits of a selected sample -> posteriors of its population."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sntorch.cli.bayesn_runs import output_folder, write_config, write_figures
from sntorch.cli.entry import hydra_main, told_warnings, whole_number
from sntorch.cli.outputs import refuse_existing_report
from sntorch.errors import ConfigError, SntorchWarning

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from omegaconf import DictConfig
    from pandas import DataFrame
    from torch import Tensor

    from sntorch.sbi.prior import BoxPrior
    from sntorch.sbi.tripp import ProbitLimit, TrippSample
    from sntorch.sbi.tripp_learning import TrippSimulator

IGNORED, KNOWN = "selection ignored", "likelihood"
N_CHECKED = 400


@hydra_main("infer")
def main(cfg: DictConfig) -> None:
    """Infer as the config says."""
    for name, least in (("draws", 100), ("seed", 0)):
        whole_number(cfg, name, least)
    folder = output_folder(cfg.out, cfg.task)
    refuse_existing_report(folder, cfg.overwrite)
    with told_warnings():
        print(infer(cfg, folder))
    print(folder)


def infer(cfg: DictConfig, folder: Path) -> str:
    """Write draws, a summary, figures and a report into ``folder``; returns the summary's text."""
    from hydra.utils import instantiate

    from sntorch.atomic import atomic_write
    from sntorch.cli.html import document, pictures, png
    from sntorch.cli.html import table as html_table
    from sntorch.physics.cosmology import Cosmology
    from sntorch.sbi.prior import BoxPrior
    from sntorch.sbi.tripp_files import read_tripp

    prior = BoxPrior.of(instantiate(cfg.prior, _convert_="all"))
    selection = instantiate(cfg.selection) if cfg.selection is not None else None
    cosmology = Cosmology(h0=cfg.h0, om0=cfg.om0)
    every = read_tripp(cfg.files, cosmology)
    observed = read_tripp(cfg.files, cosmology, quality=True) if cfg.quality else every
    draws = posteriors(cfg, observed, selection, prior)
    write_config(folder, cfg)
    with atomic_write(folder / "draws.parquet") as draft:
        draw_table(draws, prior).to_parquet(draft, index=False)
    summary, checks = summarised(draws, prior), checked(draws, observed, selection, cfg.seed)
    for name, table in (("summary", summary), ("checks", checks)):
        with atomic_write(folder / f"{name}.csv") as draft:
            table.to_csv(draft, index=False)
    figures = dict(drawn(draws, observed, selection, prior))
    write_figures(folder, figures.items())
    told = "all kept"
    if selection is not None:
        told = f"kept with probability {selection}"
    if cfg.quality:
        n = len(every.names) - len(observed.names)
        told += f"; {n} with |x1| >= 3 or |c| >= 0.3 left out, a cut that is not modelled"
    page = document(
        "Population of a selected sample",
        "sntorch infer",
        [f"{len(observed.names)} supernovae of {cfg.files}, {told}."],
        html_table(list(summary.columns), _texts(summary))
        + html_table(list(checks.columns), _texts(checks))
        + pictures({name: png(figure) for name, figure in figures.items()}),
    )
    with atomic_write(folder / "report.html") as draft:
        draft.write_text(page, encoding="utf-8")
    return summary.to_string(index=False, float_format=lambda v: f"{v:.4f}")


def posteriors(
    cfg: DictConfig, observed: TrippSample, selection: ProbitLimit | None, prior: BoxPrior
) -> dict[str, Tensor]:
    """Draws, shape (S, D), of the likelihood with selection and without, and of networks.

    Raises:
        ConfigError: A network of another prior, sample or selection; of one that does not say
            what it learnt, a warning is given.
        DataError: A sample outside of what it was trained on.
    """
    from sntorch.sbi.observations import check_observations
    from sntorch.sbi.opening import open_estimator
    from sntorch.sbi.selection_posterior import SelectionPosterior
    from sntorch.sbi.tripp import TrippLikelihood
    from sntorch.sbi.tripp_learning import TrippEncoder, TrippSimulator

    paths = [cfg.ckpt] if isinstance(cfg.ckpt, str) else list(cfg.ckpt or ())
    networks = {f"network {path}": open_estimator(path).eval() for path in paths}
    for path, estimator in zip(paths, networks.values(), strict=True):
        if estimator.prior != prior:
            raise ConfigError(
                f"{path}: infers {estimator.prior}; a network of the same prior as here is "
                f"accepted, {prior} (sntorch train experiment=npe_tripp)"
            )
        encoder = estimator.embedding.encoder
        if not isinstance(encoder, TrippEncoder) or not encoder.knows(observed):
            raise ConfigError(
                f"{path}: was trained on another sample; one of the same table is accepted "
                "(sntorch train experiment=npe_tripp files=…)"
            )
        simulator = TrippSimulator(observed, selection, prior, cfg.seed)
        check_selection(path, estimator.trained_on, simulator)
        check_observations(estimator, simulator, observed)
    known = {IGNORED: None} if selection is None else {KNOWN: selection, IGNORED: None}
    found = {
        name: SelectionPosterior(TrippLikelihood(observed, cut), prior).sample(cfg.draws, cfg.seed)
        for name, cut in known.items()
    }
    found |= {k: one.sample(observed, cfg.draws, cfg.seed) for k, one in networks.items()}
    return {name: values[0] for name, values in found.items()}


def check_selection(
    path: str, trained_on: Mapping[str, Any] | None, simulator: TrippSimulator
) -> None:
    """Refuse a network that learnt another selection than the one stated here.

    Raises:
        ConfigError: It did.
    """
    if trained_on is None or "selection" not in trained_on:
        warnings.warn(
            f"{path}: does not say which selection it learnt; its posterior is right only for "
            "that one",
            SntorchWarning,
            stacklevel=2,
        )
        return
    learnt = trained_on["selection"]
    if learnt != simulator.facts()["selection"]:
        here = simulator.selection or "everything"
        raise ConfigError(
            f"{path}: learnt that {_limit(learnt)} was kept; here it is {here}: a network of the "
            "same selection is accepted (selection.limit=…, or train anew)"
        )


def _limit(learnt: Mapping[str, Any] | None) -> str:
    """A selection in words; settings that another version had are told as they are."""
    from sntorch.sbi.tripp import ProbitLimit

    if learnt is None:
        return "everything"
    names = [f.name for f in fields(ProbitLimit)]
    if any(name not in learnt for name in names):
        return str(dict(learnt))
    more = (f", {name}={value}" for name, value in learnt.items() if name not in names)
    return f"{ProbitLimit(**{name: learnt[name] for name in names})}{''.join(more)}"


def summarised(draws: Mapping[str, Tensor], prior: BoxPrior) -> DataFrame:
    """Mean, standard deviation and central 95 %, a row an estimator and parameter."""
    from pandas import DataFrame

    rows: list[dict[str, Any]] = []
    for name, values in draws.items():
        low, high = values.quantile(values.new_tensor([0.025, 0.975]), dim=0)
        for d, parameter in enumerate(prior.names):
            row = {"estimator": name, "parameter": parameter, "mean": float(values[:, d].mean())}
            row |= {"sd": float(values[:, d].std()), "q0.025": float(low[d])}
            rows.append(row | {"q0.975": float(high[d])})
    return DataFrame(rows)


def checked(
    draws: Mapping[str, Tensor], observed: TrippSample, selection: ProbitLimit | None, seed: int
) -> DataFrame:
    """Posterior predictive checks: statistics of the sample among simulated ones."""
    from pandas import DataFrame

    from sntorch.sbi.diagnostics import predictive_check
    from sntorch.sbi.tripp import simulate_tripp, tripp_statistics

    statistics = {name: float(v[0]) for name, v in tripp_statistics(observed).items()}
    rows: list[dict[str, Any]] = []
    for name, values in draws.items():
        cut = None if name == IGNORED else selection
        theta = values[:: max(len(values) // N_CHECKED, 1)]
        replicated = tripp_statistics(simulate_tripp(observed, theta, cut, seed))
        for statistic, check in predictive_check(statistics, replicated).items():
            row = {"estimator": name, "statistic": statistic, "observed": check.observed}
            row |= {"low": check.low, "high": check.high, "p": check.p_value}
            rows.append(row)
    return DataFrame(rows)


def draw_table(draws: Mapping[str, Tensor], prior: BoxPrior) -> DataFrame:
    """All draws, a row each."""
    from pandas import DataFrame, concat

    return concat(
        [
            DataFrame(values.numpy(), columns=list(prior.names)).assign(estimator=name)
            for name, values in draws.items()
        ],
        ignore_index=True,
    )


def drawn(
    draws: Mapping[str, Tensor],
    observed: TrippSample,
    selection: ProbitLimit | None,
    prior: BoxPrior,
) -> Iterator[tuple[str, Figure]]:
    """Corner of two estimators, intervals of all, and the sample with what selection does."""
    from sntorch.plotting.corner import corner_grid
    from sntorch.plotting.selection import interval_figure, selection_figure
    from sntorch.sbi.tripp import malmquist

    first, *others = draws
    pair = [first, others[-1]] if others else [first]
    samples = [dict(zip(prior.names, draws[name].T.numpy(), strict=True)) for name in pair]
    yield "corner", corner_grid(samples, names=pair)
    tables = {name: moments(values, prior) for name, values in draws.items()}
    yield "intervals", interval_figure(tables, prior.names[:4])
    if selection is not None:
        yield "selection", selection_figure(*malmquist(observed, draws[KNOWN].mean(0), selection))


def moments(values: Tensor, prior: BoxPrior) -> dict[str, tuple[float, float]]:
    """Mean and standard deviation of draws (S, D) by parameter."""
    pairs = zip(values.mean(0).tolist(), values.std(0).tolist(), strict=True)
    return dict(zip(prior.names, pairs, strict=True))


def _texts(table: DataFrame) -> list[list[str]]:
    return [
        [f"{v:.4g}" if isinstance(v, float) else str(v) for v in row]
        for row in table.itertuples(index=False)
    ]


if __name__ == "__main__":
    main()
