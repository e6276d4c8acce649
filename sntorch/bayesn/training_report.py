"""Whether a training can be trusted: diagnostics of every number, and a report to read.

R-hat and effective sample sizes: Vehtari et al. (2021, arXiv:1903.08008). Energy: E-BFMI of
Betancourt (2016, arXiv:1604.00695), the mean squared step of the energy over its variance; below
0.3 the momenta are too weak to take a chain through the tails.

Letters in shapes: ``C`` chains, ``S`` draws of a chain, ``B`` supernovae, ``K_l``, ``K_t`` knots,
``N`` = (K_l - 2) K_t residuals, wavelength fastest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from sntorch.errors import DataError
from sntorch.inference.diagnostics import diagnose
from sntorch.physics.sed import SEDModel

if TYPE_CHECKING:
    from pandas import DataFrame, Series

MOST_DIVERGENT = 0.01
MOST_RHAT = 1.05
# Of all chains: with fewer effective draws R-hat itself says little.
LEAST_ESS = 100
LEAST_EBFMI = 0.3
N_WORST = 5
# Components whose statistics are computed at once.
CHUNK = 4096
QUANTILES = {"q05": 0.05, "q50": 0.5, "q95": 0.95}
TRUST = ("rhat", "ess_bulk", "ess_tail")
COLUMNS = ("mean", "sd", *QUANTILES, *TRUST)
SED_BLOCKS = ("w0", "w1", "sigma_epsilon", "l_omega")
OBJECT_BLOCKS = ("theta", "av", "ds", "rv_sn", "tmax", "epsilon")


def diagnostics_table(
    draws: Mapping[str, Tensor], sed: SEDModel, object_id: Sequence[str] | None = None
) -> DataFrame:
    """Summary and diagnostics of every component that can vary, one a row.

    Args:
        draws: By parameter, shape (C, S, ...), with one sign and one scale of θ
            (``postprocessing.aligned``). Of ``l_omega`` only what is below the diagonal counts:
            the rest follows from it.
        sed: Any model with the knots of the draws.
        object_id: Names of the B supernovae; default: their places.

    Returns:
        Index ``component``, such as ``tau_a``, ``w0[4900 Å, 10 d]`` or ``theta[2016W]``; columns
        ``parameter`` (the name in ``draws``), ``kind`` (population, sed or object), ``mean``,
        ``sd``, ``q05``, ``q50``, ``q95``, ``rhat``, ``ess_bulk`` and ``ess_tail``. The last three
        are NaN where draws are fewer than four a chain, all equal, or not finite.

    Raises:
        DataError: Another number of names than of supernovae.
    """
    from pandas import DataFrame, concat

    parts = []
    for name, values in draws.items():
        labels, chosen = _components(name, values, sed, object_id)
        columns = dict(zip(COLUMNS, _statistics(chosen).T, strict=True))
        about = {"component": labels, "parameter": name, "kind": _kind(name)}
        parts.append(DataFrame({**about, **columns}))
    return concat(parts, ignore_index=True).set_index("component")


def ebfmi(energy: Tensor) -> Tensor:
    """Energy's Bayesian fraction of missing information of each chain, shape (C,).

    Args:
        energy: Of each draw, shape (C, S).
    """
    energy = energy.double()
    return energy.diff(dim=-1).square().mean(-1) / energy.var(-1, correction=0)


def report(
    table: DataFrame,
    divergences: int,
    n_trajectories: int,
    energy: Tensor | None = None,
    notes: Sequence[str] = (),
    cut_short: bool = False,
) -> str:
    """A training's report in Markdown; a run that cannot be trusted says so in its first line.

    Args:
        table: Of ``diagnostics_table``.
        divergences: Trajectories that diverged, of all chains.
        n_trajectories: Trajectories after the warm-up, of all chains.
        energy: Of each draw, shape (C, S).
        notes: Lines to end with: sample, settings, time.
        cut_short: Whether most trajectories ended for their length alone.
    """
    sections = [
        _warning(table, divergences, n_trajectories, energy, cut_short),
        ["# Training", *_overview(table, divergences, n_trajectories)],
        [] if energy is None else ["## Energy", *_energy(energy)],
        ["## Population", *_population(table)],
        ["## Notes", *(f"- {note}" for note in notes)] if notes else [],
    ]
    return "\n\n".join(_section(lines) for lines in sections if lines) + "\n"


def short_report(title: str, table: DataFrame, notes: Sequence[str] = ()) -> str:
    """The report of a training without chains.

    Args:
        title: Of the report.
        table: Of ``diagnostics_table``; of its columns ``mean`` and ``sd`` are shown.
        notes: Lines to end with.
    """
    population = table[table["kind"] == "population"]
    columns = (np.asarray(population[k], dtype=float) for k in ("mean", "sd"))
    numbers = zip(population.index, *columns, strict=True)
    lines = [
        f"- {name}: {mean:.4g}" + (f" ± {sd:.2g}" if sd > 0 else "") for name, mean, sd in numbers
    ]
    sections = [[f"# {title}", *lines], ["## Notes", *(f"- {note}" for note in notes)]]
    return "\n\n".join(_section(lines) for lines in sections) + "\n"


def _components(
    name: str, values: Tensor, sed: SEDModel, object_id: Sequence[str] | None
) -> tuple[list[str], Tensor]:
    """Labels of M components, and their draws, shape (C, S, M)."""
    shape = tuple(values.shape[2:])
    if not shape:
        return [name], values[..., None]
    wave, days = ([f"{k:g}" for k in t.tolist()] for t in (sed.wave_knots, sed.time_knots))
    inner = [f"{w} Å, {d} d" for d in days for w in wave[1:-1]]
    if name == "l_omega":
        row, column = torch.tril_indices(*shape, offset=-1).unbind()
        pairs = zip(row.tolist(), column.tolist(), strict=True)
        labels = [f"{inner[i]}; {inner[j]}" for i, j in pairs]
        values = values[:, :, row, column]
    elif name in OBJECT_BLOCKS:
        objects = _objects(shape[0], object_id)
        labels = objects if len(shape) == 1 else [f"{o}, {k}" for o in objects for k in inner]
    elif shape == (len(wave), len(days)):
        labels = [f"{w} Å, {d} d" for w in wave for d in days]
    elif shape == (len(inner),):
        labels = inner
    else:
        labels = [", ".join(map(str, place)) for place in np.ndindex(shape)]
    return [f"{name}[{label}]" for label in labels], values.flatten(2)


def _objects(n: int, object_id: Sequence[str] | None) -> list[str]:
    if object_id is None:
        return [str(i) for i in range(n)]
    if len(object_id) != n:
        raise DataError(f"{len(object_id)} names for {n} supernovae: one each is accepted")
    return [str(name) for name in object_id]


def _kind(name: str) -> str:
    if name in SED_BLOCKS or name.startswith("delta_w0"):
        return "sed"
    return "object" if name in OBJECT_BLOCKS else "population"


def _statistics(values: Tensor) -> np.ndarray:
    """The table's columns of draws (C, S, M), shape (M, 8)."""
    parts = []
    for chunk in values.detach().split(CHUNK, -1):
        draws = chunk.double().cpu().movedim(-1, 0).contiguous()
        flat = draws.flatten(1).numpy()
        quantiles = np.quantile(flat, list(QUANTILES.values()), axis=1)
        found = diagnose(draws)
        trust = (found.rhat.numpy(), found.ess_bulk.numpy(), found.ess_tail.numpy())
        parts.append(np.stack([flat.mean(1), flat.std(1), *quantiles, *trust], 1))
    return np.concatenate(parts)


