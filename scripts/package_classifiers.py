"""Put trained classifiers of DES-mini into the package, with temperature, scores and card.

``scripts/bench/classification.py --save FOLDER`` trains and saves them; here the temperature is
fitted on the validation objects, the test objects give the scores of the card, and the folder goes
to ``sntorch/classification/models/NAME``::

    scripts/package_classifiers.py FOLDER/des_mini_supernnova_fast_seed0_fold0 des-supernnova
"""

from __future__ import annotations

import argparse
import sys
import warnings
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts" / "bench"))

from classification import logits  # noqa: E402
from classification_data import des_mini_data  # noqa: E402

from sntorch.classification.calibration import Temperature  # noqa: E402
from sntorch.classification.classifier import MODELS  # noqa: E402
from sntorch.classification.early import EPOCHS, WHOLE  # noqa: E402
from sntorch.classification.evaluate.report import evaluate_classifier  # noqa: E402
from sntorch.classification.module import ClassifierModule  # noqa: E402
from sntorch.classification.predictions import Predictions  # noqa: E402
from sntorch.data.batch import LightCurveBatch  # noqa: E402


def main() -> None:
    """Package what the options name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="of a trained classifier")
    parser.add_argument("name", help="by which it will be opened")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", category=FutureWarning)
    module, data = ClassifierModule.from_pretrained(options.folder), des_mini_data(seed=0)
    module.temperature = 1.0
    validation, held_out = data.val_batch(), data.test_batch()
    fitted = Temperature().fit(logits(module, validation), validation.label)
    module.temperature = float(fitted.temperature.detach())
    metrics = evaluate_classifier(
        {WHOLE: predicted(module, held_out)}
        | {epoch: predicted(module, epoch.cut(held_out)) for epoch in EPOCHS},
        train_counts=data.train_batch().label.bincount().numpy(),
    )
    module.save_pretrained(MODELS / options.name, metrics)
    print(MODELS / options.name)


def predicted(module: ClassifierModule, batch: LightCurveBatch) -> Predictions:
    """Calibrated probabilities."""
    return Predictions.of(batch, logits(module, batch).softmax(-1).numpy(), module.classes)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
