"""``sntorch evaluate``: score a trained generator on the objects that its run held out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sntorch.cli.entry import hydra_main
from sntorch.errors import CheckpointError, ConfigError, DataError

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from sntorch.data.batch import LightCurveBatch
    from sntorch.data.datamodule import LightCurveDataModule

TASKS = ("generator",)


@hydra_main("evaluate")
def main(cfg: DictConfig) -> None:
    """Score what ``task`` names."""
    if cfg.task not in TASKS:
        raise ConfigError(f"task={cfg.task}: accepted is {', '.join(TASKS)}")
    output = Path(cfg.out)
    metrics = evaluate(cfg, output)
    print(summary(metrics))
    print(f"{output / 'metrics.json'}\n{output / 'figures'}")


def evaluate(cfg: DictConfig, output: Path) -> dict[str, Any]:
    """Scores of a generator beside their floors; writes ``metrics.json`` and ``figures/``.

    Args:
        cfg: The composed ``evaluate`` config.
        output: Folder for the results.
    """
    from sntorch.callbacks.figures import generator_figures
    from sntorch.generative.base import find_checkpoint
    from sntorch.generative.evaluate import evaluate_generator

    checkpoint = find_checkpoint(cfg.ckpt)
    data = training_data(checkpoint, cfg.files, cfg.trust)
    held_out, fresh = data.test_batch(), data.val_batch()
    if not len(held_out):
        raise DataError(
            f"{checkpoint}: its run held out no test objects; set data.split and train"
        )
    generated = _generated(cfg, checkpoint, held_out)
    train = data.train_batch()
    metrics = evaluate_generator(
        generated, held_out, train, fresh if len(fresh) else None, cfg.seed, cfg.bootstrap
    )
    write_report(output, metrics, generator_figures(generated, held_out))
    return metrics


def summary(metrics: dict[str, Any]) -> str:
    """The scores that matter most, as a table for the terminal."""
    lines = ["KS distance of the peak magnitude to held-out objects:"]
    lines.append(
        f"  {'band':<10}{'generated':>10}{'95% interval':>18}{'fresh real':>12}{'training':>10}"
    )
    for band, score in metrics["peak"].items():
        interval = " - ".join(_number(edge) for edge in score["ks_interval"])
        floors = f"{_number(score['ks_fresh']):>12}{_number(score['ks_train']):>10}"
        lines.append(f"  {band:<10}{_number(score['ks']):>10}{interval:>18}{floors}")
    copies = metrics["memorisation"]["generated"]
    lines.append(
        f"nearest-neighbour ratio {_number(copies['ratio'])} (>= 0.90), "
        f"copies {_number(copies['copies'])} (<= 0.02); "
        f"impossible observations {sum(metrics['impossible'].values()):.0f}"
    )
    return "\n".join(lines)


def _number(score: float | None) -> str:
    """A score, or a dash where there was nothing to score."""
    return "-" if score is None else f"{score:.3f}"


def training_data(
    checkpoint: Path, files: str | None = None, trust: bool = False
) -> LightCurveDataModule:
    """The data module of the run that wrote a checkpoint, with the same split by object.

    Args:
        checkpoint: File in ``<run>/checkpoints``.
        files: Where the light curves are now, if not where the run read them.
        trust: Whether the run's config may call anything, not only parts of sntorch.

    Raises:
        CheckpointError: The run's config is not beside the checkpoint, or names something
            outside sntorch that is not trusted.
    """
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    from sntorch.cli.runs import run_folder

    path = run_folder(checkpoint) / ".hydra" / "config.yaml"
    if not path.is_file():
        raise CheckpointError(f"{checkpoint}: the run's config {path} is missing")
    config = OmegaConf.load(path)
    if files:
        OmegaConf.update(config, "files", files)
    data = OmegaConf.select(config, "data")
    if not trust:
        _refuse_foreign_targets(OmegaConf.to_container(data, resolve=True), path)
    return instantiate(data)


def _refuse_foreign_targets(config: Any, path: Path) -> None:
    """A run from elsewhere brings its config along, and Hydra calls whatever that names."""
    if isinstance(config, list):
        for entry in config:
            _refuse_foreign_targets(entry, path)
    elif isinstance(config, dict):
        target = config.get("_target_")
        if target is not None and not _is_ours(str(target)):
            raise CheckpointError(
                f"{path}: _target_ {target} is not a part of sntorch and is not called; "
                "trust=true calls it, if the run is yours"
            )
        for entry in config.values():
            _refuse_foreign_targets(entry, path)


def _is_ours(target: str) -> bool:
    """Whether a dotted name means something defined in sntorch.

    The name alone does not tell: ``sntorch.cli.main.os.system`` begins with sntorch, too. The
    command line's own modules are left out, for they load other configs.
    """
    from hydra.utils import get_object

    if not target.startswith("sntorch."):
        return False
    try:
        home = str(getattr(get_object(target), "__module__", ""))
    except Exception as error:
        raise ConfigError(f"_target_ {target}: not found ({error})") from error
    return home.startswith("sntorch.") and not home.startswith("sntorch.cli.")


def write_report(output: Path, metrics: dict[str, Any], figures: dict[str, Any]) -> None:
    """Write the scores as JSON and every figure as PNG."""
    from matplotlib import pyplot

    folder = output / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.png", dpi=120)
        pyplot.close(figure)
    (output / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n")


def _generated(cfg: DictConfig, checkpoint: Path, held_out: LightCurveBatch) -> LightCurveBatch:
    from sntorch.data.io import read
    from sntorch.generative import Generator

    if cfg.generated is None:
        return Generator.from_pretrained(checkpoint).sample(cfg.n, seed=cfg.seed)
    return read(cfg.generated).to_batch(bands=held_out.bands)


if __name__ == "__main__":
    main()
