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
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from bayesn_fit import reference, write_for_reference
from foundation import FOUNDATION, t21_sample
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
from sntorch.bayesn.training_products import write_training
from sntorch.bayesn.training_report import diagnostics_table
from sntorch.bayesn.training_sample import SampleSettings, TrainingSample, training_sample
from sntorch.inference.hierarchical import HierarchicalDensity
from sntorch.physics.sed import SEDModel as ForwardModel

FOLDER = Path("outputs/bench_train")
N_NODES = 6
PUBLISHED = {"rv": (2.61, 0.21), "tau_a": (0.194, 0.0), "sigma0": (0.103, 0.0)}
N_RECOVERIES = 5
N_DUST, DUST_SIZE, DUST_TAU = 50, 30, 0.1
MOST_TAU = 5.0
DUST_CHAINS, DUST_DRAWS = 8, 30
RANKED = ("mu_r", "sigma_r", "tau_a", "sigma0")
RANKS = 80
SIZES = (100, 300, 1000, 3000, 10000)
SCALARS = ("rv", "tau_a", "sigma0")
SURFACES = ("w0", "w1")
CHAINS = 4
PROVENANCE = (
    "foundation-griz: 157 SNe Ia of Foundation DR1 (Foley et al. 2018; Jones et al. 2019), griz,",
    "times of peak and redshifts of Thorp et al. (2021); knots of T21; one R_V",
)
PART = "bayesn-train"
GRADIENT = (
    "value + gradient of the training density, 157 SNe × 4 chains, against one reference chain"
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
    begun = time.perf_counter(), time.process_time()
    trained = train(model, settings, folder / "chains" / f"t21_{sampler}", _watch)
    seconds = time.perf_counter() - begun[0], time.process_time() - begun[1]
    keep(trained, sed, folder / f"t21_{sampler}.json", seconds, truths(sed))
    write_training(trained, folder / f"t21_{sampler}", PROVENANCE)


def job_recovery(folder: Path, number: int, threads: int) -> None:
    """157 SNe simulated from the published model, with Foundation's cadence and errors."""
    sed = t21()
    truth = truths(sed)
    real = HierarchicalModel(foundation(), TrainedSED(sed), GlobalRV())
    sample, own = simulate_sample(real, truth, seed=100 + number)
    # Draws have θ of unit variance over these supernovae, not over the population.
    truth["w1"] = truth["w1"] * own["theta"].std(correction=0)
    model = HierarchicalModel(sample, TrainedSED(sed), GlobalRV())
    settings = TrainingSettings(chains=2, warmup=80, draws=160, seed=number, threads=threads)
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
    # A stream of random numbers for each purpose: truths and data have to be independent.
    seeds = [1000 * (k + 1) + number for k in range(4)]
    generator = torch.Generator().manual_seed(seeds[0])
    chosen = torch.randperm(len(everything), generator=generator)[:DUST_SIZE]
    population = Dust(tau_a_scale=DUST_TAU)
    real = HierarchicalModel(everything.take(chosen), FixedSED(sed), population)
    truth = _dust_truth(real, seeds[1])
    sample, _ = simulate_sample(real, truth, seed=seeds[2])
    model = HierarchicalModel(sample, FixedSED(sed), population)
    # Many short chains: for so few SNe a step costs nearly the same for one chain and for eight.
    settings = TrainingSettings(
        chains=DUST_CHAINS,
        warmup=40,
        draws=DUST_DRAWS,
        seed=seeds[3],
        block=30,
        max_tree_depth=5,
        mode_iterations=100,
        svi_iterations=60,
        keep="scalars",
    )
    begun = time.perf_counter(), time.process_time()
    trained = train(model, settings)
    seconds = time.perf_counter() - begun[0], time.process_time() - begun[1]
    result = keep(trained, sed, path, seconds, truth)
    thin = DUST_CHAINS * DUST_DRAWS // RANKS
    thinned = {name: trained.draws[name][:, ::thin].flatten() for name in RANKED}
    result["rank"] = {k: int((v < truth[k]).sum()) for k, v in thinned.items()}
    path.write_text(json.dumps(result))


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


def rows(folder: Path, quick: bool) -> Iterable[Row]:
    """The issue's rows, of the results that are there."""
    if not FOUNDATION.is_dir():
        yield Row(PART, "training", "-", "run with SNTORCH_SHARED=…", met="run")
        return
    yield from gradient_rows(quick)
    yield from t21_rows(folder)
    yield from recovery_rows(folder)
    yield from dust_rows(folder)
    yield from scale_rows(folder)


def gradient_rows(quick: bool) -> Iterable[Row]:
    """Our density against the reference's, one after another on the same machine."""
    sed = t21()
    model = HierarchicalModel(foundation(), TrainedSED(sed), GlobalRV())
    density, phi, x = _density(model, CHAINS)
    z = density.joined(phi, density.whiten(phi, x))[None]
    repeat = 10 if quick else 30
    plain = 1e3 * _timed(lambda: density.value_and_gradient(z), repeat)
    whitened = 1e3 * _timed(lambda: density.whitened_value_and_gradient(phi, x), repeat)
    with tempfile.TemporaryDirectory() as name:
        data = Path(name) / "data.npz"
        write_for_reference(t21_sample(sed), data)
        theirs = reference(data, "training_gradient")
    measured = f"{plain:.1f} CPU ms ({plain / CHAINS:.2f} a chain); whitened {whitened:.1f}"
    if theirs is None:
        yield Row(PART, GRADIENT, "≥ 40 ×", measured, "set SNTORCH_BAYESN=python", met="run")
        return
    cpu, wall = theirs["cpu_ms_min"], theirs["wall_ms_min"]
    ratio = cpu / plain * CHAINS
    ours = log_likelihood(model)
    yield Row(
        PART,
        GRADIENT,
        "≥ 40 ×",
        measured,
        f"{cpu:.0f} CPU ms, {wall:.0f} ms wall a chain",
        f"{ratio:.0f} ×; whitened {cpu / whitened * CHAINS:.0f} ×",
        _yes(ratio >= 40),
    )
    difference = abs(ours - theirs["log_likelihood"]) / abs(ours)
    yield Row(
        PART,
        "ln L of the 157 SNe's magnitudes at one point, relative difference, full grid",
        "-",
        f"{difference:.1e}",
        f"bayesn {theirs['versions']['bayesn']}",
    )


def log_likelihood(model: HierarchicalModel) -> float:
    """ln L of all magnitudes at the published surfaces, θ = ε = 0, A_V = 0.2, on the full grid."""
    sed, sample = model.sed, model.sample
    o, n = sample.observations, len(sample)
    grid = replace(model, integrator="grid")
    truth = truths(sed)
    surfaces, c = grid.shared(lambda name, prior: truth[name])
    zero = o.muhat.new_zeros(n)
    e = o.muhat.new_zeros(n, len(sed.epsilon_cholesky))
    rv = zero + sed.rv
    flux = grid.flux(surfaces, c, zero, zero + 0.2, rv, zero, e, o.muhat)
    seen = torch.where(o.mask, o.flux, 1.0)
    residual, error = 2.5 * torch.log10(seen / flux), 2.5 / math.log(10) * o.flux_err / seen
    normal = torch.distributions.Normal(torch.zeros_like(error), error)
    return float(normal.log_prob(residual)[o.mask].sum())


def t21_rows(folder: Path) -> Iterable[Row]:
    """Foundation itself."""
    command = "scripts/bench/bayesn_train.py --job t21"
    found = load(folder, "t21_nuts.json")
    if not found:
        yield Row(PART, "T21 retrained", "1.5 joint σ; < 60 min", command, met="run")
        return
    r = found[0]
    pulls = {
        k: (r["mean"][k] - v) / math.hypot(r["sd"][k], sd) for k, (v, sd) in PUBLISHED.items()
    }
    each = ", ".join(f"{k} {r['mean'][k]:.3f} ± {r['sd'][k]:.3f}" for k in PUBLISHED)
    yield Row(
        PART,
        "T21 retrained on the 157 SNe",
        "within 1.5 joint σ",
        each,
        "2.61 ± 0.21, 0.194, 0.103",
        ", ".join(f"{v:+.2f}" for v in pulls.values()) + " σ",
        _yes(max(map(abs, pulls.values())) <= 1.5),
    )
    for name in SURFACES:
        mean, sd, truth = (torch.tensor(r[k][name]) for k in ("mean", "sd", "truth"))
        z = (mean - truth) / sd
        yield Row(
            PART,
            f"the same: {name.upper()} against the published surface, 36 knots",
            "quantified",
            f"rms difference {_rms(mean - truth):.3f} mag, "
            f"largest {float((mean - truth).abs().max()):.3f}; rms z {_rms(z):.2f}",
        )
    wall, cpu = r["seconds"]
    met = r["rhat"] < 1.05 and r["rhat_objects"] < 1.05 and wall < 3600
    yield Row(
        PART,
        "the same: 4 chains × (500 + 500)",
        "< 60 min, R-hat < 1.05",
        f"{wall / 60:.0f} min wall, {cpu / 60:.0f} CPU min; R-hat ≤ {r['rhat']:.3f} "
        f"({r['worst']}), of SNe {r['rhat_objects']:.3f}; ESS ≥ {r['ess']:.0f}; "
        f"{r['leapfrogs']:.0f} leapfrogs a draw; {r['divergences']} divergences",
        "26-115 core-hours",
        "-",
        _yes(met),
    )
    yield from svi_rows(folder, r)


def svi_rows(folder: Path, nuts: dict[str, Any]) -> Iterable[Row]:
    """The variational fit against NUTS."""
    for r in load(folder, "t21_svi.json"):
        z = {
            k: _flat(r["mean"][k], nuts["mean"][k], nuts["sd"][k])
            for k in (*SCALARS, *SURFACES, "sigma_epsilon")
        }
        worst = {k: float(v.abs().max()) for k, v in z.items()}
        ratio = {k: float((_vector(r["sd"][k]) / _vector(nuts["sd"][k])).median()) for k in z}
        yield Row(
            PART,
            "SVI against NUTS, the same 157: |difference of means| / sd of NUTS, largest",
            "< 1 σ",
            ", ".join(f"{k} {v:.2f}" for k, v in worst.items())
            + "; sds "
            + ", ".join(f"{v:.2f}" for v in ratio.values()),
            f"{nuts['seconds'][1]:.0f} CPU s",
            f"{r['seconds'][1]:.0f} CPU s: {nuts['seconds'][1] / r['seconds'][1]:.0f} × faster",
            _yes(max(worst.values()) < 1),
        )


def recovery_rows(folder: Path) -> Iterable[Row]:
    """Pulls of simulated samples' truths."""
    found = load(folder, "recovery_*.json")
    what = f"recovery, {len(found)} samples of 157 simulated SNe: (truth - mean) / sd"
    if len(found) < N_RECOVERIES:
        command = "scripts/bench/bayesn_train.py --job recovery --number 0 … 4"
        yield Row(PART, what, "rms 0.7-1.3; mean within 3 se of 0", command, met="run")
    if not found:
        return
    blocks = {
        k: [-_flat(r["mean"][k], r["truth"][k], r["sd"][k]) for r in found]
        for k in (*SCALARS, *SURFACES)
    }
    for name, pulls in blocks.items():
        z = torch.cat(pulls)
        # Components of a surface are correlated: the samples are what is independent.
        means = torch.stack([p.mean() for p in pulls])
        error = float(means.std() / math.sqrt(len(means))) if len(means) > 1 else math.nan
        # Single parameters have a standard error that is known: pulls of five samples do not say.
        error = 1 / math.sqrt(len(means)) if name in SCALARS else error
        rms, mean = _rms(z), float(means.mean())
        low, high = _rms_interval(pulls)
        yield Row(
            PART,
            f"{what}, {name}",
            "rms 0.7-1.3; mean within 3 se of 0",
            f"rms {rms:.2f} (90 % of exact posteriors: {low:.2f}-{high:.2f}); "
            f"mean {mean:+.2f} ± {error:.2f}",
            met=_yes(0.7 <= rms <= 1.3 and abs(mean) <= 3 * error),
        )
    rhat = max(r["rhat"] for r in found)
    minutes = ", ".join(f"{r['seconds'][1] / 60:.0f}" for r in found)
    yield Row(
        PART,
        "the same: largest R-hat; CPU minutes each",
        "-",
        f"{rhat:.3f}; {minutes}; {sum(r['divergences'] for r in found)} divergences",
    )


def dust_rows(folder: Path) -> Iterable[Row]:
    """Ranks of truths from the prior."""
    found = [r for r in load(folder, "dust_*.json") if "rank" in r]
    what = f"dust with fixed SED, {len(found)} samples of {DUST_SIZE} SNe: p of uniform ranks"
    if len(found) < N_DUST:
        command = "scripts/bench/bayesn_train.py --job dust --number 0 --count 50"
        yield Row(PART, what, "> 0.01 each", command, met="run")
    if not found:
        return
    p = {name: _p_value([r["rank"][name] for r in found]) for name in RANKED}
    rhat = sorted(r["rhat"] for r in found)
    yield Row(
        PART,
        what,
        "> 0.01 each",
        ", ".join(f"{k} {v:.2f}" for k, v in p.items())
        + f"; R-hat median {rhat[len(rhat) // 2]:.3f}, largest {rhat[-1]:.3f}; "
        + f"{sum(r['divergences'] for r in found)} divergences; "
        + f"{sum(r['seconds'][1] for r in found) / len(found):.0f} CPU s a sample",
        met=_yes(min(p.values()) > 0.01 and len(found) >= N_DUST),
    )


def scale_rows(folder: Path) -> Iterable[Row]:
    """Cost against the number of SNe."""
    found = sorted(load(folder, "scale_*.json"), key=lambda r: r["n"])
    what = "value + gradient, 4 chains, by number of SNe"
    if len(found) < len(SIZES):
        yield Row(PART, what, "linear", "scripts/bench/bayesn_train.py --job scale", met="run")
        return
    each = "; ".join(
        f"{r['n']}: {1e3 * r['seconds']:.0f} ms, {1e6 * r['seconds'] / r['n']:.0f} µs a SN, "
        f"{r['memory'] - found[0]['before']:.2f} GB"
        for r in found
    )
    slope = math.log(found[-1]["seconds"] / found[1]["seconds"])
    slope /= math.log(found[-1]["n"] / found[1]["n"])
    yield Row(PART, what, "linear", f"{each}; time ∝ N^{slope:.2f}", met=_yes(slope < 1.1))


def _flat(mean: Any, truth: Any, sd: Any) -> Tensor:
    """(mean - truth) / sd of all components."""
    return (_vector(mean) - _vector(truth)) / _vector(sd)


def _rms(x: Tensor) -> float:
    return float(x.square().mean().sqrt())


def _vector(value: Any) -> Tensor:
    return torch.tensor(value, dtype=torch.float64).flatten()


def _rms_interval(pulls: list[Tensor]) -> list[float]:
    """5 % and 95 % of the rms of as many independent standard-normal numbers as samples (and, for
    surfaces, a third of the components: neighbouring knots are correlated).
    """
    n = len(pulls) * max(len(pulls[0]) // 3, 1)
    return [math.sqrt(stats.chi2.ppf(q, n) / n) for q in (0.05, 0.95)]


def _p_value(ranks: list[int]) -> float:
    """p of the ranks' uniformity by Kolmogorov and Smirnov, ranks spread within a step."""
    generator = torch.Generator().manual_seed(0)
    spread = torch.rand(len(ranks), generator=generator).numpy()
    result: Any = stats.kstest((torch.tensor(ranks).numpy() + spread) / (RANKS + 1), "uniform")
    return float(result.pvalue)


def _yes(met: bool) -> str:
    return "yes" if met else "no"


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
    parser.add_argument("--quick", action="store_true", help="the version that make bench runs")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
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
    else:
        measured = list(rows(o.folder, o.quick))
        print(markdown(measured))
        if o.json:
            o.json.write_text(json.dumps([asdict(row) for row in measured], indent=2) + "\n")


if __name__ == "__main__":
    main()