def _section(lines: Sequence[str]) -> str:
    heading, *rest = lines
    return f"{heading}\n\n" + "\n".join(rest)


def _warning(
    table: DataFrame,
    divergences: int,
    n_trajectories: int,
    energy: Tensor | None,
    cut_short: bool,
) -> list[str]:
    """What makes the run doubtful and what to change; empty where nothing does."""
    lines = []
    if divergences > MOST_DIVERGENT * n_trajectories:
        lines.append(
            f"- {_share(divergences, n_trajectories)} trajectories diverged, at most "
            f"{MOST_DIVERGENT:.0%} may: parts of the posterior were not reached. Set "
            "training.target_accept=0.9, then 0.95, or warm up longer (training.warmup)."
        )
    n_high = int((_rhat(table) > MOST_RHAT).sum())
    if n_high:
        lines.append(
            f"- R-hat is above {MOST_RHAT} for {n_high} of {len(table)} components: the chains "
            f"do not agree. Worst: {_worst(table)}. Draw more (training.draws, in the same "
            "folder) or warm up longer (training.warmup, in another); if one chain stands apart "
            "in the trace figure, begin at a published model (initialisation=model)."
        )
    lost = [str(table.index[i]) for i in np.flatnonzero(np.isnan(_rhat(table)))]
    if lost:
        shown = ", ".join(lost[:N_WORST]) + (", ..." if len(lost) > N_WORST else "")
        lines.append(
            f"- {len(lost)} components have no R-hat ({shown}): their draws are equal, not finite "
            "or fewer than four a chain. Look at the trace figure; draw more, or start elsewhere."
        )
    n_few = int((table["ess_bulk"].to_numpy(dtype=float) < LEAST_ESS).sum())
    if n_few:
        lines.append(
            f"- the bulk effective sample size is below {LEAST_ESS} for {n_few} of "
            f"{len(table)} components: means and widths are rough. Draw more (training.draws, in "
            "the same folder)."
        )
    if cut_short:
        lines.append(
            "- most trajectories were as long as they may be: steps are too small for this "
            "posterior. Warm up longer (training.warmup), or raise training.max_tree_depth."
        )
    slow = [] if energy is None else (ebfmi(energy) < LEAST_EBFMI).nonzero().flatten().tolist()
    if slow:
        chains = ", ".join(map(str, slow))
        lines.append(
            f"- E-BFMI is below {LEAST_EBFMI} in chain {chains}: the tails are hardly reached. "
            "Warm up longer (training.warmup)."
        )
    return ["# WARNING: do not use this training as it is", *lines] if lines else []


