"""Small samples and models of hierarchical training."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from fake_posterior import simulated, truth_of

from sntorch.bayesn.hierarchy import HierarchicalModel
from sntorch.bayesn.populations import (
    Dust,
    DustRedshift,
    GlobalRV,
    MassSplit,
    MassSplitSED,
    PopulationRV,
)
from sntorch.bayesn.surfaces import FixedSED, TrainedSED
from sntorch.bayesn.training_sample import SampleSettings, TrainingSample, training_sample
from sntorch.physics.parameters import SEDParameters
from sntorch.physics.sed import SEDModel

POPULATIONS = {
    kind.__name__: kind
    for kind in (GlobalRV, PopulationRV, Dust, DustRedshift, MassSplit, MassSplitSED)
}


@cache
def t21() -> SEDModel:
    return SEDModel.from_name("t21")


@cache
def coarse() -> SEDModel:
    """A model with few knots: six residuals."""
    rng = np.random.default_rng(1)
    return SEDModel(
        SEDParameters(
            wave_knots=np.array([3500.0, 5000.0, 7000.0, 9500.0]),
            time_knots=np.array([-10.0, 10.0, 40.0]),
            w0=0.1 * rng.normal(size=(4, 3)),
            w1=0.1 * rng.normal(size=(4, 3)),
            epsilon_cholesky=0.05 * np.eye(6) + 0.01 * np.tril(rng.normal(size=(6, 6)), -1),
            sigma0=0.1,
            tau_a=0.2,
            m0=-19.3,
            rv=2.6,
        )
    )


@cache
def supernovae(n: int = 12, sed: SEDModel | None = None, fluxes: bool = False) -> TrainingSample:
    """Simulated with the population of the model, peaks where they are said to be, hosts of both
    kinds; the third lacks a band.
    """
    truth = truth_of(n, seed=3)
    truth["tmax"][:] = 0
    curves = list(simulated(sed or t21(), truth, seed=4).to_light_curves())
    for i, curve in enumerate(curves):
        curve.meta["HOSTGAL_LOGMASS"] = 9.4 + 0.2 * i
    if n > 2:
        curves[2] = curves[2].keep(curves[2].band != "ps1::r")
    likelihood = "flux" if fluxes else "magnitude"
    settings = SampleSettings(likelihood=likelihood, min_supernovae=2)
    return training_sample(curves, sed or t21(), settings)


def model(
    population: str = "GlobalRV",
    trained: bool = True,
    magnitudes: bool = True,
    free_tmax: bool = False,
    n: int = 12,
    sed: SEDModel | None = None,
) -> HierarchicalModel:
    sed = sed or t21()
    surfaces = TrainedSED(sed) if trained else FixedSED(sed)
    sample = supernovae(n, sed, not magnitudes)
    settings = {"mass": 9.7} if population.startswith("Mass") else {}
    return HierarchicalModel(
        sample, surfaces, POPULATIONS[population](**settings), magnitudes, free_tmax
    )


def trained_values(sed: SEDModel) -> dict[str, torch.Tensor]:
    """Shared parameters as the sample was simulated with, by the names of the sites."""
    sigma = sed.epsilon_cholesky.norm(dim=1)
    zero = torch.zeros_like(sed.w0)
    values = {
        "w0": sed.w0,
        "w1": sed.w1,
        "sigma_epsilon": sigma,
        "l_omega": sed.epsilon_cholesky / sigma[:, None],
        "delta_w0_low": zero,
        "delta_w0_high": zero,
    }
    numbers = {
        "sigma0": 0.09,
        "tau_a": 0.25,
        "rv": sed.rv,
        "mu_r": 2.6,
        "sigma_r": 0.4,
        "eta": 0.1,
        "kappa": 0.01,
        "delta_m": 0.02,
    }
    for name, number in numbers.items():
        for key in (name, f"{name}_low", f"{name}_high"):
            values[key] = torch.tensor(number, dtype=torch.float64)
    return values


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def points(joint, chains: int = 3, seed: int = 0, spread: float = 0.2):
    """Shared variables around the simulated values (C, G), and own ones (S, C, K)."""
    centre = joint.unconstrain(trained_values(joint.model.sed))
    phi = centre + spread * normal(chains, joint.n_shared, seed=seed)
    own = 0.3 * normal(joint.size, chains, joint.n_own, seed=seed + 1)
    own[..., 0] -= 2
    own[..., -1] += joint.model.sample.observations.muhat[:, None]
    return phi, own
