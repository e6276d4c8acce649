"""Jobs of the training's benchmark: each leaves a JSON file, and goes on where it was stopped.

``bayesn_train.py`` runs them and prints the table.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from foundation import FOUNDATION
from torch import Tensor

from sntorch import read
from sntorch.bayesn import SEDModel
from sntorch.bayesn.hierarchy import HierarchicalModel
from sntorch.bayesn.joint_density import JointDensity
from sntorch.bayesn.populations import Dust, GlobalRV
from sntorch.bayesn.postprocessing import parameters_of
from sntorch.bayesn.preparation import find_header, read_headers
from sntorch.bayesn.simulated_sample import prior_values, simulate_sample
from sntorch.bayesn.starting_surfaces import from_scratch, starting_point
from sntorch.bayesn.surfaces import FixedSED, TrainedSED
from sntorch.bayesn.training import Status, Trained, TrainingSettings, train
from sntorch.bayesn.training_products import write_training
from sntorch.bayesn.training_report import diagnostics_table
from sntorch.bayesn.training_sample import SampleSettings, TrainingSample, training_sample
from sntorch.inference.hierarchical import HierarchicalDensity
from sntorch.physics.sed import SEDModel as ForwardModel

N_NODES = 6
DUST_SIZE, DUST_TAU = 30, 0.1
MOST_TAU = 5.0
# Chains that agree less are run anew, longer.
MOST_RHAT = 1.1
DUST_CHAINS, DUST_DRAWS = 8, 30
RANKED = ("mu_r", "sigma_r", "tau_a", "sigma0")
RANKS = 80
SIZES = (100, 300, 1000, 3000, 10000)
CHAINS = 4
PROVENANCE = (
    "foundation-griz: 157 SNe Ia of Foundation DR1 (Foley et al. 2018; Jones et al. 2019), griz,",
    "times of peak and redshifts of Thorp et al. (2021); knots of T21; one R_V",
)


def foundation() -> TrainingSample:
    """The 157 SNe of Thorp et al. (2021)."""
    headers = read_headers(FOUNDATION / "T21_sample.txt")
    curves = [lc for lc in read(FOUNDATION) if find_header(headers, lc)]
    return training_sample(curves, t21(), SampleSettings(), headers=headers)


def t21() -> SEDModel:
    """The published model."""
    sed = SEDModel.from_name("t21")
    sed.n_nodes = N_NODES
    return sed


def truths(sed: ForwardModel) -> dict[str, Tensor]:
    """Shared parameters of the published model."""
    sigma = sed.epsilon_cholesky.norm(dim=1)
    number = sed.w0.new_tensor
    return {
        "w0": sed.w0,
        "w1": sed.w1,
        "sigma_epsilon": sigma,
        "l_omega": sed.epsilon_cholesky / sigma[:, None],
        "rv": number(sed.rv),
        "tau_a": number(sed.tau_a),
        "sigma0": number(sed.sigma0),
    }


def job_t21(folder: Path, threads: int, sampler: str = "nuts") -> None:
    """The published training: 157 SNe, 4 chains of 500 + 500."""
    sed = t21()
    model = HierarchicalModel(foundation(), TrainedSED(sed), GlobalRV())
    settings = TrainingSettings(threads=threads, sampler=sampler)
    trained = train(model, settings, folder / "chains" / f"t21_{sampler}", _watch)
    keep(trained, sed, folder / f"t21_{sampler}.json", truths(sed))
    write_training(trained, folder / f"t21_{sampler}", PROVENANCE)


def job_recovery(folder: Path, number: int, threads: int, kind: str = "recovery") -> None:
    """157 SNe simulated from the published model, with Foundation's cadence and errors.

    Args:
        folder: Of the results.
        number: Of the sample.
        threads: Parts that are worked on at once.
        kind: ``recovery`` begins at the published surfaces, which are the truth; ``scratch`` at
            flat ones; ``held`` holds them at the truth and learns the population alone, by the
            variational fit.
    """
    path = folder / f"{kind}_{number}.json"
    if path.is_file():
        return
    sed = t21()
    truth = truths(sed)
    real = HierarchicalModel(foundation(), TrainedSED(sed), GlobalRV())
    sample, own = simulate_sample(real, truth, seed=100 + number)
    # Draws have θ of unit variance over these supernovae, not over the population.
    truth["w1"] = truth["w1"] * own["theta"].std(correction=0)
    flat = SEDModel(from_scratch(parameters_of({}, sed)), N_NODES)
    surfaces = {"recovery": TrainedSED(sed), "scratch": TrainedSED(flat), "held": FixedSED(sed)}
    model = HierarchicalModel(sample, surfaces[kind], GlobalRV())
    sampler = "svi" if kind == "held" else "nuts"
    settings = TrainingSettings(
        sampler=sampler, chains=2, warmup=80, draws=160, seed=number, threads=threads
    )
    trained = train(model, settings, folder / "chains" / path.stem, _watch)
    keep(trained, sed, path, truth)


def job_dust(folder: Path, number: int) -> None:
    """A dust population with truths from its prior: ranks among the posterior's draws."""
    path = folder / f"dust_{number}.json"
    if path.is_file():
        return
    sed, everything = t21(), foundation()
    # A stream of random numbers for each purpose: truths and data have to be independent.
    seeds = [1000 * (k + 1) + number for k in range(4)]
    generator = torch.Generator().manual_seed(seeds[0])
    chosen = torch.randperm(len(everything), generator=generator)[:DUST_SIZE]
    population = Dust(tau_a_scale=DUST_TAU)
    real = HierarchicalModel(everything.take(chosen), FixedSED(sed), population)
    truth = _dust_truth(real, seeds[1])
    sample, _ = simulate_sample(real, truth, seed=seeds[2])
    model = HierarchicalModel(sample, FixedSED(sed), population)
    for times in (1, 4, 16):
        trained = train(model, _dust_settings(times, seeds[3]))
        result = keep(trained, sed, path, truth)
        if result["rhat"] < MOST_RHAT:
            break
    thin = trained.draws["tau_a"].numel() // RANKS
    thinned = {name: trained.draws[name][:, ::thin].flatten() for name in RANKED}
    result["rank"] = {k: int((v < truth[k]).sum()) for k, v in thinned.items()}
    result["times"] = times
    path.write_text(json.dumps(result))


