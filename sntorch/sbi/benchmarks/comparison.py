"""All methods on the same surveys, each held to the known posterior of what it takes as given.

Surveys are simulated with parameters from the prior, so that intervals of a right posterior hold
the truth as often as they say; or all at the fiducial parameters, which shows biases best, and
where calibration means nothing. No survey is one that a method may have been trained on. The
exact posterior is drawn twice: the second time is held to the first, and what it shows is the
noise of finite draws, below which no method can be told from the exact one.

Letters in shapes: ``B`` surveys, ``S`` draws of each, ``D`` parameters.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sntorch.errors import ConfigError
from sntorch.sbi.benchmarks.protocol import Benchmark
from sntorch.sbi.diagnostics import Calibration, PosteriorComparison, calibrate, compare
from sntorch.sbi.inference import SelectionInference
from sntorch.sbi.simulated import TESTED
from sntorch.sbi.summary_simulator import draw_prior

# Second draws of the exact posterior.
AGAIN = 1


@dataclass(frozen=True, eq=False)
class MethodScore:
    """What a method made of the surveys.

    Attributes:
        name: Of the method.
        scheme: What it takes as given.
        draws: Of the posteriors, shape (B, S, D).
        bias: Mean of the posterior minus the truth over the exact posterior's σ, shape (B, D).
        against_exact: Bias, width and divergence from the exact posterior.
        calibration: Places of the truths; None where all are at the fiducial parameters.
        seconds: CPU time to draw from all posteriors.
    """

    name: str
    scheme: str
    draws: Tensor
    bias: Tensor
    against_exact: PosteriorComparison
    calibration: Calibration | None
    seconds: float


@dataclass(frozen=True, eq=False)
class Comparison:
    """Methods on the same surveys.

    Attributes:
        truth: Parameters, shape (B, D).
        data: The surveys.
        scores: By name, the exact posterior first.
        seed: Of surveys and draws.
        at_fiducial: Whether all surveys are of the fiducial universe.
    """

    truth: Tensor
    data: Any
    scores: dict[str, MethodScore]
    seed: int
    at_fiducial: bool


def compare_methods(
    benchmark: Benchmark,
    methods: Sequence[SelectionInference],
    n_surveys: int,
    draws: int = 1_000,
    seed: int = 0,
    at_fiducial: bool = False,
    progress: Callable[[str, float], None] | None = None,
) -> Comparison:
    """Let methods infer from the same surveys.

    Args:
        benchmark: What surveys are of.
        methods: Of that benchmark; the exact answers are added.
        n_surveys: B.
        draws: S, for each survey and method; at least 100.
        seed: Of surveys and draws.
        at_fiducial: Whether all surveys are of the fiducial universe, in place of the prior's.
        progress: Called with a step's name and the fraction of the methods that are done.

    Raises:
        ConfigError: Two methods of one name.
    """
    if at_fiducial:
        theta = torch.tensor([benchmark.fiducial], dtype=torch.float64).repeat(n_surveys, 1)
    else:
        theta = draw_prior(benchmark.prior, n_surveys, seed, TESTED)
    data = benchmark.simulate(theta, seed)
    exact = {
        scheme: benchmark.exact(scheme)
        for scheme in dict.fromkeys((benchmark.scheme, *(one.scheme for one in methods)))
    }
    every = (*exact.values(), *methods)
    if len({one.name for one in every}) < len(every):
        names = ", ".join(one.name for one in every)
        raise ConfigError(f"methods are called {names}: names that differ are accepted")
    reference = {scheme: one.sample(data, draws, seed) for scheme, one in exact.items()}
    scores = {}
    for i, method in enumerate(every):
        if progress is not None:
            progress("posteriors of all methods", i / len(every))
        begun = time.process_time()
        drawn = method.sample(data, draws, seed + AGAIN)
        seconds = time.process_time() - begun
        known = reference[method.scheme]
        scores[method.name] = MethodScore(
            method.name,
            method.scheme,
            drawn,
            (drawn.mean(1) - theta) / known.std(1),
            compare(drawn, known, benchmark.prior),
            None if at_fiducial else calibrate(drawn, theta, benchmark.prior, seed),
            seconds,
        )
    return Comparison(theta, data, scores, seed, at_fiducial)
