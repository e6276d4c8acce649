"""Foundation's SNe Ia, selected: the likelihood, what is learnt of it, and a network.

The published SALT fits (Foley et al. 2018; Jones et al. 2019) with |x1| < 3 and |c| < 0.3,
distances of flat ΛCDM. The selection is that cut and an assumption, stated in the rows: peak
magnitudes kept with Φ((limit - m) / width). C is the likelihood with the share that is kept in
closed form, or with an efficiency learnt from injections, B a learnt likelihood of one supernova,
A a posterior flow trained on samples simulated at the same redshifts and errors, in truncated
rounds. C's posterior drawn again with another seed says how far draws alone differ. The table is
``data/Foundation_DR1.FITRES.TEXT`` of the folder that SNTORCH_SHARED names. Times are CPU seconds
on one thread.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from sbi_exact import numbers
from table import Row, main
from torch import Tensor
from training_clock import bare_trainer, quiet

from sntorch.physics.cosmology import Cosmology
from sntorch.sbi import FitCuts, FlowModule, ProbitLimit, SurveyDataModule, truncated_rounds
from sntorch.sbi.tripp import PARAMETERS, PRIOR, TrippSample
from sntorch.sbi.tripp_files import read_tripp
from sntorch.sbi.tripp_learning import TrippSimulator
from sntorch.sbi.tripp_methods import TrippMethods

FITS = Path(os.environ.get("SNTORCH_SHARED", "../shared")) / "data/Foundation_DR1.FITRES.TEXT"
COSMOLOGY = Cosmology(h0=73.24, om0=0.28)
SELECTION = FitCuts(ProbitLimit(17.5, 0.5))
STEPS, QUICK_STEPS, BATCH, N_DRAWS = (1_500, 2_000, 5_000), (60, 60), 128, 4_000
INJECTIONS, FLOW_BATCH, FLOW_STEPS = 25_000, 2_048, 1_500
EXACT = "C"
EMBEDDING = {
    "_target_": "sntorch.sbi.embeddings.DeepSet",
    "encoder": {"_target_": "sntorch.sbi.tripp_learning.TrippEncoder"},
    "n_outputs": 64,
}


def rows(quick: bool) -> Iterable[Row]:
    """Selection ignored, known, and learnt."""
    torch.set_num_threads(1)
    quiet()
    observed = read_tripp(FITS, COSMOLOGY, quality=True)
    known = TrippMethods(observed, SELECTION, PRIOR)
    n = 400 if quick else N_DRAWS
    flow_steps = FLOW_STEPS // (10 if quick else 1)
    ways: dict[str, Callable[[], Tensor]] = {
        # Walkers of one seed move alike, which would bring posteriors closer than draws are.
        "selection ignored": lambda: known.ignored().sample(observed, n, 1)[0],
        EXACT: lambda: known.likelihood().sample(observed, n, 2)[0],
        f"{EXACT}, drawn again": lambda: known.likelihood().sample(observed, n, 3)[0],
        "C, efficiency learnt": lambda: known.efficiency(INJECTIONS).sample(observed, n, 4)[0],
        "B": lambda: known.selected_flow(FLOW_BATCH, flow_steps).sample(observed, n, 5)[0],
        "A": lambda: learnt(observed, QUICK_STEPS if quick else STEPS),
    }
    exact = torch.empty(0)
    for name, draw in ways.items():
        begun = time.process_time()
        draws = draw()
        yield row(name, observed, draws, time.process_time() - begun)
        if name == EXACT:
            exact = draws
        elif len(exact):
            yield against(name, draws, exact)


def against(name: str, draws: Tensor, exact: Tensor) -> Row:
    """Means and widths relative to the likelihood's."""
    shift = (draws.mean(0) - exact.mean(0)) / exact.std(0)
    return Row(
        "sbi",
        f"Foundation, {name} against {EXACT}: difference of means / σ; σ ratio, "
        f"{' '.join(PARAMETERS)}",
        "reported",
        f"{numbers(shift, 2)}; {numbers(draws.std(0) / exact.std(0), 2)}",
    )


def learnt(observed: TrippSample, steps: tuple[int, ...]) -> Tensor:
    """Draws of a flow trained in rounds, shape (S, 8)."""
    left: Iterator[int] = iter(steps)

    def train(estimator: Any, simulator: Any) -> None:
        data = SurveyDataModule(simulator, BATCH, next(left), n_validation=0)
        bare_trainer(max_epochs=1).fit(estimator, data)

    simulator = TrippSimulator(observed, SELECTION, seed=1)
    flow = FlowModule(PRIOR, EMBEDDING)
    found = truncated_rounds(flow, simulator, observed, train, most=len(steps))
    return found[-1].estimator.sample(observed, N_DRAWS)[0]


def row(name: str, observed: TrippSample, draws: Tensor, seconds: float) -> Row:
    """Means and standard deviations."""
    told = "" if name == "selection ignored" else f", {SELECTION}"
    pairs = zip(PARAMETERS, draws.mean(0).tolist(), draws.std(0).tolist(), strict=True)
    return Row(
        "sbi",
        f"Foundation, {len(observed.names)} SNe Ia, {name}{told}: mean ± σ",
        "reported",
        ", ".join(f"{p} {mean:.3f} ± {sd:.3f}" for p, mean, sd in pairs),
        reference=f"{seconds:.0f} s",
    )


if __name__ == "__main__":
    main(rows)
