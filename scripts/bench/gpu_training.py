"""Training on a CUDA device: the rows for an H100. ``--device cpu --quick`` shows that they run.

python scripts/bench/gpu_training.py --folder outputs/bench_gpu
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from foundation import FOUNDATION
from table import Row, markdown
from training_jobs import foundation, t21, truths

from sntorch import read
from sntorch.bayesn.hierarchy import HierarchicalModel
from sntorch.bayesn.populations import GlobalRV
from sntorch.bayesn.preparation import Preparation
from sntorch.bayesn.sed import SEDModel
from sntorch.bayesn.simulated_sample import simulate_sample
from sntorch.bayesn.surfaces import TrainedSED
from sntorch.bayesn.training import TrainingSettings, train
from sntorch.bayesn.training_sample import SampleSettings, TrainingSample, training_sample

CSP = FOUNDATION.parent / "pantheon_plus"
BRIEF: dict[str, Any] = {
    "warmup": 4,
    "draws": 4,
    "mode_iterations": 3,
    "svi_iterations": 2,
    "svi_draws": 2,
}
M20_SIZE = 79


def t21_size(quick: bool) -> HierarchicalModel:
    """Foundation itself."""
    sample = foundation()
    return _model(sample.take(torch.arange(12)) if quick else sample, t21())


def m20_size(quick: bool) -> HierarchicalModel:
    """79 SNe simulated from M20 with optical and near-infrared cadences of the CSP."""
    sed = SEDModel.from_name("m20")
    curves = [lc for lc in read(CSP) if str(lc.meta.get("SURVEY", "")).upper() == "CSP"]
    settings = SampleSettings(preparation=Preparation(min_wavelength=4000.0), min_bands=6)
    return _simulated(training_sample(curves, sed, settings), sed, 12 if quick else M20_SIZE)


def simulated(n: int) -> Callable[[bool], HierarchicalModel]:
    """As many SNe with Foundation's cadences."""
    return lambda quick: _simulated(foundation(), t21(), 12 if quick else n)


JOBS = {
    "t21": (t21_size, "T21, 157 SNe", "< 2 min"),
    "m20": (m20_size, "M20-size, 79 SNe, 9 × 6 knots", "< 4 min"),
    "1000": (simulated(1000), "1,000 simulated SNe", "< 5 min"),
    "10000": (simulated(10000), "10,000 simulated SNe", "runs"),
}


def measure(name: str, device: str, quick: bool) -> dict[str, Any]:
    """Seconds of 4 chains × (500 + 500), and what bounds them."""
    on_cpu = JOBS[name][0](quick)
    sed = on_cpu.sed.to(device)
    model = replace(on_cpu, sample=on_cpu.sample.to(device), surfaces=TrainedSED(sed))
    settings = TrainingSettings(keep="scalars", max_tree_depth=6, **(BRIEF if quick else {}))
    begun = time.perf_counter()
    trained = train(model, settings)
    if device != "cpu":
        torch.cuda.synchronize()
    leapfrogs = float(trained.sums["leapfrogs"].sum()) / settings.chains / settings.draws
    return {
        "seconds": time.perf_counter() - begun,
        "steps": trained.seconds,
        "leapfrogs": leapfrogs,
        "rv": float(trained.draws["rv"].mean()),
        "divergences": trained.divergences,
    }


def row(name: str, found: dict[str, Any], device: str, quick: bool) -> Row:
    """One target and its figure."""
    _, what, target = JOBS[name]
    steps = ", ".join(f"{k} {wall:.0f} s" for k, (wall, _) in found["steps"].items())
    measured = (
        f"{found['seconds']:.0f} s ({steps}); {found['leapfrogs']:.0f} leapfrogs a draw, "
        f"{found['divergences']} divergences"
    )
    limit = {"< 2 min": 120.0, "< 4 min": 240.0, "< 5 min": 300.0}.get(target)
    met = "-" if limit is None else "yes" if found["seconds"] < limit else "no"
    if quick:
        what, met = f"12 SNe, a few draws, in place of {what}", "run"
    return Row("bayesn-train", f"{what}, 4 × (500 + 500), {device}", target, measured, met=met)


def _model(sample: TrainingSample, sed: SEDModel) -> HierarchicalModel:
    return HierarchicalModel(sample, TrainedSED(sed), GlobalRV())


def _simulated(sample: TrainingSample, sed: SEDModel, n: int) -> HierarchicalModel:
    cadences = sample.take(torch.arange(n) % len(sample))
    return _model(simulate_sample(_model(cadences, sed), truths(sed), seed=n)[0], sed)


def main() -> None:
    """Run the jobs one after another; each figure is kept as soon as it is known."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--jobs", nargs="+", default=list(JOBS), choices=list(JOBS))
    parser.add_argument("--folder", type=Path, default=Path("outputs/bench_gpu"))
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        raise SystemExit("no CUDA device on this machine")
    torch.set_num_threads(1)
    name = options.device if options.device == "cpu" else torch.cuda.get_device_name()
    options.folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for job in options.jobs:
        found = measure(job, options.device, options.quick)
        (options.folder / f"gpu_{job}.json").write_text(json.dumps({"device": name, **found}))
        rows.append(row(job, found, name, options.quick))
    print(markdown(rows))


if __name__ == "__main__":
    main()
