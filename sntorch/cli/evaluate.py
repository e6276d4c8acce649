"""``sntorch evaluate``: score a trained generator on the objects that its run held out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sntorch.cli.entry import hydra_main
from sntorch.cli.evaluation_report import summary, write_report
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
    for name in ("report.html", "metrics.json", "figures"):
        print(output / name)


def evaluate(cfg: DictConfig, output: Path) -> dict[str, Any]:
    """Scores of a generator beside their floors.

    Writes ``report.html``, ``metrics.json`` and ``figures/``.

    Args:
        cfg: The composed ``evaluate`` config.
        output: Folder for the results.
    """
    from sntorch.callbacks.figures import diagnostic_figures, generator_figures
    from sntorch.checkpoints import find_checkpoint
    from sntorch.generative.evaluate import evaluate_generator
    from sntorch.pretrained import model_sha256

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
        generated,
        held_out,
        train,
        fresh if len(fresh) else None,
        seed=cfg.seed,
        n_resamples=cfg.bootstrap,
        thorough=cfg.thorough,
    )
    metrics["model_sha256"] = model_sha256(checkpoint)
    figures = generator_figures(generated, held_out)
    figures |= diagnostic_figures(generated, held_out, cfg.seed)
    write_report(output, metrics, figures, str(checkpoint))
    return metrics


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


def _generated(cfg: DictConfig, checkpoint: Path, held_out: LightCurveBatch) -> LightCurveBatch:
    from sntorch.data.io import read
    from sntorch.generative import Generator

    if cfg.generated is None:
        return Generator.from_pretrained(checkpoint).sample(cfg.n, seed=cfg.seed)
    return read(cfg.generated).to_batch(bands=held_out.bands)


if __name__ == "__main__":
    main()
