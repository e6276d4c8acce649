"""Training of the population and the SED: recovery, calibration, speed, and Foundation itself.

Long parts are jobs that keep their results in a folder (``--folder``, default outputs/bench_train)
and go on where they were stopped; the table is made of what is there:

    python scripts/bench/bayesn_train.py --job t21
    python scripts/bench/bayesn_train.py --job svi
    python scripts/bench/bayesn_train.py --job recovery --number 0 --count 8
    python scripts/bench/bayesn_train.py --job held --number 0 --count 24
    python scripts/bench/bayesn_train.py --job scratch --number 0
    python scripts/bench/bayesn_train.py --job dust --number 0 --count 50
    python scripts/bench/bayesn_train.py --job scale
    python scripts/bench/bayesn_train.py
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
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
from training_jobs import (
    CHAINS,
    DUST_SIZE,
    RANKED,
    RANKS,
    SIZES,
    cpu_seconds,
    density_at,
    foundation,
    job_dust,
    job_recovery,
    job_scale,
    job_t21,
    t21,
    truths,
)

from sntorch.bayesn.hierarchy import HierarchicalModel
from sntorch.bayesn.populations import GlobalRV
from sntorch.bayesn.surfaces import TrainedSED

FOLDER = Path("outputs/bench_train")
PUBLISHED = {"rv": (2.61, 0.21), "tau_a": (0.194, 0.0), "sigma0": (0.103, 0.0)}
N_RECOVERIES, N_DUST = 5, 50
RECOVERIES = ("recovery", "held", "scratch")
SCALARS = ("rv", "tau_a", "sigma0")
SURFACES = ("w0", "w1")
PART = "bayesn-train"
GRADIENT = (
    "value + gradient of the training density, 157 SNe × 4 chains, against one reference chain"
)
STEEPEST = 1.1


def rows(folder: Path, quick: bool) -> Iterable[Row]:
    """The issue's rows, of the results that are there."""
    if not FOUNDATION.is_dir():
        yield Row(PART, "training", "-", "run with SNTORCH_SHARED=…", met="run")
        return
    yield from gradient_rows(quick)
    yield from t21_rows(folder)
    yield from recovery_rows(folder)
    yield from held_rows(folder)
    yield from scratch_rows(folder)
    yield from dust_rows(folder)
    yield from scale_rows(folder)