def _dust_settings(times: int, seed: int) -> TrainingSettings:
    """Many short chains: for so few SNe a step costs nearly the same for one and for eight."""
    return TrainingSettings(
        chains=DUST_CHAINS,
        warmup=40 * times,
        draws=DUST_DRAWS * times,
        seed=seed,
        block=30,
        max_tree_depth=5,
        mode_iterations=100,
        svi_iterations=60,
        keep="scalars",
    )


def _dust_truth(model: HierarchicalModel, seed: int) -> dict[str, Tensor]:
    """Truths from the prior, but for populations behind which nothing is seen.

    The half-Cauchy prior of τ_A gives up to thousands of magnitudes, whose fluxes are zero in any
    arithmetic. Posteriors of what is left hardly reach the limit: their ranks are as uniform.
    """
    while True:
        truth = prior_values(model, seed)
        if truth["tau_a"] < MOST_TAU:
            return truth
        seed += 10**6


def keep(
    trained: Trained,
    sed: SEDModel,
    path: Path,
    truth: dict[str, Tensor],
) -> dict[str, Any]:
    """What the table needs of a training, as JSON."""
    shared = {
        k: v
        for k, v in trained.draws.items()
        if k not in ("theta", "av", "ds", "epsilon", "rv_sn", "tmax")
    }
    result: dict[str, Any] = {
        # Of every step and of every process that it took.
        "seconds": [sum(column) for column in zip(*trained.seconds.values(), strict=True)],
        "steps": trained.seconds,
        "mean": {k: v.mean((0, 1)).tolist() for k, v in shared.items()},
        "sd": {k: v.flatten(0, 1).std(0).tolist() for k, v in shared.items()},
        "truth": {k: truth[k].tolist() for k in shared if k in truth},
        "divergences": trained.divergences,
        "n": len(trained.model.sample),
    }
    if trained.sums:
        table: Any = diagnostics_table(shared, sed)
        n = trained.settings.chains * trained.settings.draws
        result["rhat"] = float(table["rhat"].max())
        result["worst"] = str(table["rhat"].idxmax())
        result["ess"] = float(table["ess_bulk"].min())
        result["leapfrogs"] = float(trained.sums["leapfrogs"].sum() / n)
        per_object: Any = diagnostics_table(
            {k: v for k, v in trained.draws.items() if k in ("theta", "av", "ds")}, sed
        )
        result["rhat_objects"] = float(per_object["rhat"].max())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result))
    return result


def job_scale(folder: Path, size: int | None) -> None:
    """Value and gradient, time and memory, for growing samples; each in a process of its own."""
    if size is None:
        for n in SIZES:
            command = [sys.executable, sys.argv[0], "--job", "scale", "--number", str(n)]
            subprocess.run([*command, "--folder", str(folder)], check=True)
        return
    sed, real = t21(), foundation()
    index = torch.arange(size) % len(real)
    model = HierarchicalModel(real.take(index), TrainedSED(sed), GlobalRV())
    sample, _ = simulate_sample(model, truths(sed), seed=size)
    before = _forget_peak()
    density, phi, x = density_at(HierarchicalModel(sample, TrainedSED(sed), GlobalRV()), CHAINS)
    seconds = cpu_seconds(lambda: density.whitened_value_and_gradient(phi, x), 3)
    memory = _memory("VmHWM") - before
    folder.mkdir(parents=True, exist_ok=True)
    result = {"n": size, "seconds": seconds, "memory": memory}
    (folder / f"scale_{size}.json").write_text(json.dumps(result))


def _forget_peak() -> float:
    """Memory held now, GB, from which the peak begins anew (Linux)."""
    Path("/proc/self/clear_refs").write_text("5")
    return _memory("VmRSS")


def _memory(name: str) -> float:
    """A number of this process's memory, GB (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1e6


def density_at(
    model: HierarchicalModel, chains: int
) -> tuple[HierarchicalDensity, Tensor, Tensor]:
    """A model's density, and near its start a point φ (C, G) and whitened x (S, C, K)."""
    hierarchy = JointDensity(model)
    density = HierarchicalDensity(hierarchy)
    generator = torch.Generator().manual_seed(0)
    start = starting_point(hierarchy)
    noise = torch.randn(chains, len(start), generator=generator, dtype=start.dtype)
    x = torch.randn(
        len(model.sample), chains, hierarchy.n_own, generator=generator, dtype=start.dtype
    )
    return density, start + 0.02 * noise, x


def cpu_seconds(call: Callable[[], object], repeat: int) -> float:
    """Least CPU seconds of a call, on one thread."""
    call()
    best = math.inf
    for _ in range(repeat):
        begun = time.process_time()
        call()
        best = min(best, time.process_time() - begun)
    return best


def _watch(status: Status) -> None:
    means = {k: round(float(v.mean()), 3) for k, v in status.parameters.items()}
    print(
        f"{status.done:.0%} step {float(status.step_size.mean()):.3f} "
        f"leapfrogs {float(status.leapfrogs.mean()):.0f} {means}",
        file=sys.stderr,
        flush=True,
    )
