"""``sntorch classify``: a trained classifier on files -> a table of class probabilities."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sntorch.cli.entry import hydra_main, told_warnings, whole_number
from sntorch.cli.outputs import refuse_existing
from sntorch.errors import ConfigError

if TYPE_CHECKING:
    from omegaconf import DictConfig

READING = ("format", "survey", "bands", "bad_rows", "strict")


@hydra_main("classify")
def main(cfg: DictConfig) -> None:
    """Classify as the config says."""
    from omegaconf import OmegaConf

    from sntorch.classification import Classifier
    from sntorch.classification.streaming import check_suffix
    from sntorch.cli.runs import device
    from sntorch.cli.stages import Stages

    settings: Any = OmegaConf.to_container(cfg, throw_on_missing=True)
    for name, least in (("samples", 0), ("seed", 0), ("batch_size", 1)):
        whole_number(cfg, name, least)
    out = Path(settings["out"])
    check_suffix(out)
    refuse_existing(out, settings["overwrite"])
    classifier = Classifier.from_pretrained(settings["ckpt"], device(str(settings["device"])))
    started = time.perf_counter()
    with told_warnings(), Stages() as stages:
        n = classifier.predict_files(
            settings["files"],
            out,
            epochs=days(settings["epochs"]),
            progress=lambda done, total: stages("classifying", done / total) if total else None,
            **{k: settings[k] for k in ("samples", "since", "sample_by", "seed", "batch_size")},
            **{k: settings[k] for k in READING},
        )
    elapsed = time.perf_counter() - started
    print(
        f"{out}: {n} light curves as {', '.join(classifier.classes)}, classified in "
        f"{elapsed:.1f} s ({n / elapsed:.0f} a second)"
    )


def days(epochs: Any) -> Sequence[float] | None:
    """Epochs as numbers; one number is a list of one.

    Raises:
        ConfigError: Something else.
    """
    if epochs is None:
        return None
    listed = epochs if isinstance(epochs, list) else [epochs]
    try:
        return [float(one) for one in listed]
    except (TypeError, ValueError) as error:
        raise ConfigError(f"epochs={epochs}: days are accepted, [0,5,10]") from error


if __name__ == "__main__":
    main()
