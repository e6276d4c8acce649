"""The hierarchical SED model of SNe Ia."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sntorch.bayesn.posterior import Posterior
    from sntorch.bayesn.sed import SEDModel

__all__ = ["Posterior", "SEDModel"]
HOMES = {"SEDModel": "sntorch.bayesn.sed", "Posterior": "sntorch.bayesn.posterior"}


def __getattr__(name: str) -> object:
    """Import on first use: Pyro takes seconds."""
    from importlib import import_module

    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(HOMES[name]), name)
