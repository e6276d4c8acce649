"""The data of a run, as its own config says, with the same split by object."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sntorch.errors import CheckpointError, ConfigError

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from sntorch.data.datamodule import LightCurveDataModule


def training_data(
    checkpoint: Path, files: str | None = None, trust: bool = False
) -> LightCurveDataModule:
    """The data module of the run that wrote a checkpoint, with the same split by object.

    Args:
        checkpoint: File or folder in ``<run>/checkpoints``.
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
    keep_bands(config, checkpoint)
    data = OmegaConf.select(config, "data")
    if not trust:
        _refuse_foreign_targets(OmegaConf.to_container(data, resolve=True), path)
    return instantiate(data)


def keep_bands(config: Any, checkpoint: Path) -> None:
    """Give the data the bands of a trained model, in its order, where the config names none.

    Args:
        config: Of a run; changed.
        checkpoint: Of the model: a file, or a folder.
    """
    from omegaconf import OmegaConf

    if OmegaConf.select(config, "data.bands", default="absent") is None:
        from sntorch.checkpoints import description
        from sntorch.pretrained import load_pretrained

        folder = checkpoint.is_dir()
        found = load_pretrained(checkpoint)[0] if folder else description(checkpoint, "network")
        OmegaConf.update(config, "data.bands", found.get("bands"))


def refuse_unread_files(config: DictConfig) -> None:
    """Light curves of one's own that a run would not look at are a mistake.

    Raises:
        ConfigError: ``files=`` was given, and the run's data are simulated.
    """
    from omegaconf import OmegaConf

    read = "${files}" in str(OmegaConf.to_container(config.data, resolve=False))
    if config.files is not None and not read:
        raise ConfigError(
            f"files={config.files}: this run simulates its light curves and would not read them; "
            "data=files, or an experiment of real light curves, does"
        )


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
