"""What ``sntorch infer`` writes: draws, tables, figures, one page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sntorch.cli.bayesn_runs import write_figures

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame
    from torch import Tensor

    from sntorch.sbi.prior import BoxPrior
    from sntorch.sbi.tripp_methods import TrippMethods

N_CHECKED = 400


def write_infer_report(
    folder: Path,
    known: TrippMethods,
    draws: Mapping[str, Tensor],
    checks: DataFrame,
    told: list[str],
) -> str:
    """Write draws, a summary, predictive checks, figures and a page; returns the summary's text.

    Args:
        folder: Where to.
        known: The sample, its selection and the prior.
        draws: Of the posteriors by estimator, shape (S, D) each.
        checks: Of ``checked``.
        told: What was observed and assumed, in paragraphs.
    """
    from sntorch.atomic import atomic_write
    from sntorch.cli import infer_words as words
    from sntorch.cli.html import document, paragraph, pictures, png
    from sntorch.cli.html import table as html_table

    with atomic_write(folder / "draws.parquet") as draft:
        draw_table(draws, known.prior).to_parquet(draft, index=False)
    summary = summarised(draws, known.prior)
    for name, table in (("summary", summary), ("checks", checks)):
        with atomic_write(folder / f"{name}.csv") as draft:
            table.to_csv(draft, index=False)
    figures = dict(drawn(draws, known))
    write_figures(folder, figures.items())
    page = document(
        "Population of a selected sample",
        "sntorch infer",
        told,
        "".join(map(paragraph, words.methods_told(draws)))
        + html_table(list(summary.columns), map(words.value_texts, _rows(summary)))
        + paragraph(words.CHECKED)
        + html_table(list(checks.columns), map(words.check_texts, _rows(checks)))
        + pictures({name: png(figure) for name, figure in figures.items()}, captions(draws)),
    )
    with atomic_write(folder / "report.html") as draft:
        draft.write_text(page, encoding="utf-8")
    return summary.to_string(index=False, float_format=lambda v: f"{v:.4f}")


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


def checked(draws: Mapping[str, Tensor], known: TrippMethods) -> DataFrame:
    """Posterior predictive checks: statistics of the sample among simulated ones."""
    from pandas import DataFrame

    from sntorch.sbi.diagnostics import predictive_check
    from sntorch.sbi.tripp import simulate_tripp, tripp_statistics
    from sntorch.sbi.tripp_methods import IGNORED

    statistics = {name: float(v[0]) for name, v in tripp_statistics(known.sample).items()}
    rows: list[dict[str, Any]] = []
    for name, values in draws.items():
        cut = None if name == IGNORED else known.selection
        simulated = simulate_tripp(known.sample, thinned(values), cut, known.seed)
        replicated = tripp_statistics(simulated)
        for statistic, check in predictive_check(statistics, replicated).items():
            row = {"estimator": name, "statistic": statistic, "observed": check.observed}
            row |= {"low": check.low, "high": check.high, "p": check.p_value}
            row |= {"simulated": check.simulated}
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


def drawn(draws: Mapping[str, Tensor], known: TrippMethods) -> Iterator[tuple[str, Figure]]:
    """Corner of two estimators, intervals of all, what is kept, and what that does."""
    from sntorch.plotting.corner import corner_grid
    from sntorch.plotting.efficiency import kept_figure
    from sntorch.plotting.selection import interval_figure, selection_figure
    from sntorch.sbi.tripp import malmquist
    from sntorch.sbi.tripp_kept import kept_shares

    prior = known.prior
    first, *others = draws
    pair = [first, others[-1]] if others else [first]
    samples = [dict(zip(prior.names, draws[name].T.numpy(), strict=True)) for name in pair]
    yield "corner", corner_grid(samples, names=pair)
    tables = {name: moments(values, prior) for name, values in draws.items()}
    yield "intervals", interval_figure(tables, prior.names)
    if known.selection is None:
        return
    values = draws[best(draws)]
    shares = kept_shares(known.sample, thinned(values), known.selection, known.seed)
    yield "kept", kept_figure(*shares, known.sample.data[0, :, 0], known.sample.redshift)
    if known.selection.in_closed_form:
        found = malmquist(known.sample, values.mean(0), known.selection)
        yield "selection", selection_figure(*found)


def captions(draws: Mapping[str, Tensor]) -> dict[str, str]:
    """What figures show, by name."""
    from sntorch.cli import infer_words as words

    return {
        "corner": words.CORNER,
        "intervals": words.INTERVALS,
        "kept": words.kept_caption(best(draws)),
        "selection": words.SELECTION,
    }


def best(draws: Mapping[str, Tensor]) -> str:
    """The first method that does not ignore the selection, where there is one."""
    from sntorch.sbi.tripp_methods import IGNORED

    return next((name for name in draws if name != IGNORED), IGNORED)


def thinned(values: Tensor) -> Tensor:
    """Draws (S, D) that samples are simulated with."""
    return values[:: max(len(values) // N_CHECKED, 1)]


def moments(values: Tensor, prior: BoxPrior) -> dict[str, tuple[float, float]]:
    """Mean and standard deviation of draws (S, D) by parameter."""
    pairs = zip(values.mean(0).tolist(), values.std(0).tolist(), strict=True)
    return dict(zip(prior.names, pairs, strict=True))


def _rows(table: DataFrame) -> list[dict[str, Any]]:
    return table.to_dict("records")
