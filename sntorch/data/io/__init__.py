"""Readers and writers: path <-> light curves."""

from sntorch.data.io.dispatch import FORMATS, guess_format, read, write
from sntorch.data.io.streaming import Stream

__all__ = ["FORMATS", "Stream", "guess_format", "read", "write"]
