"""Generative models of light curves."""

from sntorch.generative.base import GenerativeModel, Generator, find_checkpoint

__all__ = ["GenerativeModel", "Generator", "find_checkpoint"]
