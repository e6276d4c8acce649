"""Where the marginal parameters of a ratio estimator come from, and its loss, at one budget.

The benchmark B1 of ``sntorch.sbi.summary``, surveys of 100 over the whole prior, one round. All
trainings see the same surveys in the same order and take as many steps of them, with one cycle of
the learning rate, one embedding and one head; those with a proposal spend the first half of both
on the flow that proposes, and the rest on the correction. Negatives are compared with NRE-C,
losses with negatives from the prior. Batches have fewer negatives than the prior may have, so that
the prior is asked for as few as well; a proposal's are dear, and few. A flow alone shows what the
correction adds. Fresh surveys from the prior are compared with their exact posteriors by own draws
(the reference: the exact posterior drawn twice). Times are CPU seconds on one thread, without the
simulation, which is done once for all.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

from sbi_exact import PARAMETERS, PRIOR, SURVEY
from sbi_ratio import BATCH, EMBEDDING, N_DRAWS, N, verdict
from table import Row, main
from torch import Tensor
from torch.utils.data import DataLoader
from training_clock import bare_trainer, quiet

from sntorch.sbi import (
    BoxPosterior,
    EnsembleSettings,
    FlowModule,
    RatioModule,
    SummaryLikelihood,
    SummarySimulator,
    draw_prior,
    sample,
    simulate,
)
from sntorch.sbi.diagnostics import compare
from sntorch.sbi.estimator import PosteriorEstimator

STEPS, QUICK_STEPS = 500, 20
SURVEYS, QUICK_SURVEYS = 100, 20
SEEDS, QUICK_SEEDS = (1, 2), (1,)
TEST, FEW = 23, 15
# Walkers of one seed move alike where posteriors are alike: none of these is that of the networks.
OF_EXACT = (1, 2)
RATIOS: dict[str, dict[str, Any]] = {
    "NRE-C, 1,023 negatives of the prior": {"loss": "nre_c"},
    f"NRE-C, {BATCH - 1} of the prior": {"loss": "nre_c", "n_negatives": BATCH - 1},
    f"NRE-C, {BATCH - 1} of the batch": {"loss": "nre_c", "negatives": "batch"},
    "NRE-A, 1,023 of the prior": {"loss": "nre_a"},
    "NRE-B, 1,023 of the prior": {"loss": "nre_b"},
    "balanced NRE, 1,023 of the prior": {"loss": "bnre"},
}
# Batches of parameters and surveys.
Batches = list[tuple[Tensor, Any]]


def rows(quick: bool) -> Iterable[Row]:
    """The same trainings with surveys and first weights of one seed after another."""
    quiet()
    test = Test(QUICK_SURVEYS if quick else SURVEYS)
    for seed in QUICK_SEEDS if quick else SEEDS:
        simulator = SummarySimulator(SURVEY, PRIOR, N, seed)
        steps = QUICK_STEPS if quick else STEPS
        batches = [simulator(k * BATCH, BATCH) for k in range(steps)]
        for name, arguments in RATIOS.items():
            begun = time.process_time()
            module = RatioModule(PRIOR, EMBEDDING, seed=seed, **arguments)
            fit(module, batches)
            yield test.row(name, module, seed, steps, time.process_time() - begun)
        yield from proposed(batches, seed, test)


def proposed(batches: Batches, seed: int, test: Test) -> Iterable[Row]:
    """A flow and its correction with half of the surveys each, and a flow with all of them."""
    half, steps = len(batches) // 2, len(batches)
    begun = time.process_time()
    flow = FlowModule(PRIOR, EMBEDDING, seed=seed)
    fit(flow, batches[:half])
    module = RatioModule.correcting(flow, loss="nre_c", n_negatives=FEW, seed=seed)
    fit(module, batches[half:])
    seconds = time.process_time() - begun
    yield test.row(f"NRE-C, {FEW} of a flow's posterior", module, seed, steps, seconds)
    yield test.row("that flow alone", flow, seed, half, "in the row above")
    begun = time.process_time()
    whole = FlowModule(PRIOR, EMBEDDING, seed=seed)
    fit(whole, batches)
    yield test.row("a flow alone", whole, seed, steps, time.process_time() - begun)


def fit(module: PosteriorEstimator, batches: Batches) -> None:
    """Train in place, each batch once."""
    if not bool(module.prepared):
        module.prepare(batches[0][1])
    surveys: Any = batches
    bare_trainer(max_epochs=1).fit(module, DataLoader(surveys, batch_size=None))


class Test:
    """Surveys from the prior with draws of their exact posteriors.

    Args:
        n_surveys: How many.
    """

    def __init__(self, n_surveys: int) -> None:
        self.data = simulate(SURVEY, draw_prior(PRIOR, n_surveys, seed=TEST), N, seed=TEST)
        exact = BoxPosterior(SummaryLikelihood(SURVEY, self.data), PRIOR)
        self.exact, again = (
            sample(exact, N_DRAWS, EnsembleSettings(seed=seed)).theta for seed in OF_EXACT
        )
        self.floor = self.verdict(again)

    def verdict(self, draws: Tensor) -> str:
        """Bias, width, median divergence; and its mean with a standard error."""
        found = compare(draws, self.exact, PRIOR)
        divergence = found.divergence
        error = float(divergence.std()) / len(divergence) ** 0.5
        return f"{verdict(found)}, {float(divergence.mean()):.3f} ± {error:.3f}"

    def row(self, name: str, module: Any, seed: int, steps: int, seconds: float | str) -> Row:
        """How far a trained network's posteriors are from the exact ones."""
        draws = module.eval().sample(self.data, N_DRAWS)
        told = seconds if isinstance(seconds, str) else f"{seconds:.0f} s"
        return Row(
            "sbi",
            f"{name}, {steps} steps of {BATCH}, seed {seed}, {len(self.exact)} surveys: mean abs "
            f"bias / σ of {' '.join(PARAMETERS)}; σ ratio; KL median, mean; training",
            "reported",
            f"{self.verdict(draws)}; {told}",
            reference=self.floor,
        )


if __name__ == "__main__":
    main(rows)
