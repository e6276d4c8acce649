"""A trained posterior flow through the ``sbi`` package: its SBC and TARP, and ours from the same.

B1 with 100 supernovae in a survey. The density goes through the slice sampler of ``sbi``, with
embeddings in place of surveys; ours draws from the flow itself. Times are CPU seconds on one
thread.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable

import torch
from sbi.diagnostics import check_sbc, check_tarp, run_sbc, run_tarp
from sbi_exact import PRIOR, SURVEY
from table import Row, main
from training_clock import bare_trainer, quiet

from sntorch.sbi import FlowModule, SummarySimulator, SurveyDataModule
from sntorch.sbi.adapter import sbi_posterior
from sntorch.sbi.diagnostics import calibrate

N, BATCH, STEPS, N_SURVEYS, N_DRAWS = 100, 128, 1_500, 300, 200
LEAST_P = 0.01
EMBEDDING = {"_target_": "sntorch.sbi.embeddings.DeepSet"}


def rows(quick: bool) -> Iterable[Row]:
    """Training, then the two tests both ways."""
    torch.set_num_threads(1)
    torch.manual_seed(1)
    quiet()
    simulator = SummarySimulator(SURVEY, PRIOR, N, seed=3)
    flow = FlowModule(PRIOR, EMBEDDING, seed=3)
    begun = time.process_time()
    data = SurveyDataModule(simulator, BATCH, 100 if quick else STEPS, n_validation=0)
    bare_trainer(max_epochs=1).fit(flow, data)
    seconds = time.process_time() - begun
    flow.eval().requires_grad_(False)
    theta, surveys = simulator(10**7, 100 if quick else N_SURVEYS)
    embedded = flow.embed(surveys)
    begun = time.process_time()
    ours = calibrate(flow.sample(surveys, N_DRAWS), theta, PRIOR)
    own_seconds = time.process_time() - begun
    begun = time.process_time()
    posterior = sbi_posterior(flow, num_chains=1, warmup_steps=30)
    given = {"num_posterior_samples": N_DRAWS, "show_progress_bar": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        ranks, dap = run_sbc(theta.float(), embedded, posterior, **given)
        sbc = check_sbc(ranks, theta.float(), dap, N_DRAWS)["ks_pvals"]
        coverage, level = run_tarp(theta.float(), embedded, posterior, **given)
    tarp = float(check_tarp(coverage, level)[1])
    spent = time.process_time() - begun
    least = min(float(sbc.min()), tarp)
    yield Row(
        "sbi",
        f"SBC and TARP by sbi through the adapter, {len(theta)} surveys × {N_DRAWS}: p",
        f"> {LEAST_P}",
        f"{', '.join(f'{p:.2f}' for p in sbc.tolist())}; TARP {tarp:.2f} ({spent:.0f} s)",
        reference=f"ours {', '.join(f'{p:.2f}' for p in ours.p_values().values())} "
        f"({own_seconds:.1f} s); training {seconds:.0f} s",
        met="yes" if least > LEAST_P else "no",
    )


if __name__ == "__main__":
    main(rows)
