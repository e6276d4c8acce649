"""Surveys simulated as light curves, cut, fitted with SALT3 and cut again: a posterior flow.

Foundation-like light curves of Tripp-standardised supernovae, a limit on the measured peak
magnitude, four epochs in every band, batched SALT3 fits, limits on what was fitted (``conf/data/
salt_surveys.yaml``). No likelihood of the result is known. The flow, with the weights of its best
epoch on held-out surveys, is held to others that it has not seen, and beside it stands the
likelihood of the fits with the redshifts' errors, selection ignored. Surveys are
kept in ``outputs/bench_salt_surveys``, so the same command goes on where it was stopped. Times are
CPU seconds on one thread.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable

import torch
from hydra.utils import instantiate
from sbi_exact import numbers
from table import Row, main
from torch import Tensor
from training_clock import bare_trainer, quiet

from sntorch.building import build
from sntorch.callbacks.best_weights import BestWeights
from sntorch.cli.config import compose_config
from sntorch.sbi import BoxPrior, FlowModule, SurveyDataModule
from sntorch.sbi.diagnostics import Calibration, calibrate
from sntorch.sbi.salt_fits import SALTFits
from sntorch.sbi.selection_posterior import SelectionPosterior
from sntorch.sbi.simulated import TESTED
from sntorch.sbi.tripp import PARAMETERS, TrippLikelihood, TrippSample

N, N_STORED, N_TESTED, N_IGNORED, EPOCHS, N_DRAWS = 30, 8_000, 300, 60, 40, 500
FOLDER = "outputs/bench_salt_surveys"
# Surveys that no setting was chosen on: the first ones of the stream were looked at.
FRESH = TESTED + 2**20


def rows(quick: bool) -> Iterable[Row]:
    """Simulation with fits, training, and what comes of it."""
    torch.set_num_threads(1)
    torch.manual_seed(1)
    quiet()
    config = compose_config(
        "train",
        [
            "experiment=npe_salt_fits",
            f"data.simulator.n={N}",
            f"data.folder={FOLDER}{'_quick' if quick else ''}",
            f"data.n_stored={40 if quick else N_STORED}",
            f"data.n_validation={16 if quick else 256}",
            "seed=1",
        ],
    )
    data: SurveyDataModule = instantiate(config.data)
    begun = time.process_time()
    theta, tested = data.simulator(FRESH, 20 if quick else N_TESTED)
    seconds = time.process_time() - begun
    candidates = int(tested.n_candidates.sum())
    yield Row(
        "sbi",
        f"light curves simulated, cut, fitted with SALT3, {candidates} candidates of which "
        f"{int(tested.mask.sum())} are kept",
        "reported",
        f"{1e3 * seconds / candidates:.1f} ms CPU a candidate",
    )
    flow = build(config.model, FlowModule)
    data.setup("fit")
    begun = time.process_time()
    settings = {"num_sanity_val_steps": 0, "callbacks": [BestWeights()]}
    bare_trainer(1.0, max_epochs=2 if quick else EPOCHS, **settings).fit(flow, data)
    seconds = time.process_time() - begun
    flow.eval().requires_grad_(False)
    prior, error = data.simulator.prior, config.data.simulator.noise.redshift_err
    name = f"A, flow, {seconds:.0f} s of training"
    yield judged(name, flow.sample(tested, N_DRAWS), theta, prior)
    few = [tested.take(torch.tensor([b])) for b in range(3 if quick else N_IGNORED)]
    draws = torch.cat([ignored(survey, prior, error) for survey in few])
    name = "likelihood of the fits, selection ignored"
    yield judged(name, draws, theta[: len(draws)], prior)


def ignored(survey: SALTFits, prior: BoxPrior, redshift_err: float) -> Tensor:
    """Draws, shape (1, S, 8), of the Tripp likelihood of one survey, as if all were kept."""
    names = tuple(str(i) for i in range(survey.mask.shape[1]))
    covariance = survey.covariance[0].clone()
    distance = 5 / math.log(10) * redshift_err / survey.redshift[0]
    covariance[:, 0, 0] += distance**2
    sample = TrippSample(survey.redshift[0], survey.mu[0], survey.data, covariance, names)
    return SelectionPosterior(TrippLikelihood(sample, None), prior).sample(N_DRAWS)


def judged(name: str, draws: Tensor, theta: Tensor, prior: BoxPrior) -> Row:
    """Bias and coverage against the truths."""
    found: Calibration = calibrate(draws, theta, prior)
    bias = ((draws.mean(1) - theta) / draws.std(1)).mean(0)
    cover = [
        ", ".join(f"{100 * one.value:.0f}" for one in found.coverage(level))
        for level in (0.68, 0.95)
    ]
    return Row(
        "sbi",
        f"{name}: mean bias / σ of {', '.join(PARAMETERS)}; 68 %; 95 % intervals hold the truth, "
        f"{len(theta)} surveys of {N}",
        "reported",
        f"{numbers(bias, 2)}; {'; '.join(cover)}; TARP's largest deviation "
        f"{found.tarp_deviation:.3f}",
    )


if __name__ == "__main__":
    main(rows)
