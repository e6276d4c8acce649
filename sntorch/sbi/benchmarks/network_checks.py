"""What a trained network has to show beside the exact posterior, as it can where there is none.

Three checks, on the surveys of a comparison:

* The mean of the ratio p(θ | x) / p(θ) over the prior is one: a network whose ratio is not
  normalised tells no evidence. Of a flow, which is a density, this is a check of the code.
* Among fresh simulations the surveys are as usual as any. They are, for they are simulations; so
  as many p-values as chance allows are small. The same surveys made wrong on purpose
  (``Benchmark.made_wrong``) have to stand out, or the network could not warn of such data.
* LC2ST at the first survey: a classifier cannot tell draws of the posterior from the right one.

Letters in shapes: ``B`` surveys.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from sntorch.errors import ConfigError
from sntorch.sbi.benchmarks.comparison import Comparison
from sntorch.sbi.benchmarks.protocol import Benchmark
from sntorch.sbi.diagnostics import (
    LocalTest,
    Misspecification,
    each_misspecification,
    local_test,
    mean_ratio,
)
from sntorch.sbi.inference import NetworkInference
from sntorch.sbi.simulated import CHECKED
from sntorch.sbi.summary_simulator import draw_prior

# Surveys whose ratios are averaged together: more need more memory.
AT_ONCE = 16
LEAST = 100


@dataclass(frozen=True)
class CheckSettings:
    """How thorough checks are; 0 leaves one out.

    Attributes:
        surveys: Checked at most, from the first of those compared.
        points: θ at which a survey's ratio is averaged.
        simulations: Fresh ones that surveys and posteriors are held to, for two of the checks.
        shuffles: Simulations that are held to the others, of which p-values are shares.
        permutations: Classifiers of LC2ST that learn from permuted labels.

    Raises:
        ConfigError: Numbers that are too small to tell anything.
    """

    surveys: int = 200
    points: int = 2_000
    simulations: int = 500
    shuffles: int = 500
    permutations: int = 20

    def __post_init__(self) -> None:
        for name, least in (
            *(("surveys", 1), ("points", LEAST), ("simulations", LEAST)),
            *(("shuffles", LEAST), ("permutations", 1)),
        ):
            value = getattr(self, name)
            if type(value) is not int or (value and value < least):
                raise ConfigError(
                    f"network_checks.{name}={value}: 0, or a whole number of at least {least}, "
                    "is accepted"
                )


@dataclass(frozen=True, eq=False)
class NetworkChecks:
    """What a network shows; None for what was left out.

    Attributes:
        log_mean_ratio: ln of the prior's mean of the ratio and its standard error, shape (B,)
            each, zero for a right one; None where the ratio is known up to a factor only.
        usual: How unusual surveys are among fresh simulations, of each.
        made_wrong: The same of these surveys made wrong.
        local: LC2ST at the first survey.
        seconds: CPU time, without that of the simulations.
    """

    log_mean_ratio: tuple[Tensor, Tensor] | None
    usual: list[Misspecification] | None
    made_wrong: list[Misspecification] | None
    local: LocalTest | None
    seconds: float


def check_networks(
    benchmark: Benchmark,
    methods: Iterable[Any],
    found: Comparison,
    settings: CheckSettings | None = None,
) -> dict[str, NetworkChecks]:
    """Check the networks among methods; by their names.

    Args:
        benchmark: What surveys are of.
        methods: Those that were compared; others than networks are passed over.
        found: Of ``compare_methods``, at fiducial parameters or not.
        settings: How thorough.
    """
    settings = settings or CheckSettings()
    networks = [one for one in methods if isinstance(one, NetworkInference)]
    if not networks or not settings.surveys:
        return {}
    fresh = None
    if settings.simulations:
        theta = draw_prior(benchmark.prior, settings.simulations, found.seed, CHECKED)
        fresh = theta, benchmark.simulate(theta, found.seed, CHECKED)
    return {one.name: _check(benchmark, one, found, settings, fresh) for one in networks}


@torch.no_grad()
def _check(
    benchmark: Benchmark,
    network: NetworkInference,
    found: Comparison,
    settings: CheckSettings,
    fresh: tuple[Tensor, Any] | None,
) -> NetworkChecks:
    begun = time.process_time()
    estimator, draws = network.estimator, found.scores[network.name].draws[: settings.surveys]
    data = found.data.take(torch.arange(len(draws)))
    embedded = estimator.embed(data)
    ratio = usual = wrong = local = None
    if settings.points and estimator.normalised:
        ratio = _mean_ratios(network, embedded, draws, settings.points, found.seed)
    if fresh is not None:
        theta, surveys = fresh
        among = estimator.embed(surveys)
        if settings.shuffles:
            held = partial(each_misspecification, simulated=among, shuffles=settings.shuffles)
            usual = held(embedded, seed=found.seed)
            wrong = held(estimator.embed(benchmark.made_wrong(data)), seed=found.seed)
        if settings.permutations:
            # Other random numbers than those of the draws that are tested.
            single = network.sample(surveys, 1, found.seed + len(found.scores))[:, 0]
            local = local_test(
                theta, single, among, draws[0], embedded[0], settings.permutations, found.seed
            )
    return NetworkChecks(ratio, usual, wrong, local, time.process_time() - begun)


def _mean_ratios(
    network: NetworkInference, embedded: Tensor, draws: Tensor, points: int, seed: int
) -> tuple[Tensor, Tensor]:
    estimator = network.estimator
    parts = [
        mean_ratio(
            partial(estimator.log_ratio_embedded, embedded=embedded[part]),
            estimator.prior,
            points,
            seed,
            draws[part],
        )
        for part in torch.arange(len(draws)).split(AT_ONCE)
    ]
    means, errors = zip(*parts, strict=True)
    return torch.cat(means), torch.cat(errors)