def gradient_rows(quick: bool) -> Iterable[Row]:
    """Our density against the reference's, one after another on the same machine."""
    sed = t21()
    model = HierarchicalModel(foundation(), TrainedSED(sed), GlobalRV())
    density, phi, x = density_at(model, CHAINS)
    z = density.joined(phi, density.whiten(phi, x))[None]
    repeat = 10 if quick else 30
    plain = 1e3 * cpu_seconds(lambda: density.value_and_gradient(z), repeat)
    whitened = 1e3 * cpu_seconds(lambda: density.whitened_value_and_gradient(phi, x), repeat)
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
    yield Row(
        PART,
        "the same: posterior mean of the residuals' variances over those that the reference would "
        "export, of mean scales and mean factors",
        "-",
        ", ".join(f"{day:g} d {low:.2f}-{high:.2f}" for day, low, high in residual_ratios(r)),
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


def residual_ratios(result: dict[str, Any]) -> Iterable[tuple[float, float, float]]:
    """Day, and least and largest ratio of the variances of its residuals."""
    sigma, sd, factor = (
        torch.tensor(result[k][name], dtype=torch.float64)
        for k, name in (("mean", "sigma_epsilon"), ("sd", "sigma_epsilon"), ("mean", "l_omega"))
    )
    # Rows of every draw's factor have unit length, so the variances are the scales' squares.
    ratio = (1 + (sd / sigma).square()) / factor.square().sum(-1)
    days = t21().time_knots.tolist()
    for day, values in zip(days, ratio.view(len(days), -1), strict=True):
        yield day, float(values.min()), float(values.max())


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
        command = "scripts/bench/bayesn_train.py --job recovery --number 0 --count 5"
        yield Row(PART, what, "rms 0.7-1.3; mean within 3 se of 0", command, met="run")
    if not found:
        return
    blocks = {
        k: [-_flat(r["mean"][k], r["truth"][k], r["sd"][k]) for r in found]
        for k in (*SCALARS, *SURFACES, "sigma_epsilon")
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


def held_rows(folder: Path) -> Iterable[Row]:
    """The same samples with the SED held at the truth: what is the samples' own, and what is
    learning the SED.
    """
    held = {r["path"]: r for r in load(folder, "held_*.json")}
    for which in ("all", "also trained"):
        chosen = {
            k: r for k, r in held.items() if which == "all" or _beside(folder, k, "recovery")
        }
        if not chosen:
            continue
        pulls = {k: [_pull(r, k) for r in chosen.values()] for k in SCALARS}
        error = 1 / math.sqrt(len(chosen))
        yield Row(
            PART,
            f"recovery, SED held at the truth, variational, {len(chosen)} samples ({which})",
            "-",
            "; ".join(
                f"{k} rms {_rms(torch.tensor(v)):.2f}, mean {sum(v) / len(v):+.2f} ± {error:.2f}"
                for k, v in pulls.items()
            ),
        )
    both = [(r, _beside(folder, k, "recovery")) for k, r in held.items()]
    pairs = [(r, other[0]) for r, other in both if other]
    if len(pairs) > 1:
        shifts = {
            k: torch.tensor([_pull(other, k) - _pull(r, k) for r, other in pairs]) for k in SCALARS
        }
        yield Row(
            PART,
            f"the same {len(pairs)} samples: pull with the SED learnt minus pull with it held",
            "-",
            "; ".join(
                f"{k} {float(v.mean()):+.2f} ± {float(v.std()) / math.sqrt(len(v)):.2f}"
                for k, v in shifts.items()
            ),
        )


def _beside(folder: Path, path: str, kind: str) -> list[dict[str, Any]]:
    """The result of the same sample of another kind, if it is there."""
    return load(folder, f"{kind}_{path.split('_')[1]}")


def _pull(result: dict[str, Any], name: str) -> float:
    return (result["truth"][name] - result["mean"][name]) / result["sd"][name]


def scratch_rows(folder: Path) -> Iterable[Row]:
    """The same samples from flat surfaces: whether the search ends elsewhere."""
    for path in sorted(folder.glob("scratch_*.json")):
        other = json.loads((folder / path.name.replace("scratch", "recovery")).read_text())
        found = json.loads(path.read_text())
        z = {
            k: _flat(found["mean"][k], other["mean"][k], other["sd"][k])
            for k in (*SCALARS, *SURFACES, "sigma_epsilon")
        }
        yield Row(
            PART,
            f"recovery, sample {path.stem.split('_')[1]} from flat surfaces against the published "
            "ones: largest |difference of means| / sd",
            "-",
            ", ".join(f"{k} {float(v.abs().max()):.2f}" for k, v in z.items()),
        )


def dust_rows(folder: Path) -> Iterable[Row]:
    """Ranks of truths from the prior."""
    found = [r for r in load(folder, "dust_*.json") if "rank" in r]
    what = (
        f"dust with fixed SED, magnitudes, {len(found)} samples of {DUST_SIZE} SNe: p of uniform "
        "ranks (KS; χ² of their normal scores, which sees wrong widths)"
    )
    if len(found) < N_DUST:
        command = "scripts/bench/bayesn_train.py --job dust --number 0 --count 50"
        yield Row(PART, what, "> 0.01 each", command, met="run")
    if not found:
        return
    p = {name: _p_values([r["rank"][name] for r in found]) for name in RANKED}
    rhat = sorted(r["rhat"] for r in found)
    yield Row(
        PART,
        what,
        "> 0.01 each",
        ", ".join(f"{k} {v[0]:.2f} {v[1]:.2f}" for k, v in p.items())
        + f"; R-hat median {rhat[len(rhat) // 2]:.3f}, largest {rhat[-1]:.3f}; "
        + f"{sum(r['divergences'] for r in found)} divergences; "
        + f"{sum(r['seconds'][1] for r in found) / len(found):.0f} CPU s a sample",
        met=_yes(min(map(min, p.values())) > 0.01 and len(found) >= N_DUST),
    )


def scale_rows(folder: Path) -> Iterable[Row]:
    """Cost against the number of SNe, and its picture."""
    found = sorted(load(folder, "scale_*.json"), key=lambda r: r["n"])
    what = "value + gradient in NUTS's coordinates, 4 chains, by number of SNe"
    if len(found) < len(SIZES):
        yield Row(PART, what, "linear", "scripts/bench/bayesn_train.py --job scale", met="run")
        return
    each = "; ".join(
        f"{r['n']}: {1e3 * r['seconds']:.0f} ms, {1e6 * r['seconds'] / r['n']:.0f} µs a SN, "
        f"{r['memory']:.2f} GB"
        for r in found
    )
    # A hundred SNe cost mostly what does not depend on their number.
    time, memory = (_slope(found[1:], name) for name in ("seconds", "memory"))
    path = scale_figure(found, folder)
    yield Row(
        PART,
        what,
        "linear",
        f"{each}; from {found[1]['n']} time ∝ N^{time:.2f}, memory ∝ N^{memory:.2f}; {path.name}",
        met=_yes(max(time, memory) < STEEPEST),
    )


def _slope(found: list[dict[str, Any]], name: str) -> float:
    """Of a straight line through the logarithms."""
    n, values = (torch.tensor([r[k] for r in found]).double().log() for k in ("n", name))
    n = n - n.mean()
    return float((n * values).sum() / n.square().sum())


def scale_figure(found: list[dict[str, Any]], folder: Path) -> Path:
    """Time and memory over the number of SNe, beside straight lines of slope 1."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.4), layout="constrained")
    n = [r["n"] for r in found]
    columns = {"seconds": "CPU time of value and gradient (s)", "memory": "memory (GB)"}
    for axes, (name, label) in zip(figure.subplots(1, 2), columns.items(), strict=True):
        values = [r[name] for r in found]
        axes.loglog(n, values, "o-", label="measured")
        axes.loglog(n, [values[-1] * k / n[-1] for k in n], "k:", label="∝ N")
        axes.set(xlabel="supernovae, 4 chains", ylabel=label)
        axes.legend()
    path = folder / "scale.png"
    figure.savefig(path, dpi=110)
    return path


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


def _p_values(ranks: list[int]) -> tuple[float, float]:
    """p of uniform ranks: by Kolmogorov and Smirnov, and by squares of their normal scores."""
    generator = torch.Generator().manual_seed(0)
    spread = torch.rand(len(ranks), generator=generator).numpy()
    shares = (torch.tensor(ranks).numpy() + spread) / (RANKS + 1)
    uniform: Any = stats.kstest(shares, "uniform")
    tail = float(stats.chi2.cdf((stats.norm.ppf(shares) ** 2).sum(), len(ranks)))
    return float(uniform.pvalue), 2 * min(tail, 1 - tail)


def _yes(met: bool) -> str:
    return "yes" if met else "no"


def load(folder: Path, pattern: str) -> list[dict[str, Any]]:
    """Results that are there."""
    return [{**json.loads(p.read_text()), "path": p.name} for p in sorted(folder.glob(pattern))]


def main() -> None:
    """Run a job, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--job", choices=("t21", "svi", *RECOVERIES, "dust", "scale"))
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
    elif o.job in RECOVERIES:
        for i in range(number, number + o.count):
            job_recovery(o.folder, i, o.threads, o.job)
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
