"""Training of the population and the SED: recovery, calibration, speed, and Foundation itself.

Long parts are jobs that keep their results in a folder (``--folder``, default outputs/bench_train)
and go on where they were stopped; the table is made of what is there:

    python scripts/bench/bayesn_train.py --job t21
    python scripts/bench/bayesn_train.py --job recovery --number 0     # ... 4
    python scripts/bench/bayesn_train.py --job dust --number 0 --count 50
    python scripts/bench/bayesn_train.py --job scale
    python scripts/bench/bayesn_train.py
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from foundation import FOUNDATION
from scipy import stats
from table import Row, markdown
from torch import Tensor

from sntorch import read
from sntorch.bayesn import SEDModel
from sntorch.bayesn.hierarchy import HierarchicalModel
from sntorch.bayesn.joint_density import JointDensity
from sntorch.bayesn.populations import Dust, GlobalRV
from sntorch.bayesn.preparation import find_header, read_headers
from sntorch.bayesn.simulated_sample import prior_values, simulate_sample
from sntorch.bayesn.starting_surfaces import starting_point
from sntorch.bayesn.surfaces import FixedSED, TrainedSED
from sntorch.bayesn.training import Status, Trained, TrainingSettings, train
from sntorch.bayesn.training_report import diagnostics_table
from sntorch.bayesn.training_sample import SampleSettings, TrainingSample, training_sample
from sntorch.inference.hierarchical import HierarchicalDensity

FOLDER = Path("outputs/bench_train")
N_NODES = 6
PUBLISHED = {"rv": (2.61, 0.21), "tau_a": (0.194, 0.0), "sigma0": (0.103, 0.0)}
N_RECOVERIES, N_DUST, DUST_SIZE = 5, 50, 60
DUST_TAU = 0.3
RANKED = ("mu_r", "sigma_r", "tau_a", "sigma0")
RANKS = 100
SIZES = (100, 300, 1000, 3000, 10000)
SCALARS = ("rv", "tau_a", "sigma0")
SURFACES = ("w0", "w1")


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


def truths(sed: SEDModel) -> dict[str, Tensor]:
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
    begun = time.perf_counter(), time.process_time()
    trained = train(model, settings, folder / "chains" / f"t21_{sampler}", _watch)
    seconds = time.perf_counter() - begun[0], time.process_time() - begun[1]
    keep(trained, sed, folder / f"t21_{sampler}.json", seconds, truths(sed))


def job_recovery(folder: Path, number: int, threads: int) -> None:
    """157 SNe simulated from the published model, with Foundation's cadence and errors."""
    sed = t21()
    truth = truths(sed)
    real = HierarchicalModel(foundation(), TrainedSED(sed), GlobalRV())
    sample, _ = simulate_sample(real, truth, seed=100 + number)
    model = HierarchicalModel(sample, TrainedSED(sed), GlobalRV())
    settings = TrainingSettings(
        warmup=120, draws=130, seed=number, threads=threads, target_accept=0.7
    )
    begun = time.perf_counter(), time.process_time()
    trained = train(model, settings, folder / "chains" / f"recovery_{number}", _watch)
    seconds = time.perf_counter() - begun[0], time.process_time() - begun[1]
    keep(trained, sed, folder / f"recovery_{number}.json", seconds, truth)


