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
    "SpectroscopicEfficiency",
    "Truth",
    "WithinRange",
    "passed",
    "salt_cut",
]
