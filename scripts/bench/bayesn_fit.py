"""Fits of single SNe Ia: against the reference's numbers, and side by side with it in one run.

Reads Foundation DR1 and the reference's numbers from ``shared`` beside the clone
($SNTORCH_SHARED). $SNTORCH_BAYESN names the Python of an environment that has the reference
(``pip install bayesn==0.4.0 'pandas<3'``); without it, rows that compare speeds say so.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from foundation import FOUNDATION, REFERENCE, t21_sample
from table import Row, main

from sntorch.bayesn import Posterior, SEDModel
from sntorch.bayesn.density import FitDensity
from sntorch.bayesn.fitting import SamplerSettings
from sntorch.bayesn.model import PLATE, FitModel
from sntorch.bayesn.observations import Observations
from sntorch.bayesn.options import FitOptions
from sntorch.bayesn.preparation import Prepared, prepare
from sntorch.bayesn.survey import SurveySettings, fit_survey, join
from sntorch.data.batch import LightCurveBatch
from sntorch.inference.density import ModelDensity

PART = "bayesn-fit"
SITES = ("AV", "theta", "tmax", "eps_tform", "Ds")
PARAMETERS = {"ds": "Ds", "theta": "theta", "av": "AV"}
WORKERS = 2
WHOLE = 157
LEEWAY = 0.2
QUICK = 20
Rows = Iterator[Row]


@dataclass
class Run:
    """A fit and what it cost: wall and CPU seconds, those of other processes included."""

    posterior: Posterior
    wall: float
    cpu: float


def rows(quick: bool) -> Iterable[Row]:
    """All rows of this script."""
    torch.set_num_threads(1)
    if not FOUNDATION.is_dir():
        yield Row(PART, "fits of Foundation DR1", "-", "run with SNTORCH_SHARED=…", met="run")
        return
    sed = SEDModel.from_name("t21")
    sample = t21_sample(sed)
    yield from potential(sed, sample)
    sample = sample.take(range(QUICK)) if quick else sample
    data = Path(tempfile.mkdtemp()) / "sample.npz"
    write_for_reference(sample, data)
    yield gradient(sed, sample, data)
    nuts = fit(sed, sample, sampler="nuts")
    yield from nuts_rows(nuts, sample, data)
    vi = fit(sed, sample, sampler="vi")
    yield from vi_rows(vi, nuts, sample, data)
    yield hubble(nuts.posterior, sample)
    if not quick:
        yield from agreement(sed, sample)
    yield from scaling((100, 400) if quick else (100, 1000, 10_000))


def fit(sed: SEDModel, sample: Prepared, workers: int = WORKERS, **settings: Any) -> Run:
    """Fit all, in as many processes as there are cores."""
    how = SamplerSettings(**settings)
    survey = SurveySettings(workers=workers, progress=sys.stderr.isatty())
    wall, cpu = time.perf_counter(), cpu_seconds()
    parts = fit_survey(sample, sed, FitOptions(), how, survey)
    posterior = join(parts, sample)
    return Run(posterior, time.perf_counter() - wall, cpu_seconds() - cpu)


def cpu_seconds() -> float:
    """CPU seconds of this process and of those that it waited for."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    usage = [resource.getrusage(kind) for kind in kinds]
    return sum(u.ru_utime + u.ru_stime for u in usage)


def observations(sample: Prepared) -> Observations:
    """The sample as the likelihood takes it."""
    batch = LightCurveBatch.from_light_curves(sample.light_curves)
    return Observations.from_batch(batch, torch.tensor(sample.muhat, dtype=torch.float64))


def potential(sed: SEDModel, sample: Prepared) -> Rows:
    """The gradient at the reference's own points."""
    stored = np.load(REFERENCE / "fit_potential.npz", allow_pickle=False)
    names = [lc.object_id for lc in sample.light_curves]
    chosen = observations(sample.take(names.index(str(n)) for n in stored["sn"]))
    grid = ModelDensity(FitModel(sed, chosen, integrator="grid"), PLATE)
    fast = FitDensity(sed, chosen)
    for name, density, target in (("full grid", grid, 1e-6), ("quadrature", fast, 1e-4)):
        whole, single = zip(*(_difference(stored, density, point) for point in range(3)))  # noqa: B905
        yield Row(
            PART,
            f"gradient of the fitting density, 20 SNe × 3 points, {name}",
            f"< {target:g} relative (norm over all SNe)",
            f"{max(whole):.1e} (of all SNe's; worst single SN {max(single):.1e})",
            "bayesn 0.4.0",
            met=_yes(max(whole) < target),
        )


