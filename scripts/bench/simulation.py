"""How long a survey takes: 10,000 SNe Ia of 60 observations, population to measured fluxes."""

from __future__ import annotations

import time
from collections.abc import Iterable

import torch
from table import Row, main

from sntorch.simulation import (
    BandDepth,
    BayeSNSource,
    IndependentPopulation,
    LogNormal,
    NoiseModel,
    ParametricSurvey,
    SimulatedSample,
    Simulator,
    Visits,
    VolumetricRedshift,
)

N, SECONDS = 10_000, 10.0
BANDS = ("desg", "desr", "desi", "desz")


def simulator() -> Simulator:
    """SNe Ia by BayeSN T21 observed in griz every 3.9 days."""
    survey = ParametricSurvey(
        name="bench",
        depths={band: BandDepth(23.5, 32.0) for band in BANDS},
        visits=[Visits(BANDS, 3.9, jitter=0.8, delay=0.1)],
        phases=(-10, 40),
    )
    population = IndependentPopulation(
        "Ia", VolumetricRedshift(0.02, 0.28), mwebv=LogNormal(0.02, 0.6)
    )
    source = BayeSNSource("t21", wave_range=(2900, 10300))
    return Simulator(source, population, survey, NoiseModel())


def rows(quick: bool) -> Iterable[Row]:
    """The row of the issue; quick or not, it takes seconds."""
    # One thread is as good as two on small tensors, and holds on a machine that others use.
    torch.set_num_threads(1)
    bench = simulator()
    bench.simulate(100, 1)
    seconds, sample = min(
        (timed(bench, seed) for seed in range(1 if quick else 3)), key=lambda t: t[0]
    )
    observations = float(sample.batch.n_observations.double().mean())
    what = f"simulate 10,000 SNe × {observations:.0f} observations, 2 cores"
    met = "yes" if seconds < SECONDS and observations >= 59.5 else "no"
    yield Row("ground", what, f"< {SECONDS:.0f} s", f"{seconds:.1f} s", met=met)


def timed(bench: Simulator, seed: int) -> tuple[float, SimulatedSample]:
    """Wall time and what it gave."""
    started = time.perf_counter()
    sample = bench.simulate(N, seed)
    return time.perf_counter() - started, sample


if __name__ == "__main__":
    main(rows)
