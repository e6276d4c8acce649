"""What the verbs of BayeSN share: model, light curves, device, the run's folder, figures."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sntorch.atomic import atomic_write
from sntorch.cli.report_files import write_events, write_images
from sntorch.errors import ConfigError, DataError

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from omegaconf import DictConfig

    from sntorch.bayesn import SEDModel

MODELS = "bayesn/t21, bayesn/m20, bayesn/w22, bayesn/foundation_griz, bayesn/yaml"
CONFIG = "config.yaml"


def published_model(cfg: DictConfig) -> SEDModel:
    """The SED model that ``model`` names, on the device that ``device`` names.

    Raises:
        ConfigError: Another kind of model, or no such device.
    """
    from hydra.utils import instantiate

    from sntorch.bayesn import SEDModel
    from sntorch.cli.runs import device

    sed = instantiate(cfg.model)
    if not isinstance(sed, SEDModel):
        found = cfg.model.get("_target_")
        raise ConfigError(f"model: {found} is no BayeSN model; accepted are {MODELS}")
    return sed.to(device(str(cfg.device)))


def given_light_curves(cfg: DictConfig, headers: Any, purpose: str) -> Any:
    """The light curves that ``data`` and ``files`` name.

    Args:
        cfg: With ``data`` and ``only_headers``.
        headers: Of ``read_headers``, or None.
        purpose: A word for the error where none are named: fit, train on.

    Raises:
        ConfigError: None are named.
    """
    from hydra.utils import instantiate

    from sntorch.bayesn.preparation import as_light_curves, find_header

    if "light_curves" not in cfg.data:
        raise ConfigError("data: a config with light_curves is accepted: files, foundation, …")
    if cfg.data.light_curves.get("path", "") is None:
        raise ConfigError(
            f"what to {purpose}? files=path (a file or a folder), or data=foundation"
        )
    loaded = instantiate(cfg.data.light_curves)
    curves = as_light_curves(loaded() if callable(loaded) else loaded)
    if cfg.only_headers:
        if headers is None:
            raise ConfigError("only_headers=true needs headers=table")
        curves = [lc for lc in curves if find_header(headers, lc)]
    return curves


def output_folder(out: str, task: str) -> Path:
    """The folder that ``out`` names; ``last`` is the newest of this task.

    Raises:
        DataError: There is none yet.
        ConfigError: No name of a folder.
    """
    if not out or Path(str(out)).is_file():
        raise ConfigError(f"out={out}: the name of a folder is accepted")
    if out != "last":
        return Path(str(out))
    runs = Path("outputs", task).glob(f"*/{CONFIG}")
    found = sorted(runs, key=lambda path: path.stat().st_mtime)
    if not found:
        raise DataError(f"out=last: no run in {Path('outputs', task)}")
    return found[-1].parent


def write_config(folder: Path, cfg: DictConfig) -> None:
    """Keep the composed config with the run: it is what ``out=last`` looks for."""
    from omegaconf import OmegaConf

    with atomic_write(folder / CONFIG) as draft:
        draft.write_text(OmegaConf.to_yaml(cfg, resolve=False))


def write_figures(folder: Path, figures: Iterable[tuple[str, Figure]]) -> None:
    """Every figure as a PNG in ``figures/``, and the same picture in TensorBoard."""
    write_events(folder, write_images(folder, figures), {})