def _difference(stored: Any, density: Any, point: int) -> tuple[float, float]:
    """Relative difference of the gradient's norm: of all SNe together, and of the worst one."""
    z, theirs = (
        np.concatenate([stored[f"{kind}{point}_{site}"].reshape(20, -1) for site in SITES], 1)
        for kind in "zg"
    )
    _, gradient = density.value_and_gradient(torch.from_numpy(z)[:, None])
    off = -gradient[:, 0].numpy() - theirs
    norm = np.linalg.norm
    return float(norm(off) / norm(theirs)), float((norm(off, axis=1) / norm(theirs, axis=1)).max())


def gradient(sed: SEDModel, sample: Prepared, data: Path) -> Row:
    """Value and gradient of the fitting density of all SNe, both codes in turn."""
    density = FitDensity(sed, observations(sample))
    z = torch.zeros(len(sample.muhat), 1, density.dim, dtype=torch.float64)
    z[..., density.slice("av")] = np.log(0.2)
    z[..., density.slice("ds")] = density.observations.muhat[:, None, None]
    wall, cpu, value = [], [], torch.zeros(())
    for _ in range(60):
        begun = time.perf_counter(), time.process_time()
        value, _ = density.value_and_gradient(z)
        wall.append(time.perf_counter() - begun[0])
        cpu.append(time.process_time() - begun[1])
    ours = 1e3 * float(np.median(wall[10:]))
    theirs = reference(data, "gradient")
    what = f"value + gradient of the fitting density, t_max free, {len(z)} SNe"
    measured = f"{ours:.1f} ms wall ({1e3 * float(np.median(cpu[10:])):.1f} CPU), one thread"
    if theirs is None:
        return Row(PART, what, ">= 10 ×, goal 30 ×", measured, "set SNTORCH_BAYESN", met="-")
    off = abs(float(value.sum()) + theirs["potential"]) / theirs["potential"]
    ratio = theirs["wall_ms_median"] / ours
    return Row(
        PART,
        what,
        ">= 10 ×, goal 30 ×",
        f"{measured}; value differs by {off:.0e}",
        f"{theirs['wall_ms_median']:.0f} ms wall ({theirs['cpu_ms_median']:.0f} CPU), all cores",
        f"{ratio:.0f} ×",
        _yes(ratio >= 10),
    )


def nuts_rows(run: Run, sample: Prepared, data: Path) -> Rows:
    """Time, convergence and effective samples a CPU second."""
    summary: Any = run.posterior.summary().head(len(sample.muhat))
    rhat = summary[["mu_rhat", "ds_rhat", "theta_rhat", "av_rhat", "tmax_rhat"]].to_numpy().max()
    reruns = int((summary["reruns"] > 0).sum())
    n = len(summary)
    yield Row(
        PART,
        f"NUTS, {n} SNe, 4 × (250 + 250), {WORKERS} processes, their start included",
        "< 280 s, R-hat < 1.02",
        f"{run.wall:.0f} s ({run.cpu:.0f} CPU s); largest R-hat {rhat:.3f}; {reruns} SNe run "
        f"longer; {int(summary['n_divergent'].sum())} divergent",
        "published 13,670 s CPU, 283 s A100 (157 SNe)",
        met=_yes(run.wall < 280 and rhat < 1.02) if n == WHOLE else "-",
    )
    ess = float(summary["ds_ess_bulk"].median())
    ours = float(summary["ds_ess_bulk"].sum()) / run.cpu
    theirs = reference(data, "nuts", 2)
    rate = None
    if theirs is not None:
        rate = float(np.mean([f["ess"]["Ds"] / f["cpu_s"] for f in theirs["fits"]]))
    yield Row(
        PART,
        "the same: effective samples of distance a CPU second",
        ">= 40 ×",
        f"{ours:.0f} (median {ess:.0f} of 1,000 draws)",
        "set SNTORCH_BAYESN" if rate is None else f"{rate:.2f} (2 SNe, warm)",
        "-" if rate is None else f"{ours / rate:.0f} ×",
        "-" if rate is None else _yes(ours / rate >= 40),
    )


