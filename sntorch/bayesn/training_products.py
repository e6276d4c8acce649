"""What a training leaves behind: the model as BAYESN.YAML, chains, a summary and a report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from sntorch.atomic import atomic_write
from sntorch.bayesn import netcdf
from sntorch.bayesn.postprocessing import parameters_of
from sntorch.bayesn.training import Trained
from sntorch.bayesn.training_report import TRUST, diagnostics_table, report, short_report
from sntorch.errors import DataError
from sntorch.physics.sed import SEDModel

if TYPE_CHECKING:
    from pandas import DataFrame
    from xarray import Dataset

TITLES = {
    "map": "Training: the mode alone, without uncertainties",
    "svi": "Training: a variational fit, whose widths are approximate",
}
YAML, CHAINS, SUMMARY, REPORT = "BAYESN.YAML", "chains.nc", "summary.csv", "report.md"
UNITS = {"av": "mag", "ds": "mag", "tau_a": "mag", "sigma0": "mag", "tmax": "d (rest frame)"}
# Dimensions of parameters behind (chain, draw); others get dimensions of their own.
DIMENSIONS = {
    "w0": ("wave_knot", "time_knot"),
    "w1": ("wave_knot", "time_knot"),
    "sigma_epsilon": ("epsilon_dim",),
    "l_omega": ("epsilon_dim", "epsilon_column"),
    "epsilon": ("sn", "epsilon_dim"),
    **dict.fromkeys(("theta", "av", "ds", "rv_sn", "tmax"), ("sn",)),
}
# Above so many supernovae their own parameters are summarised, not diagnosed one by one.
MOST_DIAGNOSED = 2000


def trained_model(trained: Trained) -> SEDModel | None:
    """The SED model of the posterior's means; None where one BAYESN.YAML cannot hold it."""
    try:
        return SEDModel(parameters_of(trained.draws, trained.model.sed))
    except DataError:
        return None


def write_training(trained: Trained, folder: Path, provenance: Sequence[str] = ()) -> str:
    """Write BAYESN.YAML, chains.nc, summary.csv and report.md; the report's text.

    Args:
        trained: The posterior.
        folder: Where.
        provenance: Lines about where the data and the model come from, for the YAML's header.

    Raises:
        ConfigError: A package that writes netCDF is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    notes = [_what(trained), *trained.model.sample.notes, *_how(trained)]
    try:
        parameters = parameters_of(trained.draws, trained.model.sed)
        parameters.to_yaml(folder / YAML, [*provenance, *notes])
    except DataError as error:
        notes.append(f"no {YAML}: {error}")
    netcdf.save(
        {"posterior": chains(trained), "sample_stats": statistics(trained)}, folder / CHAINS
    )
    table = summary(trained)
    with atomic_write(folder / SUMMARY) as draft:
        table.to_csv(draft)
    text = _report(trained, table, notes)
    with atomic_write(folder / REPORT) as draft:
        draft.write_text(text + "\n")
    return text


def summary(trained: Trained) -> DataFrame:
    """Mean, sd and quantiles of every number but ε; of chains R-hat and effective sample sizes."""
    sample = trained.model.sample
    few = len(sample) <= MOST_DIAGNOSED
    own = {name for name, dims in DIMENSIONS.items() if "sn" in dims}
    chosen = {
        k: v
        for k, v in trained.draws.items()
        if k != "epsilon" and (few or k not in own) and v.shape[1] > 0
    }
    table = diagnostics_table(chosen, trained.model.sed, sample.object_id if few else None)
    # Independent draws agree whatever they are drawn from.
    return table if trained.sums else table.drop(columns=list(TRUST))


def chains(trained: Trained) -> Dataset:
    """The posterior as an xarray data set (chain, draw, ...), in ArviZ's layout.

    Raises:
        ConfigError: xarray is not installed.
    """
    netcdf.require()
    from xarray import Dataset

    columns: dict[str, Any] = {}
    for name, value in trained.draws.items():
        dims = DIMENSIONS.get(name)
        if dims is None:
            dims = tuple(f"{name}_{i}" for i in range(value.ndim - 2))
        columns[name] = (("chain", "draw", *dims), _array(value), {"units": UNITS.get(name, "1")})
    sed = trained.model.sed
    coordinates = {
        "wave_knot": _array(sed.wave_knots),
        "time_knot": _array(sed.time_knots),
        "sn": np.array(trained.model.sample.object_id, dtype=str),
    }
    about = {"inference_library": "sntorch", "population": repr(trained.model.population)}
    return Dataset(columns, coordinates, about)


def statistics(trained: Trained) -> Dataset:
    """Energies of the kept trajectories and sums by chain."""
    from xarray import Dataset

    columns: dict[str, Any] = {
        name: (("chain",), _array(value)) for name, value in trained.sums.items()
    }
    if trained.energy is not None:
        columns["energy"] = (("chain", "draw"), _array(-trained.energy))
    return Dataset(columns)


def _report(trained: Trained, table: DataFrame, notes: list[str]) -> str:
    settings = trained.settings
    if settings.sampler in TITLES:
        return short_report(TITLES[settings.sampler], table, notes)
    n = settings.chains * settings.draws
    energy = None if trained.energy is None else -trained.energy
    cut_short = float(trained.sums["depths"].sum()) / n > settings.max_tree_depth - 1
    return report(table, trained.divergences, n, energy, notes, cut_short)


def _how(trained: Trained) -> list[str]:
    settings, lines = trained.settings, []
    if trained.elbo is not None:
        last = float(trained.elbo[-max(len(trained.elbo) // 10, 1) :].mean())
        lines.append(f"evidence lower bound of the variational fit {last:.1f}")
    if trained.sums:
        n = settings.chains * settings.draws
        mean = float(trained.sums["leapfrogs"].sum()) / n
        lines.append(
            f"NUTS: {settings.chains} chains of {settings.warmup} + {settings.draws}, "
            f"{mean:.0f} leapfrogs a trajectory"
        )
        lines.append(
            "chains begin at draws of the variational fit, not far apart: R-hat does not see "
            "another mode; ε of single supernovae is not diagnosed"
        )
    seconds = "; ".join(
        f"{name} {wall:.0f} s ({cpu:.0f} CPU s)" for name, (wall, cpu) in trained.seconds.items()
    )
    return [*lines, *([f"time: {seconds}"] if seconds else [])]


def _what(trained: Trained) -> str:
    model = trained.model
    kind = "magnitudes" if model.magnitudes else "fluxes"
    what = f"{type(model.surfaces).__name__}, {model.population!r}"
    if model.selection is not None:
        what += f"; selected by {model.selection.rule}"
    return f"trained with sntorch on {len(model.sample)} supernovae, {kind}: {what}"


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy()
