"""GPU rows: the same work on the CPU and on the CUDA device of one machine, in one run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any

import torch
from table import Row, main

from sntorch.physics.sed import SEDModel
from sntorch.simulation import simulated_batch

BANDS = ["desg", "desr", "desi", "desz"]
N_OBSERVATIONS = 60


def rows(quick: bool) -> Iterable[Row]:
    """One row for photometry and one for a training step."""
    if not torch.cuda.is_available():
        raise SystemExit(
            "no CUDA device on this machine: scripts/bench/gpu.sh runs this where one is"
        )
    name = torch.cuda.get_device_name()
    yield compare(
        f"photometry of 10,000 SNe x {N_OBSERVATIONS}, {name}", photometry, 3 if quick else 10
    )
    yield compare(f"GAN training, 100 steps of 64, {name}", training, 1 if quick else 3)


def compare(what: str, work: Callable[[str], Callable[[], Any]], repeats: int) -> Row:
    """Best wall time on either device."""
    seconds = {device: best(work(device), repeats) for device in ("cpu", "cuda")}
    ratio = seconds["cpu"] / seconds["cuda"]
    return Row(
        "ground",
        what,
        "reported",
        f"{seconds['cuda']:.3f} s",
        f"CPU {seconds['cpu']:.3f} s",
        f"{ratio:.1f}",
    )


def best(run: Callable[[], Any], repeats: int) -> float:
    """Shortest wall time of several runs after one that warms up, s."""
    run()
    times = []
    for _ in range(repeats):
        torch.cuda.synchronize()
        started = time.perf_counter()
        run()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return min(times)


def photometry(device: str) -> Callable[[], torch.Tensor]:
    """All fluxes of 10,000 SNe, quadrature made anew each time."""
    sed = SEDModel.from_name("w22").to(device)
    generator = torch.Generator().manual_seed(0)
    n = 10_000
    draw = torch.rand(4, n, generator=generator, dtype=torch.float64).to(device)
    phase = (50 * torch.rand(n, N_OBSERVATIONS, generator=generator) - 10).to(device)
    band = torch.randint(0, len(BANDS), (n, N_OBSERVATIONS), generator=generator).to(device)
    epsilon = sed.sample_epsilon(n, generator)

    def run() -> torch.Tensor:
        return sed.flux_at(
            phase,
            band,
            BANDS,
            theta=draw[0],
            av=draw[1],
            epsilon=epsilon,
            redshift=0.02 + 0.2 * draw[2],
            mwebv=0.1 * draw[3],
            distmod=38.0,
        )

    return run


def training(device: str) -> Callable[[], None]:
    """A short training of the default recurrent GAN."""
    import lightning as L
    from hydra.utils import instantiate

    from sntorch.cli.config import compose_config
    from sntorch.data.datamodule import LightCurveDataModule

    config = compose_config("train", ["experiment=gan_ia"])
    batch = simulated_batch(instantiate(config.simulation), 350, 1)
    data = LightCurveDataModule(batch, split=(1, 0, 0), batch_size=64)

    def run() -> None:
        trainer = L.Trainer(
            accelerator="gpu" if device == "cuda" else "cpu",
            devices=1,
            max_epochs=17,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(instantiate(config.model, _convert_="all"), data)

    return run


if __name__ == "__main__":
    main(rows)
