"""Selection: which of the simulated objects a survey would have kept."""

from sntorch.simulation.selection.base import Both, Cut, CutFlow, Not, Truth, passed
from sntorch.simulation.selection.counts import (
    CountCut,
    Counter,
    DetectionsAroundPeak,
    DetectionsInBands,
    MinDetections,
    PhaseCoverage,
)
from sntorch.simulation.selection.efficiencies import (
    Efficiency,
    EfficiencyTable,
    FunctionCut,
    MagnitudeLimit,
    PeakMagnitude,
    SpectroscopicEfficiency,
    WithinRange,
    salt_cut,
)
from sntorch.simulation.selection.fitted import SALTFitCut
from sntorch.simulation.selection.searcheff import (
    read_detection_efficiency,
    read_spectroscopic_efficiency,
)
from sntorch.simulation.selection.trigger import Trigger

__all__ = [
    "Both",
    "CountCut",
    "Counter",
    "Cut",
    "CutFlow",
    "DetectionsAroundPeak",
    "DetectionsInBands",
    "Efficiency",
    "EfficiencyTable",
    "FunctionCut",
    "MagnitudeLimit",
    "MinDetections",
    "Not",
    "PeakMagnitude",
    "PhaseCoverage",
    "SALTFitCut",
    "SpectroscopicEfficiency",
    "Trigger",
    "Truth",
    "WithinRange",
    "passed",
    "read_detection_efficiency",
    "read_spectroscopic_efficiency",
    "salt_cut",
]