def _worst(table: DataFrame) -> str:
    """The worst component of each parameter, the worst parameter first."""
    worst: dict[str, str] = {}
    rhat, parameters = _rhat(table), table["parameter"].tolist()
    for i in np.argsort(-rhat):
        if rhat[i] > MOST_RHAT:
            worst.setdefault(parameters[i], f"{table.index[i]} ({rhat[i]:.2f})")
    return ", ".join(list(worst.values())[:N_WORST])


def _rhat(table: DataFrame) -> np.ndarray:
    return table["rhat"].to_numpy(dtype=float)


def _share(part: int, whole: int) -> str:
    share = f" ({part / whole:.1%})" if whole else ""
    return f"{part} of {whole}{share}"


def _overview(table: DataFrame, divergences: int, n_trajectories: int) -> Iterator[str]:
    yield f"- divergent trajectories: {_share(divergences, n_trajectories)}"
    for column, place, what in (
        ("rhat", "idxmax", "largest R-hat"),
        ("ess_bulk", "idxmin", "smallest bulk effective sample size"),
        ("ess_tail", "idxmin", "smallest tail effective sample size"),
    ):
        known = table[column].dropna()
        if len(known):
            name = getattr(known, place)()
            digits = 3 if column == "rhat" else 0
            yield f"- {what}: {known[name]:.{digits}f} ({name})"
    blocks = table.groupby("parameter", sort=False).agg(
        n=("rhat", "size"), rhat=("rhat", "max"), ess=("ess_bulk", "min")
    )
    for name, n, rhat, ess in blocks.itertuples():
        if n > 1 and np.isfinite(rhat):
            yield f"- {name}: {n} components, R-hat up to {rhat:.3f}, bulk ESS from {ess:.0f}"


def _energy(energy: Tensor) -> Iterator[str]:
    for chain, value in enumerate(ebfmi(energy).tolist()):
        yield f"- chain {chain}: E-BFMI {value:.2f}"


def _population(table: DataFrame) -> Iterator[str]:
    rows = table[table["kind"] == "population"]
    if not len(rows):
        yield "- held fixed"
        return
    yield "| parameter | mean | sd | 5 % | 50 % | 95 % | R-hat | bulk ESS | tail ESS |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for name, row in rows.iterrows():
        yield f"| {name} | {_cells(row)} |"


def _cells(row: Series) -> str:
    numbers = [f"{row[column]:.4g}" for column in ("mean", "sd", *QUANTILES)]
    trust = [f"{row['rhat']:.3f}", f"{row['ess_bulk']:.0f}", f"{row['ess_tail']:.0f}"]
    return " | ".join([*numbers, *trust])
