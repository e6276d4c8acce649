"""sntorch: supernova light curves in PyTorch: generate, classify, standardise, infer."""

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sntorch.data.batch import LightCurveBatch
    from sntorch.data.io import read
    from sntorch.data.light_curve import LightCurve, LightCurves

__all__ = ["LightCurve", "LightCurveBatch", "LightCurves", "read"]

try:
    __version__ = version("sntorch")
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"

_HOME = {
    "LightCurve": "sntorch.data.light_curve",
    "LightCurves": "sntorch.data.light_curve",
    "LightCurveBatch": "sntorch.data.batch",
    "read": "sntorch.data.io",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is asked for: ``import sntorch`` alone stays fast."""
    if name not in _HOME:
        raise AttributeError(f"module 'sntorch' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOME[name]), name)
