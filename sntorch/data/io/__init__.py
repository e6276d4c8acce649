"""Readers and writers: path <-> light curves."""

from sntorch.data.io.dispatch import FORMATS, guess_format, read, write

__all__ = ["FORMATS", "guess_format", "read", "write"]