def job_dust(folder: Path, number: int) -> None:
    """A dust population with truths from its prior: ranks among the posterior's draws."""
    path = folder / f"dust_{number}.json"
    if path.is_file():
        return
    sed, everything = t21(), foundation()
    chosen = torch.randperm(len(everything), generator=torch.Generator().manual_seed(number))
    population = Dust(tau_a_scale=DUST_TAU)
    real = HierarchicalModel(everything.take(chosen[:DUST_SIZE]), FixedSED(sed), population)
    truth = prior_values(real, seed=number)
    sample, _ = simulate_sample(real, truth, seed=number)
    model = HierarchicalModel(sample, FixedSED(sed), population)
    settings = TrainingSettings(
        chains=8, warmup=80, draws=50, seed=number, svi_iterations=100, keep="scalars"
    )
    begun = time.perf_counter(), time.process_time()
    trained = train(model, settings)
    seconds = time.perf_counter() - begun[0], time.process_time() - begun[1]
    result = keep(trained, sed, path, seconds, truth)
    thinned = {name: trained.draws[name][:, :: 8 * 50 // RANKS].flatten() for name in RANKED}
    result["rank"] = {k: int((v < truth[k]).sum()) for k, v in thinned.items()}
    path.write_text(json.dumps(result))


def keep(
    trained: Trained,
    sed: SEDModel,
    path: Path,
    seconds: tuple[float, float],
    truth: dict[str, Tensor],
) -> dict[str, Any]:
    """What the table needs of a training, as JSON."""
    shared = {
        k: v
        for k, v in trained.draws.items()
        if k not in ("theta", "av", "ds", "epsilon", "rv_sn", "tmax")
    }
    result: dict[str, Any] = {
        "seconds": seconds,
        "steps": trained.seconds,
        "mean": {k: v.mean((0, 1)).tolist() for k, v in shared.items()},
        "sd": {k: v.flatten(0, 1).std(0).tolist() for k, v in shared.items()},
        "truth": {k: truth[k].tolist() for k in shared if k in truth},
        "divergences": trained.divergences,
        "n": len(trained.model.sample),
    }
    if trained.sums:
        table = diagnostics_table(shared, sed)
        n = trained.settings.chains * trained.settings.draws
        result["rhat"] = float(table["rhat"].max())
        result["worst"] = str(table["rhat"].idxmax())
        result["ess"] = float(table["ess_bulk"].min())
        result["ess_scalars"] = {
            k: float(table.loc[k, "ess_bulk"]) for k in shared if k in table.index
        }
        result["leapfrogs"] = float(trained.sums["leapfrogs"].sum() / n)
        per_object = diagnostics_table(
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
            command = [sys.executable, __file__, "--job", "scale", "--number", str(n)]
            subprocess.run([*command, "--folder", str(folder)], check=True)
        return
    sed, real = t21(), foundation()
    index = torch.arange(size) % len(real)
    model = HierarchicalModel(real.take(index), TrainedSED(sed), GlobalRV())
    sample, _ = simulate_sample(model, truths(sed), seed=size)
    density, phi, x = _density(HierarchicalModel(sample, TrainedSED(sed), GlobalRV()), 4)
    before = _gigabytes()
    seconds = _timed(lambda: density.whitened_value_and_gradient(phi, x), 3)
    result = {"n": size, "seconds": seconds, "memory": _gigabytes(), "before": before}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"scale_{size}.json").write_text(json.dumps(result))


def _density(model: HierarchicalModel, chains: int) -> tuple[HierarchicalDensity, Tensor, Tensor]:
    hierarchy = JointDensity(model)
    density = HierarchicalDensity(hierarchy)
    generator = torch.Generator().manual_seed(0)
    start = starting_point(hierarchy)
    noise = torch.randn(chains, len(start), generator=generator, dtype=start.dtype)
    x = torch.randn(
        len(model.sample), chains, hierarchy.n_own, generator=generator, dtype=start.dtype
    )
    return density, start + 0.02 * noise, x


def _timed(call: Any, repeat: int) -> float:
    """Least CPU seconds of a call, on one thread."""
    call()
    best = math.inf
    for _ in range(repeat):
        begun = time.process_time()
        call()
        best = min(best, time.process_time() - begun)
    return best


def _gigabytes() -> float:
    """The most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def _watch(status: Status) -> None:
    means = {k: round(float(v.mean()), 3) for k, v in status.parameters.items()}
    print(
        f"{status.done:.0%} step {float(status.step_size.mean()):.3f} "
        f"leapfrogs {float(status.leapfrogs.mean()):.0f} {means}",
        file=sys.stderr,
        flush=True,
    )


def load(folder: Path, pattern: str) -> list[dict[str, Any]]:
    """Results that are there."""
    return [json.loads(p.read_text()) for p in sorted(folder.glob(pattern))]


def main() -> None:
    """Run a job, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--job", choices=("t21", "svi", "recovery", "dust", "scale"))
    parser.add_argument("--number", type=int)
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    o = parser.parse_args()
    torch.set_num_threads(1)
    number = o.number or 0
    if o.job == "t21":
        job_t21(o.folder, o.threads)
    elif o.job == "svi":
        job_t21(o.folder, o.threads, "svi")
    elif o.job == "recovery":
        job_recovery(o.folder, number, o.threads)
    elif o.job == "dust":
        for i in range(number, number + o.count):
            job_dust(o.folder, i)
    elif o.job == "scale":
        job_scale(o.folder, o.number)


if __name__ == "__main__":
    main()
