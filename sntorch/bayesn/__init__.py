"""The hierarchical SED model of SNe Ia."""

from sntorch.physics.sed import SEDModel

__all__ = ["SEDModel"]
