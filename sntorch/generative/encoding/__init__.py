"""What the networks see: light curves as rows of real numbers of order one, and back.

An encoding is fitted on training objects only and stored in the checkpoint. Its columns are those
of the rows view: F times, F values, F errors. ``MagnitudeEncoding`` makes impossible light curves
impossible: times are coded as increments (sorted whatever a network emits), errors as a logarithm
(positive), values as asinh magnitudes (any flux, negative ones too). ``MinMaxEncoding`` is that of
the seed talk.

Letters in shapes: ``B`` objects, ``L`` sequence steps, ``F`` bands.
"""

from sntorch.generative.encoding.base import RowEncoding
from sntorch.generative.encoding.magnitudes import MagnitudeEncoding, inverse_softplus
from sntorch.generative.encoding.minmax import MinMaxEncoding

__all__ = ["MagnitudeEncoding", "MinMaxEncoding", "RowEncoding", "inverse_softplus"]
