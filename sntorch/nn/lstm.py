"""Bidirectional LSTM over padded sequences, with weights that may be drawn anew each time.

As everywhere in this package the backward direction starts at the last valid step, so that what
stands in the padding never changes a result. Sequences are run in a few groups of similar length:
light curves differ so much that most of a padded batch would be padding.

Letters in shapes: ``B`` objects, ``L`` steps, ``D`` inputs, ``H`` hidden units.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sntorch.nn.groups import steps_by_length
from sntorch.nn.rnn import reverse_valid

# More groups have less padding, but more steps; objects a group at least.
N_GROUPS, FEWEST = 4, 32

# What is done to a layer's input (B, L, D) before the layer.
Change = Callable[[Tensor], Tensor]


class LSTMWeights(NamedTuple):
    """Weights of one direction, gates in the order of ``nn.LSTM`` (i, f, g, o).

    Attributes:
        inputs: shape (4H, D).
        recurrent: shape (4H, H).
        bias: shape (4H,).
        recurrent_bias: shape (4H,).
    """

    inputs: Tensor
    recurrent: Tensor
    bias: Tensor
    recurrent_bias: Tensor


def lstm_shapes(n_inputs: int, n_hidden: int) -> dict[str, tuple[int, ...]]:
    """Shapes of the weights of one direction, by name."""
    n_gates = 4 * n_hidden
    shapes = (n_gates, n_inputs), (n_gates, n_hidden), (n_gates,), (n_gates,)
    return dict(zip(LSTMWeights._fields, shapes, strict=True))


class LSTMLayer(nn.Module):
    """Parameters of both directions of a layer; subclasses draw or drop them.

    Args:
        n_inputs: Inputs D.
        n_hidden: Hidden units H of each direction.
    """

    def __init__(self, n_inputs: int, n_hidden: int) -> None:
        super().__init__()
        for direction in ("ahead", "behind"):
            for name, shape in lstm_shapes(n_inputs, n_hidden).items():
                self.add(f"{direction}_{name}", shape, n_hidden)

    def add(self, name: str, shape: tuple[int, ...], n_hidden: int) -> None:
        """Register one weight, U(-1/√H, 1/√H) as in ``nn.LSTM``."""
        bound = n_hidden**-0.5
        self.register_parameter(name, nn.Parameter(torch.empty(shape).uniform_(-bound, bound)))

    def weight(self, name: str, draw: bool) -> Tensor:
        """One weight; ``draw`` says whether one that is random is to be drawn."""
        del draw
        return self.get_parameter(name)

    def weights(self, draw: bool) -> tuple[LSTMWeights, LSTMWeights]:
        """Weights of the forward and the backward direction."""
        names = LSTMWeights._fields
        ahead, behind = (
            LSTMWeights(*(self.weight(f"{direction}_{name}", draw) for name in names))
            for direction in ("ahead", "behind")
        )
        return ahead, behind


class BidirectionalLSTM(nn.Module):
    """Layers of an LSTM in both directions; each layer sees both directions of the one below.

    Args:
        layers: The layers, the first with D inputs, the others with 2H.
    """

    def __init__(self, layers: Sequence[LSTMLayer]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(
        self, x: Tensor, lengths: Tensor, changes: Sequence[Change], draw: bool = False
    ) -> Tensor:
        """States of the last layer at every step, shape (B, L, 2H).

        Args:
            x: Padded sequences, shape (B, L, D), finite.
            lengths: Valid steps, shape (B,).
            changes: What is done to the input of each layer, e.g. dropout.
            draw: Whether random weights are drawn, once for all sequences.
        """
        weights = [layer.weights(draw) for layer in self.layers]  # pyright: ignore[reportCallIssue]

        def run(rows: Tensor, longest: int) -> Tensor:
            return _run(x[:, :longest][rows], lengths[rows], weights, changes)

        n_groups = min(N_GROUPS, max(len(x) // FEWEST, 1))
        return steps_by_length(run, lengths, x.shape[1], -(-len(x) // n_groups))


def _run(
    x: Tensor,
    lengths: Tensor,
    weights: Sequence[tuple[LSTMWeights, LSTMWeights]],
    changes: Sequence[Change],
) -> Tensor:
    for (ahead, behind), change in zip(weights, changes, strict=True):
        x = change(x)
        backwards = _one_direction(reverse_valid(x, lengths), behind)
        x = torch.cat([_one_direction(x, ahead), reverse_valid(backwards, lengths)], dim=-1)
    return x


def _one_direction(x: Tensor, weights: LSTMWeights) -> Tensor:
    start = x.new_zeros(1, len(x), weights.recurrent.shape[1])
    return torch.lstm(
        x, (start, start), list(weights), True, 1, 0.0, False, False, batch_first=True
    )[0]
