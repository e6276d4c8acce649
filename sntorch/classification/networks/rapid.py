"""RAPID: class probabilities at every step of a grid of times about the trigger.

Muthukrishna et al. (2019, PASP 131, 118002, arXiv:1904.00014): values of every band on a grid of
3 d (see ``rapid_grid``) with what is known besides repeated at each step; two recurrent layers of
100 units that only look back, each followed by batch normalisation and dropout of 20 per cent; a
softmax at every step. ``core="tcn"`` is what the authors' repository has in place of the recurrent
layers: convolutions with dilations 1, 2, 4 and 8.

The steps that count are those from the trigger on, of which the network also knows what came
before the trigger. Before them stands one step that knows nothing but the context; it is the
answer for objects without a detection.

A step is complete, and has an answer that will not change, once a night at or after its time has
been seen. ``forward`` answers for the light curve as it is, by the first step after its last
night; so no observation waits for the next step.

Deviations: a step holds the last observation of each band with its error and age rather than an
interpolation, which sees the future (``interpolation="linear"`` for the paper's); fluxes are
scaled by typical errors, not by the distance; classes are those of the data, without
"pre-explosion"; batch normalisation counts valid steps only; the convolutions have ReLU in place
of sigmoids.

Letters in shapes: ``B`` objects, ``K`` steps of the grid, ``C`` classes, ``H`` units.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from sntorch.classification.base import StepNetwork, Steps, appended
from sntorch.classification.inputs import FEATURES, Photometry
from sntorch.classification.networks.rapid_grid import N_BEFORE, Grid, grid_of
from sntorch.data.batch import LightCurveBatch
from sntorch.data.nights import by_night, padded
from sntorch.errors import ConfigError
from sntorch.nn.conv import CausalConvolutions
from sntorch.nn.groups import steps_by_length
from sntorch.nn.normalisation import MaskedBatchNorm
from sntorch.nn.rnn import last_valid

CORES, INTERPOLATIONS = ("gru", "tcn"), ("last", "linear")


class RecurrentCore(nn.Module):
    """Recurrent layers, each with batch normalisation and dropout.

    Args:
        n_inputs: Numbers a step.
        n_hidden: Units H.
        n_layers: Layers.
        dropout: Share left out after each layer.
    """

    def __init__(self, n_inputs: int, n_hidden: int, n_layers: int, dropout: float) -> None:
        super().__init__()
        widths = [n_inputs] + [n_hidden] * (n_layers - 1)
        self.layers = nn.ModuleList(nn.GRU(n, n_hidden, batch_first=True) for n in widths)
        self.norms = nn.ModuleList(MaskedBatchNorm(n_hidden) for _ in widths)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Features of every step, shape (B, K, H), from it and those before."""
        n_alike = 0 if self.training else _alike(x)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = self.dropout(norm(_states(layer, x, n_alike), mask))
        return x


def _alike(x: Tensor) -> int:
    """Number of first steps at which all of ``x`` (B, K, D) are the same, but for the last."""
    return int((x == x[:1]).all(2).all(0)[:-1].int().cumprod(0).sum())


def _states(layer: nn.Module, x: Tensor, n_alike: int) -> Tensor:
    """States of a recurrent layer; the first steps are made once for all objects."""
    if not n_alike:
        return layer(x)[0]
    first, last = layer(x[:1, :n_alike])
    rest = layer(x[:, n_alike:], last.expand(-1, len(x), -1).contiguous())[0]
    return torch.cat([first.expand(len(x), -1, -1), rest], dim=1)


class ConvolutionalCore(CausalConvolutions):
    """Causal convolutions, called as ``RecurrentCore``."""

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Features of every step, shape (B, K, H); no step sees one that is not valid."""
        del mask
        return super().forward(x)


class RAPID(StepNetwork):
    """Logits after every third day.

    Args:
        bands: Names of the bands.
        n_classes: Number of classes C.
        n_context: Numbers of context.
        core: ``gru`` or ``tcn``.
        interpolation: ``last``, or ``linear``, which is the paper's and not causal.
        n_hidden: Units or filters H.
        n_layers: Layers of a recurrent core.
        dropout: Share left out after each layer.

    Raises:
        ConfigError: Another core or interpolation.
    """

    def __init__(
        self,
        bands: Sequence[str],
        n_classes: int,
        n_context: int = 0,
        core: str = "gru",
        interpolation: str = "last",
        n_hidden: int = 100,
        n_layers: int = 2,
        dropout: float = 0.2,
    ) -> None:
        super().__init__(bands, n_classes, n_context)
        _check("core", core, CORES)
        _check("interpolation", interpolation, INTERPOLATIONS)
        self.interpolation = interpolation
        self.photometry = Photometry(len(bands))
        n_inputs = len(bands) * (FEATURES + 2) + n_context
        if core == "gru":
            self.core: nn.Module = RecurrentCore(n_inputs, n_hidden, n_layers, dropout)
        else:
            self.core = ConvolutionalCore(n_inputs, n_hidden, dropout=dropout)
        self.head = nn.Linear(n_hidden, n_classes)

    def fit_inputs(self, batch: LightCurveBatch) -> None:
        """Fit the scale of fluxes."""
        self.photometry.fit(batch)

    def forward(self, batch: LightCurveBatch, context: Tensor) -> Tensor:
        """Logits by all that has been observed, shape (B, C)."""
        grid = self._grid(batch)
        logits = self._logits(grid, context)
        return last_valid(logits, 1 + grid.values.mask.sum(1))

    def steps(self, batch: LightCurveBatch, context: Tensor) -> Steps:
        """Logits before the trigger, and after every complete step from the trigger on."""
        grid = self._grid(batch)
        logits = self._logits(grid, context)
        counted = torch.cat([logits[:, :1], logits[:, 1 + N_BEFORE :]], dim=1)
        complete = pad(grid.complete[:, N_BEFORE:], (1, 0), value=True)
        first = grid.values.time[:, N_BEFORE : N_BEFORE + 1]
        return Steps(counted, complete, torch.cat([first, grid.values.time[:, N_BEFORE:]], 1))

    def _grid(self, batch: LightCurveBatch) -> Grid:
        return grid_of(padded(by_night(batch)), self.interpolation)

    def _logits(self, grid: Grid, context: Tensor) -> Tensor:
        """Of the step without photometry and all of the grid, shape (B, 1 + K, C).

        What is behind the last step that is used is of no meaning.
        """

        def run(rows: Tensor, longest: int) -> Tensor:
            return self._logits_of(grid.part(rows, longest - 1), context[rows])

        lengths, n_steps = 1 + grid.values.mask.sum(1), 1 + grid.values.mask.shape[1]
        # Objects that are seen late have many first steps alike, see ``RecurrentCore``.
        empty = (~grid.values.seen.any(-1)).int().cumprod(1).sum(1)
        order = empty.argsort()
        return steps_by_length(run, lengths, n_steps, threads=not self.training, order=order)

    def _logits_of(self, grid: Grid, context: Tensor) -> Tensor:
        seen = grid.values.seen[..., None]
        parts = [self.photometry(grid.values), grid.age[..., None], seen.float()]
        photometry = torch.cat(parts, dim=-1).flatten(2)
        x = appended(pad(photometry, (0, 0, 1, 0)), context)
        return self.head(self.core(x, pad(grid.values.mask, (1, 0), value=True)))


def _check(name: str, value: str, accepted: Sequence[str]) -> None:
    if value not in accepted:
        raise ConfigError(f"{name}={value}: accepted are {', '.join(accepted)}")