def vi_rows(run: Run, nuts: Run, sample: Prepared, data: Path) -> Rows:
    """Time, and the moments beside those of NUTS."""
    n = len(sample.muhat)
    theirs = reference(data, "vi", 2)
    per_sn = None if theirs is None else theirs["cpu_s_per_sn"]
    yield Row(
        PART,
        f"zero-lower-truncated normal VI, {n} SNe, {WORKERS} processes, their start included",
        "< 20 s",
        f"{run.wall:.1f} s ({run.cpu / n:.2f} CPU s a SN)",
        "set SNTORCH_BAYESN"
        if per_sn is None
        else f"{per_sn:.1f} CPU s a SN (2 SNe at once, warm)",
        "-" if per_sn is None else f"{per_sn * n / run.cpu:.0f} ×",
        _yes(run.wall < 20) if n == WHOLE else "-",
    )
    a: Any = run.posterior.summary().head(n)
    b: Any = nuts.posterior.summary().head(n)
    near = (a.ds_mean - b.ds_mean).abs() < 0.02
    alike = (a.ds_sd / b.ds_sd - 1).abs() < 0.1
    both = (near & alike).mean()
    others = ", ".join(
        f"{k} {np.median(a[f'{k}_sd'] / b[f'{k}_sd']):.2f}" for k in ("theta", "av", "tmax")
    )
    yield Row(
        PART,
        "the same: Ds within 0.02 mag and its sd within 10 % of NUTS",
        "95 % of SNe",
        f"both {100 * both:.1f} % (mean {100 * near.mean():.1f}, sd {100 * alike.mean():.1f}; "
        "ratios of sds have 3-4 % of Monte-Carlo noise); median sd ratio Ds "
        f"{np.median(a.ds_sd / b.ds_sd):.2f}, {others}; "
        f"k-hat > 0.7 for {int((a.k_hat > 0.7).sum())}",
        "NUTS of this run",
        met=_yes(both >= 0.95),
    )


def hubble(posterior: Posterior, sample: Prepared) -> Row:
    """Scatter of the distances about the expected ones."""
    residual = posterior.summary()["mu_mean"].head(len(sample.muhat)) - np.array(sample.muhat)
    rng = np.random.default_rng(0)
    spread = [rng.choice(residual, len(residual)).std() for _ in range(1000)]
    rms = float(np.std(residual))
    offset = float(np.mean(residual))
    return Row(
        PART,
        f"Hubble-diagram RMS, {len(residual)} Foundation SNe, T21",
        "0.12-0.14 mag",
        f"{rms:.3f} ± {np.std(spread):.3f} mag about a mean of {offset:+.3f}",
        "Thorp+21: 0.13",
        met=_yes(0.12 <= rms <= 0.14) if len(residual) == WHOLE else "-",
    )


def agreement(sed: SEDModel, sample: Prepared) -> Rows:
    """Means and widths of the 12 SNe that the reference's NUTS has fitted."""
    table: Any = pd.read_csv(REFERENCE / "fits.csv")
    names = [lc.object_id for lc in sample.light_curves]
    chosen = sample.take(names.index(name) for name in table.SNID)
    long = fit(sed, chosen, workers=1, draws=2000)
    ours = long.posterior.summary()
    for kind in ("mean", "sd"):
        worst, within, n = {}, 0, 0
        for name, theirs in PARAMETERS.items():
            off, allowed = compare(ours, table, name, theirs, kind)
            worst[name] = off[(off / allowed).argmax()]
            within += int((off <= allowed).sum())
            n += len(off)
        target = "0.1 sd" if kind == "mean" else "10 %"
        each = ", ".join(f"{name} {value:.2f}" for name, value in worst.items())
        yield Row(
            PART,
            f"posterior {kind}s against the reference's NUTS, 12 SNe × Ds, θ, A_V",
            f"within {target} + Monte-Carlo error",
            f"{within} of {n} (ours 4 × 2000 draws); worst {each}",
            "bayesn 0.4.0, 4 × (250 + 250)",
            met=_yes(within == n),
        )


