"""The hierarchical SED model of SNe Ia: fits of single supernovae, and training on samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sntorch.bayesn.hierarchy import HierarchicalModel
    from sntorch.bayesn.populations import (
        Dust,
        DustRedshift,
        GlobalRV,
        MassSplit,
        MassSplitSED,
        Population,
        PopulationRV,
    )
    from sntorch.bayesn.posterior import Posterior
    from sntorch.bayesn.sample_settings import SampleSettings
    from sntorch.bayesn.sed import SEDModel
    from sntorch.bayesn.surfaces import FixedSED, TrainedSED
    from sntorch.bayesn.training import Trained, TrainingSettings, train
    from sntorch.bayesn.training_sample import TrainingSample

__all__ = [
    "Dust",
    "DustRedshift",
    "FixedSED",
    "GlobalRV",
    "HierarchicalModel",
    "MassSplit",
    "MassSplitSED",
    "Population",
    "PopulationRV",
    "Posterior",
    "SEDModel",
    "SampleSettings",
    "Trained",
    "TrainedSED",
    "TrainingSample",
    "TrainingSettings",
    "train",
]
POPULATIONS = "Dust DustRedshift GlobalRV MassSplit MassSplitSED Population PopulationRV"
MODULES = {
    "hierarchy": "HierarchicalModel",
    "populations": POPULATIONS,
    "posterior": "Posterior",
    "sample_settings": "SampleSettings",
    "sed": "SEDModel",
    "surfaces": "FixedSED TrainedSED",
    "training": "Trained TrainingSettings train",
    "training_sample": "TrainingSample",
}
HOMES = {
    name: f"sntorch.bayesn.{module}" for module, names in MODULES.items() for name in names.split()
}


def __getattr__(name: str) -> object:
    """Import on first use: Pyro takes seconds."""
    from importlib import import_module

    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(HOMES[name]), name)
