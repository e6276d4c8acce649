"""Trained networks through the ``sbi`` package: its SBC and TARP, and ours from the same.

B1 with 100 supernovae in a survey, a posterior flow and a ratio that was trained on as many
batches. Both go through the slice sampler of ``sbi``, with embeddings in place of surveys; ours
draws from the flow itself, from the ratio by walkers. Times are CPU seconds on one thread.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable
from typing import Any

import torch
from sbi.diagnostics import check_sbc, check_tarp, run_sbc, run_tarp
from sbi_exact import PRIOR, SURVEY
from table import Row, main
from torch import Tensor
from training_clock import bare_trainer, quiet

from sntorch.sbi import FlowModule, RatioModule, SummarySimulator, SurveyDataModule
from sntorch.sbi.adapter import sbi_posterior
from sntorch.sbi.diagnostics import calibrate
from sntorch.sbi.estimator import PosteriorEstimator

N, BATCH, STEPS, N_SURVEYS, N_DRAWS = 100, 128, 1_500, 300, 200
QUICK_STEPS, QUICK_SURVEYS = 100, 100
LEAST_P, TESTED = 0.01, 10**7
EMBEDDING = {"_target_": "sntorch.sbi.embeddings.DeepSet"}
Kind = type[FlowModule] | type[RatioModule]
KINDS: dict[str, Kind] = {"posterior flow": FlowModule, "ratio": RatioModule}


def rows(quick: bool) -> Iterable[Row]:
    """Training, then the two tests both ways, of each kind of network."""
    torch.set_num_threads(1)
    torch.manual_seed(1)
    quiet()
    simulator = SummarySimulator(SURVEY, PRIOR, N, seed=3)
    theta, surveys = simulator(TESTED, QUICK_SURVEYS if quick else N_SURVEYS)
    for name, kind in KINDS.items():
        begun = time.process_time()
        network = trained(kind, simulator, QUICK_STEPS if quick else STEPS)
        yield row(name, network, theta, surveys, time.process_time() - begun)


def trained(kind: Kind, simulator: SummarySimulator, steps: int) -> PosteriorEstimator:
    """A network after so many batches, ready to be asked."""
    network = kind(PRIOR, EMBEDDING, seed=3)
    data = SurveyDataModule(simulator, BATCH, steps, n_validation=0)
    bare_trainer(max_epochs=1).fit(network, data)
    return network.eval().requires_grad_(False)


def row(
    name: str, network: PosteriorEstimator, theta: Tensor, surveys: Any, training: float
) -> Row:
    """p-values of both ways, and the times that they took."""
    begun = time.process_time()
    ours = calibrate(network.sample(surveys, N_DRAWS), theta, PRIOR).p_values()
    own_seconds = time.process_time() - begun
    begun = time.process_time()
    sbc, tarp = by_sbi(network, theta, network.embed(surveys))
    spent = time.process_time() - begun
    least = min(*sbc, tarp)
    return Row(
        "sbi",
        f"{name}: SBC and TARP by sbi through the adapter, {len(theta)} surveys × {N_DRAWS}: p",
        f"> {LEAST_P}",
        f"{', '.join(f'{p:.2f}' for p in sbc)}; TARP {tarp:.2f} ({spent:.0f} s)",
        reference=f"ours {', '.join(f'{p:.2f}' for p in ours.values())} "
        f"({own_seconds:.1f} s); training {training:.0f} s",
        met="yes" if least > LEAST_P else "no",
    )


def by_sbi(
    network: PosteriorEstimator, theta: Tensor, embedded: Tensor
) -> tuple[list[float], float]:
    """p-values of the ranks by parameter, and of TARP."""
    posterior = sbi_posterior(network, num_chains=1, warmup_steps=30)
    given = {"num_posterior_samples": N_DRAWS, "show_progress_bar": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        ranks, dap = run_sbc(theta.float(), embedded, posterior, **given)
        sbc = check_sbc(ranks, theta.float(), dap, N_DRAWS)["ks_pvals"]
        coverage, level = run_tarp(theta.float(), embedded, posterior, **given)
    return sbc.tolist(), float(check_tarp(coverage, level)[1])


if __name__ == "__main__":
    main(rows)
