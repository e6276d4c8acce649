"""A posterior as a sampler would make it: simulated supernovae, and draws around their truth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch

from sntorch.bayesn.posterior import Posterior
from sntorch.data.batch import LightCurveBatch
from sntorch.data.light_curve import LightCurve
from sntorch.physics.cosmology import Cosmology
from sntorch.physics.sed import SEDModel

BANDS = ("ps1::g", "ps1::r", "ps1::i", "ps1::z")
SPREAD = {"theta": 0.12, "av": 0.06, "tmax": 0.15, "ds": 0.05}
SIGMA0 = 0.09


def truth_of(n: int, seed: int) -> dict[str, np.ndarray]:
    """Parameters of n supernovae from the population."""
    rng = np.random.default_rng(seed)
    redshift = rng.uniform(0.015, 0.08, n)
    return {
        "redshift": redshift,
        "mwebv": rng.uniform(0.01, 0.1, n),
        "theta": rng.normal(size=n),
        "av": rng.exponential(0.25, n),
        "tmax": rng.normal(0, 1.0, n),
        "ds": Cosmology().distmod(redshift).numpy() + rng.normal(0, SIGMA0, n),
    }


def simulated(sed: SEDModel, truth: dict[str, np.ndarray], seed: int) -> LightCurveBatch:
    """Their light curves: seven nights in four bands, 3 % errors."""
    rng = np.random.default_rng(seed)
    curves = []
    for i, z in enumerate(truth["redshift"]):
        phase = np.sort(rng.uniform(-9, 38, 7))
        one = {k: truth[k][i] for k in ("theta", "av", "tmax", "redshift", "mwebv")}
        flux = sed.flux(phase, BANDS, distmod=truth["ds"][i], **one).numpy()
        error = np.hypot(0.03 * flux, 25.0)
        curves.append(
            LightCurve.from_arrays(
                f"SN{i:03d}",
                np.tile(57000 + i + phase * (1 + z), len(BANDS)),
                (flux + error * rng.normal(size=flux.shape)).ravel(),
                error.ravel(),
                np.repeat(BANDS, phase.size),
                redshift=z,
                redshift_err=1e-4,
                mwebv=truth["mwebv"][i],
                peak_mjd=57000.0 + i,
                type="Ia",
                meta={"SNTYPE": 1, "HOSTGAL_LOGMASS": 10.2, "SIM_theta": one["theta"]},
            )
        )
    return LightCurveBatch.from_light_curves(curves, bands=BANDS)


def fake_posterior(
    n: int = 4,
    chains: int = 4,
    length: int = 100,
    epsilon: bool = True,
    free_redshift: bool = False,
    seed: int = 0,
) -> Posterior:
    """Gaussian draws whose means scatter around the truth by their standard deviation."""
    generator = torch.Generator().manual_seed(seed)
    sed = SEDModel.from_name("t21")
    truth = truth_of(n, seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    draws = {
        name: torch.tensor(truth[name])[:, None, None]
        + sd * (normal(n, 1, 1) + normal(n, chains, length))
        for name, sd in SPREAD.items()
    }
    draws["av"] = draws["av"].abs()
    muhat = Cosmology().distmod(torch.tensor(truth["redshift"]))
    draws["mu"] = draws["ds"] + SIGMA0 * normal(n, chains, length)
    draws["delta_m"] = draws["ds"] - draws["mu"]
    draws["rv"] = torch.full((n, chains, length), sed.rv, dtype=torch.float64)
    if free_redshift:
        z = torch.tensor(truth["redshift"])[:, None, None]
        draws["redshift"] = z + 1e-3 * normal(n, chains, length)
    if epsilon:
        draws["epsilon"] = (0.3 * normal(n, chains, length, 24)).float()
    statistics = pd.DataFrame(
        {
            "object_id": [f"SN{i:03d}" for i in range(n)],
            "n_observations": 28,
            "n_dropped_bands": [1, *[0] * (n - 1)],
            "dropped_bands": ["bessellu", *[""] * (n - 1)],
            "n_divergent": 0,
            "tree_depth": 4.5,
            "acceptance": 0.85,
            "k_hat": np.nan,
            "reruns": 0,
            "sampler": "nuts",
            "flag": [*[""] * (n - 1), "rhat"],
            "muhat": muhat.numpy(),
        }
    )
    failures = pd.DataFrame({"object_id": ["SNbad"], "reason": ["2 points, 5 are needed"]})
    return Posterior(sed, simulated(sed, truth, seed + 1), draws, statistics, failures)
