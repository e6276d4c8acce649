"""Simulation-based calibration of the fits: ranks of the truth among the posterior's draws.

Talts et al. (2018, arXiv:1804.06788). Parameters are drawn from the fitting model's own prior
(t_max over all its ±10 days), fluxes have the phases, bands, redshifts and errors of real
Foundation SNe. Where the sampler is right the ranks are uniform. Deviation: the true distance
modulus lies within half a magnitude of the expected one, not within the prior's 5 mag, because
with fixed errors that would make one SN a hundred times brighter than another. At the S/N of these
SNe the fit is nearly the same at every distance, so that ranks are uniform all the same.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import torch
from foundation import FOUNDATION, t21_sample
from scipy import stats
from table import Row, main

from sntorch.bayesn import SEDModel
from sntorch.bayesn.fitting import SamplerSettings
from sntorch.bayesn.model import FitModel
from sntorch.bayesn.observations import Observations
from sntorch.bayesn.options import FitOptions
from sntorch.bayesn.preparation import Prepared
from sntorch.bayesn.survey import SurveySettings, fit_survey, join
from sntorch.data.batch import LightCurveBatch

N, QUICK = 300, 40
DISTANCE = 0.5
THIN = 5
RANKED = ("mu", "theta", "av", "tmax")
SEED = 11


def rows(quick: bool) -> Iterable[Row]:
    """One row a parameter."""
    torch.set_num_threads(1)
    n = QUICK if quick else N
    what = f"SBC, {n} SNe from the prior, p of uniform ranks"
    if not FOUNDATION.is_dir():
        yield Row("bayesn-fit", what, "> 0.01 each", "run with SNTORCH_SHARED=…", met="run")
        return
    sed = SEDModel.from_name("t21")
    sample, truth = simulated(sed, t21_sample(sed), n)
    begun = time.perf_counter()
    survey = SurveySettings(workers=2, progress=sys.stderr.isatty())
    parts = fit_survey(sample, sed, FitOptions(), SamplerSettings(seed=SEED), survey)
    posterior = join(parts, sample)
    seconds = time.perf_counter() - begun
    flagged = sum(flag != "" for flag in posterior.statistics["flag"])
    values = {name: p_value(posterior.draws[name], truth[name]) for name in RANKED}
    each = ", ".join(f"{name} {p:.2f}" for name, p in values.items())
    yield Row(
        "bayesn-fit",
        what,
        "> 0.01 each",
        f"{each}; {flagged} flagged and counted all the same; {seconds:.0f} s",
        met="yes" if min(values.values()) > 0.01 else "no",
    )


def simulated(sed: SEDModel, real: Prepared, n: int) -> tuple[Prepared, dict[str, torch.Tensor]]:
    """Light curves whose parameters follow the fitting model's prior, and those parameters."""
    rng = np.random.default_rng(SEED)
    sample = real.take(rng.integers(0, len(real.light_curves), n))
    batch = LightCurveBatch.from_light_curves(sample.light_curves)
    observed = Observations.from_batch(batch, torch.tensor(sample.muhat, dtype=torch.float64))
    generator = torch.Generator().manual_seed(SEED)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    def uniform() -> torch.Tensor:
        return torch.rand(n, generator=generator, dtype=torch.float64)

    delta_m = sed.sigma0 * normal(n)
    truth = {
        "theta": normal(n),
        "av": -sed.tau_a * torch.log1p(-uniform()),
        "tmax": FitOptions().tmax_range * (2 * uniform() - 1),
        "mu": observed.muhat + DISTANCE * (2 * uniform() - 1),
    }
    epsilon = sed.epsilon_surface(normal(n, len(sed.epsilon_cholesky)))
    # One supernova observation a column, as the light curves have them.
    model = FitModel(sed, observed)
    rv = torch.full((n,), sed.rv, dtype=torch.float64)
    flux = model.flux(
        truth["theta"],
        truth["av"],
        truth["tmax"],
        rv,
        epsilon,
        truth["mu"] + delta_m,
        observed.redshift,
    )
    curves = []
    for i, lc in enumerate(sample.light_curves):
        phase = (lc.time - lc.peak_mjd) / (1 + lc.redshift)
        places = _places(observed, i, lc.band_index, lc.bands, phase)
        noisy = flux[i].flatten()[places].numpy() + lc.flux_err * rng.standard_normal(len(lc))
        curves.append(replace(lc, object_id=f"{lc.object_id}_{i}", flux=noisy))
    return replace(sample, light_curves=curves), truth


def _places(
    observed: Observations,
    i: int,
    band_index: np.ndarray,
    bands: tuple[str, ...],
    phase: np.ndarray,
) -> list[int]:
    """Where each observation of a light curve stands among the grouped ones."""
    mask = observed.mask[i].flatten()
    name = np.array(observed.bands)[observed.band[i].repeat_interleave(observed.mask.shape[2])]
    when = observed.phase[i].flatten().numpy()
    found = []
    for t, band in zip(phase, np.array(bands)[band_index], strict=True):
        same = mask.numpy() & (name == band) & (np.abs(when - t) < 1e-9)
        found.append(int(np.flatnonzero(same)[0]))
    return found


def p_value(draws: torch.Tensor, truth: torch.Tensor) -> float:
    """p of the ranks' uniformity by Kolmogorov and Smirnov's test, ranks spread within a step."""
    thinned = draws[:, :, ::THIN].flatten(1)
    rank = (thinned < truth[:, None]).sum(1).numpy()
    spread = np.random.default_rng(SEED).uniform(size=len(rank))
    statistic = stats.kstest((rank + spread) / (thinned.shape[1] + 1), "uniform")
    return float(math.nan if statistic is None else statistic.pvalue)


if __name__ == "__main__":
    main(rows)
