"""``sntorch simulate``: a survey -> light curves, their truth, the cut flow and its figures."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sntorch.cli.entry import hydra_main, told_warnings, whole_number
from sntorch.cli.outputs import refuse_existing
from sntorch.cli.report_files import write_png
from sntorch.cli.selection_figures import simulation_figures

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from omegaconf import DictConfig

    from sntorch.simulation import SimulatedSample

FIGURES = {
    "cutflow": "what each cut leaves",
    "efficiency": "share kept by redshift and brightness",
}


@hydra_main("simulate")
def main(cfg: DictConfig) -> None:
    """Simulate as the config says."""
    from hydra.utils import instantiate

    whole_number(cfg, "n", 1)
    whole_number(cfg, "seed", 0)
    out = Path(cfg.out)
    truth = Path(cfg.truth) if cfg.truth else _beside(out, ".truth.parquet")
    others = [("out", path) for path in (_cut_flow(out), *(_figure(out, n) for n in FIGURES))]
    for name, path in (("out", out), ("truth", truth), *others):
        refuse_existing(path, cfg.overwrite, name)
    started = time.perf_counter()
    simulator = instantiate(cfg.simulation)
    sample = simulator.simulate(n=cfg.n, seed=cfg.seed)
    elapsed = time.perf_counter() - started
    with told_warnings():
        write_sample(sample, out, truth, format=cfg.format, noiseless=cfg.noiseless)
    written = _write_figures(simulation_figures(simulator, sample), out)
    print(sample.cut_flow)
    observations = int(sample.batch.mask.sum())
    print(
        f"{out}: {len(sample)} objects, {observations} observations, simulated in {elapsed:.1f} s"
    )
    print(f"{truth}: truth of every object")
    for name in written:
        print(f"{_figure(out, name)}: {FIGURES[name]}")


def write_sample(
    sample: SimulatedSample,
    out: Path,
    truth: Path,
    format: str | None = None,
    noiseless: bool = False,
) -> None:
    """Write the light curves, their truth as Parquet and the cut flow as JSON beside them.

    Args:
        sample: What was simulated.
        out: Where the light curves go.
        truth: Where the truth goes.
        format: Format of the light curves; guessed from ``out`` by default.
        noiseless: Whether to put the fluxes without noise into the truth.
    """
    from sntorch.atomic import atomic_write
    from sntorch.data.io import write

    write(sample.to_light_curves(), out, format=format)
    with atomic_write(truth) as draft:
        sample.write_truth(draft, flux=noiseless)
    with atomic_write(_cut_flow(out)) as draft:
        draft.write_text(json.dumps(sample.cut_flow.to_dict(), indent=2) + "\n")


def _write_figures(figures: Mapping[str, Figure], out: Path) -> list[str]:
    """Write figures beside the light curves; returns the names of those that there are."""
    for name in FIGURES:
        # One of another sample would be taken for this one's.
        _figure(out, name).unlink(missing_ok=True)
    for name, figure in figures.items():
        write_png(_figure(out, name), figure)
    return list(figures)


def _figure(out: Path, name: str) -> Path:
    return _beside(out, f".{name}.png")


def _cut_flow(out: Path) -> Path:
    return _beside(out, ".cutflow.json")


def _beside(out: Path, suffix: str) -> Path:
    return out.with_name(out.stem + suffix)


if __name__ == "__main__":
    main()
