"""Contracts that every implementation keeps: inherit one in your tests and give it your object.

Example:
    class TestMyGenerator(GenerativeModelContract):
        def make(self):
            return my_trained_generator()
"""

from __future__ import annotations

from sntorch.bayesn.testing import DustPopulationContract
from sntorch.classification.testing import ClassifierNetworkContract
from sntorch.generative.testing import (
    CriticNetworkContract,
    GenerativeModelContract,
    GeneratorNetworkContract,
    RowEncodingContract,
    VelocityNetworkContract,
)
from sntorch.inference.testing import BatchedDensityContract
from sntorch.simulation.testing import (
    CutContract,
    DistributionContract,
    PopulationContract,
    SourceContract,
    SurveyContract,
    example_batch,
)

__all__ = [
    "BatchedDensityContract",
    "ClassifierNetworkContract",
    "CriticNetworkContract",
    "CutContract",
    "DistributionContract",
    "DustPopulationContract",
    "GenerativeModelContract",
    "GeneratorNetworkContract",
    "PopulationContract",
    "RowEncodingContract",
    "SourceContract",
    "SurveyContract",
    "VelocityNetworkContract",
    "example_batch",
]
