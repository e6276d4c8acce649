"""Simulated surveys: populations × sources × surveys × noise × selection -> light curves."""

from sntorch.simulation.cadences import Seasons, Visits, Weather
from sntorch.simulation.distributions import (
    Constant,
    Distribution,
    Exponential,
    LogNormal,
    Normal,
    SplitNormal,
    Uniform,
)
from sntorch.simulation.noise import NoiseModel
from sntorch.simulation.populations import (
    IndependentPopulation,
    Mixture,
    Population,
    core_collapse_mixture,
)
from sntorch.simulation.redshifts import PowerLawRate, StarFormationRate, VolumetricRedshift
from sntorch.simulation.resampled import ResampledSurvey
from sntorch.simulation.salt.source import SALTSource
from sntorch.simulation.sample import Injections, SimulatedSample
from sntorch.simulation.selection import (
    Cut,
    CutFlow,
    DetectionsAroundPeak,
    DetectionsInBands,
    EfficiencyTable,
    FunctionCut,
    MagnitudeLimit,
    MinDetections,
    PeakMagnitude,
    PhaseCoverage,
    SALTFitCut,
    SpectroscopicEfficiency,
    WithinRange,
    salt_cut,
)
from sntorch.simulation.simulate import Simulator, simulated_batch
from sntorch.simulation.sncosmo_source import TemplateSource
from sntorch.simulation.sources import BayeSNSource, Source
from sntorch.simulation.streams import Streams
from sntorch.simulation.surveys import BandDepth, Observations, ParametricSurvey, Survey

__all__ = [
    "BandDepth",
    "BayeSNSource",
    "Constant",
    "Cut",
    "CutFlow",
    "DetectionsAroundPeak",
    "DetectionsInBands",
    "Distribution",
    "EfficiencyTable",
    "Exponential",
    "FunctionCut",
    "IndependentPopulation",
    "Injections",
    "LogNormal",
    "MagnitudeLimit",
    "MinDetections",
    "Mixture",
    "NoiseModel",
    "Normal",
    "Observations",
    "ParametricSurvey",
    "PeakMagnitude",
    "PhaseCoverage",
    "Population",
    "PowerLawRate",
    "ResampledSurvey",
    "SALTFitCut",
    "SALTSource",
    "Seasons",
    "SimulatedSample",
    "Simulator",
    "Source",
    "SpectroscopicEfficiency",
    "SplitNormal",
    "StarFormationRate",
    "Streams",
    "Survey",
    "TemplateSource",
    "Uniform",
    "Visits",
    "VolumetricRedshift",
    "Weather",
    "WithinRange",
    "core_collapse_mixture",
    "salt_cut",
    "simulated_batch",
]
