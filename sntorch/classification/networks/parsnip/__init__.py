"""ParSNIP, a generative model of light curves and a classifier on what it finds in them."""

from sntorch.classification.networks.parsnip.network import Parsnip

__all__ = ["Parsnip"]
