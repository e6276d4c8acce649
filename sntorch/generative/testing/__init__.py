"""The contracts of generators and their parts; inherit them through ``sntorch.testing``."""

from sntorch.generative.testing.adversaries import (
    CriticNetworkContract,
    GeneratorNetworkContract,
)
from sntorch.generative.testing.encodings import RowEncodingContract
from sntorch.generative.testing.models import GenerativeModelContract
from sntorch.generative.testing.velocities import VelocityNetworkContract

__all__ = [
    "CriticNetworkContract",
    "GenerativeModelContract",
    "GeneratorNetworkContract",
    "RowEncodingContract",
    "VelocityNetworkContract",
]
