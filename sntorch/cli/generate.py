"""``sntorch generate``: sample a trained generator and write the light curves."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sntorch.cli.entry import hydra_main, told_warnings, whole_number
from sntorch.cli.outputs import refuse_existing
from sntorch.errors import ConfigError, check_number

if TYPE_CHECKING:
    from omegaconf import DictConfig


@hydra_main("generate")
def main(cfg: DictConfig) -> None:
    """Sample as the config says."""
    from sntorch.cli.runs import device
    from sntorch.data.io import write
    from sntorch.generative import Generator
    from sntorch.generative.parents import marked, trained_name
    from sntorch.pretrained import find_model

    whole_number(cfg, "n", 1)
    whole_number(cfg, "seed", 0)
    check_number("temperature", cfg.temperature)
    if cfg.temperature is None or not cfg.temperature >= 0:
        raise ConfigError(f"temperature={cfg.temperature}: a number of at least 0 is accepted")
    out = Path(cfg.out)
    refuse_existing(out, cfg.overwrite)
    found = find_model(cfg.ckpt)
    generator = Generator.from_pretrained(found, device(str(cfg.device)))
    started = time.perf_counter()
    batch, parents = generator.model.sample_with_parents(
        cfg.n,
        lengths=cfg.lengths,
        condition=_condition(cfg),
        cadence=cfg.cadence,
        seed=cfg.seed,
        temperature=cfg.temperature,
        noiseless=cfg.noiseless,
    )
    elapsed = time.perf_counter() - started
    # A seed's objects keep apart from another's when two tables are joined.
    names = [f"gen_{cfg.seed}_{i:06d}" for i in range(cfg.n)]
    model = trained_name(generator.model, found)
    with told_warnings():
        write(marked(batch, names, parents, model, cfg.seed), out, format=cfg.format)
    observations = int(batch.mask.sum())
    print(
        f"{out}: {cfg.n} light curves, {observations} observations, generated in {elapsed:.1f} s"
    )


def _condition(cfg: DictConfig) -> Any:
    """Values by property, or None.

    Raises:
        ConfigError: Something else, where the braces were forgotten.
    """
    from omegaconf import DictConfig, OmegaConf

    if cfg.condition is not None and not isinstance(cfg.condition, DictConfig):
        raise ConfigError(
            f"condition={cfg.condition}: properties in braces are accepted, "
            "condition={type:Ia,redshift:0.05} (in quotes, for the shell)"
        )
    return OmegaConf.to_container(cfg.condition) if cfg.condition else None


if __name__ == "__main__":
    main()