def compare(
    ours: Any, table: Any, name: str, theirs: str, kind: str
) -> tuple[np.ndarray, np.ndarray]:
    """Difference and what is allowed of it, in posterior sds (means) or relative (sds).

    The Monte-Carlo error is that of the reference's draws, one standard error: 1/sqrt(ESS) of a
    mean, 1/sqrt(2 ESS) of a sd.
    """
    sd = table[f"nuts_{theirs}_std"].to_numpy()
    ess = table[f"nuts_ess_{theirs}"].to_numpy()
    if kind == "sd":
        return np.abs(ours[f"{name}_sd"] / sd - 1).to_numpy(), 0.1 + 1 / np.sqrt(2 * ess)
    centre = table["nuts_mu_mean" if theirs == "Ds" else f"nuts_{theirs}_mean"].to_numpy()
    return np.abs((ours[f"{name}_mean"] - centre) / sd).to_numpy(), 0.1 + 1 / np.sqrt(ess)


def scaling(sizes: tuple[int, ...]) -> Rows:
    """CPU seconds and memory for more and more simulated SNe, by VI, each in its own process."""
    found = [json.loads(_own_process(n)) for n in sizes]
    each = (
        f"{f['n']}: {f['seconds']:.0f} CPU s, {1e3 * f['seconds'] / f['n']:.0f} ms a SN, "
        f"{f['before']:.2f} GB of light curves and code, at most {f['memory']:.2f} GB"
        for f in found
    )
    costs = [f["seconds"] / f["n"] for f in found]
    grown = [f["memory"] - f["before"] for f in found]
    yield Row(
        PART,
        "cost of VI by number of SNe, chunks of 100, one process",
        "linear, memory bounded by the chunk",
        "; ".join(each),
        met=_yes(costs[-1] < 1.2 * costs[0] and grown[-1] < grown[0] + LEEWAY),
    )


def _own_process(n: int) -> str:
    command = [sys.executable, __file__, "--scale", str(n)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def scale(n: int) -> None:
    """Fit n simulated SNe, keeping nothing, and print what it cost."""
    from hydra.utils import instantiate

    from sntorch.cli.config import compose_config

    torch.set_num_threads(1)
    sed = SEDModel.from_name("t21")
    simulator = instantiate(compose_config("simulate", ["simulation=foundation_ia"]).simulation)
    sample = prepare(simulator.simulate(n=n, seed=5).to_light_curves(), sed)
    before, begun = _gigabytes(), time.process_time()
    survey = SurveySettings(chunk=100, keep="scalars", progress=False)
    parts = fit_survey(sample, sed, FitOptions(), SamplerSettings(sampler="vi"), survey)
    done = sum(len(posterior) for _, posterior in parts)
    seconds = time.process_time() - begun
    print(json.dumps({"n": done, "seconds": seconds, "before": before, "memory": _gigabytes()}))


def _gigabytes() -> float:
    """The most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def write_for_reference(sample: Prepared, path: Path) -> None:
    """The same light curves, as ``reference_bayesn.py`` reads them."""
    batch = LightCurveBatch.from_light_curves(sample.light_curves)
    columns = ("time", "flux", "flux_err", "band", "mask", "redshift", "mwebv")
    np.savez(
        path,
        name=np.array(batch.object_id),
        bands=np.array(batch.bands),
        peak_mjd=batch.t_ref.numpy(),
        muhat=np.array(sample.muhat),
        **{name: getattr(batch, name).numpy() for name in columns},
    )


def reference(data: Path, task: str, n: int | None = None) -> dict[str, Any] | None:
    """Figures of the reference, in its own environment; None where there is none."""
    python = os.environ.get("SNTORCH_BAYESN")
    if not python:
        return None
    script = Path(__file__).with_name("reference_bayesn.py")
    out = data.with_name(f"{task}.json")
    command = [python, str(script), "--data", str(data), "--task", task, "--out", str(out)]
    command += [] if n is None else ["--n", str(n)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return json.loads(out.read_text())


def _yes(met: bool) -> str:
    return "yes" if met else "no"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--scale"]:
        scale(int(sys.argv[2]))
    else:
        main(rows)
