"""``sntorch evaluate``: score a trained model on the objects that its run held out, or methods of
inference on a benchmark of which the answer is known.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sntorch.cli.entry import hydra_main, told_warnings
from sntorch.cli.evaluate_classifier import evaluate_classifier_run
from sntorch.cli.evaluate_sbi import evaluate_sbi
from sntorch.cli.evaluation_report import summary, write_report
from sntorch.cli.outputs import refuse_existing_report
from sntorch.cli.training_data import training_data
from sntorch.errors import ConfigError, DataError

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from sntorch.data.batch import LightCurveBatch

FILES = ("report.html", "metrics.json", "figures")
TASKS = ("generator", "classifier", "sbi")


@hydra_main("evaluate")
def main(cfg: DictConfig) -> None:
    """Score what ``task`` names."""
    if cfg.task not in TASKS:
        raise ConfigError(f"task={cfg.task}: accepted is {', '.join(TASKS)}")
    output = Path(cfg.out)
    refuse_existing_report(output, cfg.overwrite)
    if cfg.task == "classifier":
        text, names = evaluate_classifier_run(cfg, output), (*FILES, "tables")
    elif cfg.task == "sbi":
        with told_warnings():
            text, names = evaluate_sbi(cfg, output), (*FILES, "tables")
    else:
        text, names = summary(evaluate(cfg, output)), FILES
    print(text)
    for name in names:
        print(output / name)


def evaluate(cfg: DictConfig, output: Path) -> dict[str, Any]:
    """Scores of a generator beside their floors.

    Writes ``report.html``, ``metrics.json`` and ``figures/``.

    Args:
        cfg: The composed ``evaluate`` config.
        output: Folder for the results.
    """
    from sntorch.callbacks.figures import diagnostic_figures, generator_figures
    from sntorch.generative.evaluate import evaluate_generator
    from sntorch.pretrained import find_model, model_sha256

    checkpoint = find_model(cfg.ckpt)
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


def _generated(cfg: DictConfig, checkpoint: Path, held_out: LightCurveBatch) -> LightCurveBatch:
    from sntorch.data.io import read
    from sntorch.generative import Generator

    if cfg.generated is None:
        return Generator.from_pretrained(checkpoint).sample(cfg.n, seed=cfg.seed)
    return read(cfg.generated).to_batch(bands=held_out.bands)


if __name__ == "__main__":
    main()
