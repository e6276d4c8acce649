"""Batched fits of SALT2 and SALT3 to light curves."""

from sntorch.simulation.salt.fit import REASONS, SALTFit, fit_salt3
from sntorch.simulation.salt.loading import load_surfaces
from sntorch.simulation.salt.options import SALTOptions

__all__ = ["REASONS", "SALTFit", "SALTOptions", "fit_salt3", "load_surfaces"]
