"""``sntorch evaluate task=classifier``: a trained classifier on objects that its run held out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sntorch.errors import ConfigError, DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from omegaconf import DictConfig

    from sntorch.classification.calibration import Temperature
    from sntorch.classification.early import Epoch
    from sntorch.classification.module import ClassifierModule
    from sntorch.classification.predictions import Predictions
    from sntorch.data.batch import LightCurveBatch
    from sntorch.data.datamodule import LightCurveDataModule

BASELINES = ("none", "lightgbm", "histogram")
BATCH = 512


def evaluate_classifier_run(cfg: DictConfig, output: Path) -> str:
    """Score a classifier beside boosted trees and the majority class; returns the summary.

    Probabilities are those after a temperature that was fitted on the whole light curves of the
    validation objects, where there are any; ``sntorch publish`` puts it into the model's folder.

    Args:
        cfg: The composed ``evaluate`` config.
        output: Folder for ``report.html``, ``metrics.json``, ``tables/`` and ``figures/``.

    Raises:
        ConfigError: A baseline or a class that there is not, or a class to hold out that the
            classifier was trained on.
        DataError: No test objects, or light curves of other classes than the classifier's.
    """
    from sntorch.checkpoints import find_checkpoint
    from sntorch.classification.module import ClassifierModule
    from sntorch.cli.classifier_report import (
        classifier_figures,
        classifier_summary,
        write_classifier_report,
    )
    from sntorch.cli.training_data import training_data
    from sntorch.pretrained import model_sha256

    if cfg.baseline not in BASELINES:
        raise ConfigError(f"baseline={cfg.baseline}: accepted are {', '.join(BASELINES)}")
    checkpoint = find_checkpoint(cfg.ckpt)
    module = ClassifierModule.from_checkpoint(checkpoint)
    data = training_data(checkpoint, cfg.files, cfg.trust)
    _check(data.test_batch(), module, checkpoint)
    foreign = _unknown_classes(cfg, module, data, checkpoint)
    metrics, by_epoch, others = _scored(cfg, module, data, foreign)
    metrics["model_sha256"] = model_sha256(checkpoint)
    figures = classifier_figures(metrics, by_epoch, others)
    write_classifier_report(output, metrics, figures, str(checkpoint))
    return classifier_summary(metrics)


def _check(held_out: LightCurveBatch, module: ClassifierModule, checkpoint: Path) -> None:
    if not len(held_out):
        raise DataError(
            f"{checkpoint}: its run held out no test objects; set data.split and train"
        )
    if held_out.classes != module.classes:
        raise DataError(
            f"light curves of the classes {', '.join(held_out.classes)}; this classifier knows "
            f"{', '.join(module.classes)}: files= takes those that it was trained on"
        )


def _scored(
    cfg: DictConfig,
    module: ClassifierModule,
    data: LightCurveDataModule,
    unknown: dict[str, LightCurveBatch],
) -> tuple[dict[str, Any], dict[Epoch, Predictions], dict[str, dict[Epoch, Predictions]]]:
    """Metrics, and the predictions by epoch that they are of: the classifier's, the others'."""
    from sntorch.classification.early import EPOCHS, WHOLE
    from sntorch.classification.evaluate.report import evaluate_classifier
    from sntorch.classification.told import told

    positive = _positive(cfg.positive, module.classes)
    held_out = data.test_batch()
    temperature = _temperature(module, data.val_batch())
    # Whole light curves as they are: a network that reads the date of peak was trained with it.
    by_epoch = {WHOLE: _predicted(module, temperature, held_out)}
    by_epoch |= {epoch: _predicted(module, temperature, epoch.cut(held_out)) for epoch in EPOCHS}
    others = _baselines(cfg, data, module, (WHOLE, *EPOCHS))
    metrics = evaluate_classifier(
        by_epoch,
        positive,
        others,
        _foreign(module, temperature, held_out, unknown, cfg.seed),
        data.train_batch().label.bincount(minlength=len(module.classes)).numpy(),
        redshift=", ".join(told(module)) or "none",
        n_resamples=cfg.bootstrap,
        seed=cfg.seed,
    )
    metrics["temperature"] = float(temperature.temperature.detach())
    return metrics, by_epoch, others


def _temperature(module: ClassifierModule, validation: LightCurveBatch) -> Temperature:
    """Fitted on the validation objects; one where there are none."""
    from sntorch.classification.calibration import Temperature

    temperature = Temperature()
    if len(validation):
        temperature.fit(logits(module, validation), validation.label)
    return temperature


def logits(module: ClassifierModule, batch: LightCurveBatch) -> Any:
    """Logits of many objects, in pieces, shape (B, C)."""
    import torch

    pieces = torch.arange(len(batch)).split(BATCH)
    return torch.cat([module.logits(batch[piece].trim()) for piece in pieces])


def _predicted(
    module: ClassifierModule, temperature: Temperature, batch: LightCurveBatch
) -> Predictions:
    from sntorch.classification.predictions import Predictions

    scaled = temperature(logits(module, batch)).softmax(-1)
    return Predictions.of(batch, scaled.detach().numpy(), module.classes)


def _baselines(
    cfg: DictConfig, data: LightCurveDataModule, module: ClassifierModule, epochs: Sequence[Epoch]
) -> dict[str, dict[Epoch, Predictions]]:
    """Boosted trees on the same objects, told of the redshift what the classifier is told, with
    colours and rest-frame numbers where it has these, too.
    """
    from sntorch.classification.early import WHOLE
    from sntorch.classification.feature_classifier import FeatureClassifier
    from sntorch.classification.told import told_redshift

    if cfg.baseline == "none":
        return {}
    features = module.context.features
    derived = features is not None and features.features.derived
    trees = FeatureClassifier(told_redshift(module), cfg.baseline, cfg.seed, derived=derived)
    trees.fit(data.train_batch(), epochs=[WHOLE, *_days_after_trigger(cfg.baseline_epochs)])
    held_out = data.test_batch()
    return {"boosted trees": {epoch: trees.predict(epoch.cut(held_out)) for epoch in epochs}}


def _days_after_trigger(days: Any) -> list[Epoch]:
    """The epochs at which trees learn, besides whole light curves."""
    from omegaconf import ListConfig, OmegaConf

    from sntorch.classification.early import Epoch

    given = OmegaConf.to_container(days) if isinstance(days, ListConfig) else days
    if not isinstance(given, list) or not all(type(day) in (int, float) for day in given):
        raise ConfigError(
            f"baseline_epochs={given}: a list of days after the trigger is accepted, [0,10,25] say"
        )
    return [Epoch("trigger", float(day)) for day in given]


def _unknown_classes(
    cfg: DictConfig, module: ClassifierModule, data: LightCurveDataModule, checkpoint: Path
) -> dict[str, LightCurveBatch]:
    """Light curves of classes that the classifier does not know, by class."""
    from sntorch.cli.held_out_classes import held_out_classes
    from sntorch.cli.training_data import training_data

    names = cfg.held_out_classes
    names = [names] if isinstance(names, str) else list(names)
    files = cfg.held_out_files
    if files and not names:
        raise ConfigError(f"held_out_files={files}: say of which held_out_classes=[...]")
    source = training_data(checkpoint, files, cfg.trust) if files else None
    return held_out_classes(names, module, data, source)


def _foreign(
    module: ClassifierModule,
    temperature: Temperature,
    held_out: LightCurveBatch,
    unknown: dict[str, LightCurveBatch],
    seed: int,
) -> dict[str, Predictions]:
    """Predictions for what is nothing known: changed test objects, and unknown classes."""
    from sntorch.classification.evaluate.ood import FOREIGN

    made = {name: make(held_out, seed) for name, make in FOREIGN.items()}
    return {
        name: _predicted(module, temperature, batch) for name, batch in (made | unknown).items()
    }


def _positive(asked: str | None, classes: Sequence[str]) -> str:
    """The class that binary scores are of: the one asked for, SNe Ia, or the first."""
    if asked is not None and asked not in classes:
        raise ConfigError(f"positive={asked}: accepted are {', '.join(classes)}")
    return asked or ("Ia" if "Ia" in classes else classes[0])
