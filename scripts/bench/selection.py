"""The exact probability of S/N-count cuts, against as many simulated surveys as the issue asks.

SNe Ia of a DES-like survey, faint enough that every cut keeps some and loses some. Noise is drawn
anew for each of 400,000 light curves and the cut applied to what was measured; the exact
probability is asked of the noiseless light curves. The deviation is in standard errors of the
number kept. Times are CPU time on one thread, all objects in one batch.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace

import torch
from simulation import simulator
from table import Row, main
from torch import Tensor

from sntorch.simulation import (
    Cut,
    DetectionsAroundPeak,
    DetectionsInBands,
    EfficiencyTable,
    MinDetections,
    SimulatedSample,
)

N_OBJECTS, N_DRAWS, N_QUICK = 200, 400_000, 40_000
LIMIT_ERRORS, LIMIT_MS = 3.0, 2.0
# How much fainter than the simulated ones, so that every cut keeps some and loses some.
FAINTER = 25.0
CUTS: dict[str, Cut] = {
    "5 of S/N > 5": MinDetections(5, 5.0),
    "5 of S/N > 5, 1 before and 2 after peak": MinDetections(5, 5.0)
    & DetectionsAroundPeak(1, 2, 5.0),
    "8 of S/N > 3, 2 of S/N > 3 in 3 bands": MinDetections(8) & DetectionsInBands(3, 2, 3.0),
    "S/N max > 5 in 3 bands": DetectionsInBands(3),
    "5 nights with S/N > 4, 2 of S/N > 6": MinDetections(5, 4.0, distinct_nights=True)
    & MinDetections(2, 6.0),
    "(1 in every band and an efficiency falling with z) or not 3 of S/N > 4": (
        MinDetections(1, 3.0, per_band=True) & EfficiencyTable("redshift", (0.0, 0.3), (1.0, 0.1))
    )
    | ~MinDetections(3, 4.0),
}


def rows(quick: bool) -> Iterable[Row]:
    """One row a combination of cuts."""
    torch.set_num_threads(1)
    sample = simulator().simulate(N_OBJECTS, seed=5)
    sample = replace(sample, true_flux=sample.true_flux / FAINTER)
    draws = N_QUICK if quick else N_DRAWS
    for i, (name, cut) in enumerate(CUTS.items()):
        begun = time.process_time()
        log_p = cut.log_prob(sample.expected, sample.truth)
        each = 1e3 * (time.process_time() - begun) / len(sample)
        kept, off = simulated(cut, sample, log_p.exp(), draws // len(sample), seed=i)
        yield Row(
            "sbi",
            f"P(selected), {name}: against {draws:,} draws",
            f"within {LIMIT_ERRORS:.0f} s.e.; < {LIMIT_MS:.0f} ms a SN",
            f"{log_p.exp().mean():.5f}, {off:+.2f} s.e.; {each:.3f} ms",
            reference=f"{kept:.5f} (simulated)",
            met="yes" if abs(off) < LIMIT_ERRORS and each < LIMIT_MS else "no",
        )


def simulated(
    cut: Cut, sample: SimulatedSample, p: Tensor, repeats: int, seed: int
) -> tuple[float, float]:
    """Fraction kept of light curves measured anew, and its deviation in standard errors."""
    generator = torch.Generator().manual_seed(seed)
    expected, kept = sample.expected, 0
    for _ in range(repeats):
        noise = torch.randn(expected.flux.shape, generator=generator, dtype=torch.float64)
        drawn = replace(expected, flux=expected.flux + noise * expected.flux_err)
        luck = torch.rand(len(sample), generator=generator, dtype=torch.float64)
        kept += int(cut.keep(drawn, sample.truth, luck).sum())
    scatter = (repeats * (p * (1 - p)).sum()).sqrt()
    return kept / (repeats * len(sample)), float((kept - repeats * p.sum()) / scatter)


if __name__ == "__main__":
    main(rows)
