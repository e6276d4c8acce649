"""Generative models of light curves."""

from sntorch.checkpoints import find_checkpoint
from sntorch.generative.base import GenerativeModel, Generator

__all__ = ["GenerativeModel", "Generator", "find_checkpoint"]
