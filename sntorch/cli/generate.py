"""``sntorch generate``: sample a trained generator and write the light curves."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from sntorch.cli.entry import hydra_main, whole_number

if TYPE_CHECKING:
    from omegaconf import DictConfig


@hydra_main("generate")
def main(cfg: DictConfig) -> None:
    """Sample as the config says."""
    from omegaconf import OmegaConf

    from sntorch.cli.runs import device
    from sntorch.data.io import write
    from sntorch.generative import Generator

    whole_number(cfg, "n", 1)
    whole_number(cfg, "seed", 0)
    generator = Generator.from_pretrained(cfg.ckpt, device(str(cfg.device)))
    started = time.perf_counter()
    condition = OmegaConf.to_container(cfg.condition) if cfg.condition else None
    batch = generator.sample(
        cfg.n,
        lengths=cfg.lengths,
        condition=condition,
        cadence=cfg.cadence,
        seed=cfg.seed,
        temperature=cfg.temperature,
        noiseless=cfg.noiseless,
    )
    elapsed = time.perf_counter() - started
    out = Path(cfg.out)
    write(batch.to_light_curves(), out, format=cfg.format)
    observations = int(batch.mask.sum())
    print(
        f"{out}: {cfg.n} light curves, {observations} observations, generated in {elapsed:.1f} s"
    )


if __name__ == "__main__":
    main()
