"""SALT2 and SALT3: batched fits to light curves, and a source of simulated ones."""

from sntorch.simulation.salt.fit import fit_salt3
from sntorch.simulation.salt.loading import load_surfaces
from sntorch.simulation.salt.options import SALTOptions
from sntorch.simulation.salt.result import REASONS, SALTFit
from sntorch.simulation.salt.source import SALTSource

__all__ = ["REASONS", "SALTFit", "SALTOptions", "SALTSource", "fit_salt3", "load_surfaces"]
