"""SuperNNova: a bidirectional LSTM over nights, plain, with variational dropout, or Bayesian.

Möller & de Boissière (2020, MNRAS 491, 4277, arXiv:1901.06384), after the authors' code: two
layers of 32 hidden units in each direction, the mean of the last layer over all nights, dropout
of 5 per cent, a linear layer. Inputs: see ``supernnova_inputs``; what is known besides (redshift)
stands beside every night. The variants:

* ``VariationalSuperNNova`` (Gal & Ghahramani 2016): inputs and what passes between layers are
  dropped with one mask a light curve, recurrent weights with one a batch;
* ``BayesianSuperNNova`` (Fortunato, Blundell & Vinyals 2017): every weight has a posterior, and
  KL(posterior | prior) / (number of training objects) is added to the cross-entropy.

Both draw at prediction too: the logits are the logarithm of the mean probability of ``n_samples``
draws, of which each is the same for all objects, so that a prediction is reproducible and does
not depend on what is predicted together with it.

Deviations: light curves are not cut at gaps above 150 d, and those of less than 3 nights are kept;
10 draws by default in place of 50; the divergence is estimated by a draw of its own rather than by
the one of the forward pass, which has the same mean.

Letters in shapes: ``B`` objects, ``N`` nights, ``C`` classes, ``S`` draws.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout

from sntorch.classification.base import ClassifierNetwork, appended
from sntorch.classification.networks.supernnova_inputs import NightInputs
from sntorch.data.batch import LightCurveBatch
from sntorch.data.nights import Nights, by_night, padded
from sntorch.nn.bayesian import BayesianLinear, BayesianLSTMLayer, ScaleMixture, posteriors
from sntorch.nn.dropout import DroppedLSTMLayer, LockedDropout
from sntorch.nn.groups import by_length
from sntorch.nn.lstm import BidirectionalLSTM, Change, LSTMLayer
from sntorch.nn.rnn import masked_mean

# Of the draws of a prediction.
SEED = 20_190_117


class SuperNNova(ClassifierNetwork):
    """The plain network.

    Args:
        bands: Names of the bands.
        n_classes: Number of classes C.
        n_context: Numbers of context.
        n_hidden: Hidden units of each direction.
        n_layers: Layers.
        dropout: Share left out between layers and before the last one.
        normalisation: Of fluxes and errors, see ``NightInputs``.
    """

    def __init__(
        self,
        bands: Sequence[str],
        n_classes: int,
        n_context: int = 0,
        n_hidden: int = 32,
        n_layers: int = 2,
        dropout: float = 0.05,
        normalisation: str = "global",
    ) -> None:
        super().__init__(bands, n_classes, n_context)
        self.dropout = dropout
        self.inputs = NightInputs(len(bands), normalisation)
        widths = [self.inputs.n_outputs + n_context] + [2 * n_hidden] * (n_layers - 1)
        self.lstm = BidirectionalLSTM([self._layer(width, n_hidden) for width in widths])
        self.head = self._head(2 * n_hidden, n_classes)

    def _layer(self, n_inputs: int, n_hidden: int) -> LSTMLayer:
        return LSTMLayer(n_inputs, n_hidden)

    def _head(self, n_inputs: int, n_classes: int) -> nn.Module:
        return nn.Linear(n_inputs, n_classes)

    def fit_inputs(self, batch: LightCurveBatch) -> None:
        """Fit the normalisation."""
        self.inputs.fit(batch)

    def forward(self, batch: LightCurveBatch, context: Tensor) -> Tensor:
        """Logits, shape (B, C)."""
        nights = padded(by_night(batch))

        def run(rows: Tensor, longest: int) -> Tensor:
            return self._logits(nights.part(rows, longest), context[rows])

        return by_length(run, nights.mask.sum(1), threads=not self.training)

    def _logits(self, nights: Nights, context: Tensor) -> Tensor:
        x, mask = self._read(nights, context)
        between: Change = partial(dropout, p=self.dropout, training=self.training)
        changes = [_unchanged] + [between] * (len(self.lstm.layers) - 1)
        pooled = masked_mean(self.lstm(x, mask.sum(1), changes), mask)
        return self.head(between(pooled))

    def _read(self, nights: Nights, context: Tensor) -> tuple[Tensor, Tensor]:
        return appended(self.inputs(nights), context), nights.mask


class _DrawnSuperNNova(SuperNNova):
    """A network of which each draw is another one.

    Args:
        n_samples: Draws S of a prediction; 0 predicts by the mean network.
    """

    def __init__(
        self,
        bands: Sequence[str],
        n_classes: int,
        n_context: int = 0,
        n_hidden: int = 32,
        n_layers: int = 2,
        dropout: float = 0.05,
        normalisation: str = "global",
        n_samples: int = 10,
    ) -> None:
        sizes = (n_hidden, n_layers, dropout, normalisation)
        super().__init__(bands, n_classes, n_context, *sizes)
        self.n_samples = n_samples

    def forward(self, batch: LightCurveBatch, context: Tensor) -> Tensor:
        """Logits, shape (B, C): of one draw while training, else of the mean probability."""
        if self.training or not self.n_samples:
            x, mask = self._read(padded(by_night(batch)), context)
            return self._once(x, mask, draw=self.training)
        return self.draws(batch, context, self.n_samples).log_softmax(-1).logsumexp(0)

    def draws(self, batch: LightCurveBatch, context: Tensor, n_samples: int) -> Tensor:
        """Logits of every draw, shape (S, B, C)."""
        x, mask = self._read(padded(by_night(batch)), context)
        devices = [x.device] if x.is_cuda else []
        with torch.random.fork_rng(devices):
            torch.manual_seed(SEED)
            return torch.stack([self._once(x, mask, draw=True) for _ in range(n_samples)])

    @abstractmethod
    def _once(self, x: Tensor, mask: Tensor, draw: bool) -> Tensor:
        """Logits (B, C) of one network, a random one if ``draw``, else the mean one."""


class VariationalSuperNNova(_DrawnSuperNNova):
    """With dropout whose masks are the same at all nights, drawn at prediction too.

    Arguments as of ``SuperNNova``, and ``n_samples``, draws of a prediction.
    """

    def _layer(self, n_inputs: int, n_hidden: int) -> LSTMLayer:
        return DroppedLSTMLayer(n_inputs, n_hidden, self.dropout)

    def _once(self, x: Tensor, mask: Tensor, draw: bool) -> Tensor:
        share = self.dropout if draw else 0.0
        *changes, last = (
            LockedDropout(share, not self.training) for _ in range(len(self.lstm.layers) + 1)
        )
        pooled = masked_mean(self.lstm(x, mask.sum(1), changes, draw), mask)
        return self.head(last(pooled[:, None])[:, 0])


class BayesianSuperNNova(_DrawnSuperNNova):
    """With a posterior of every weight.

    Arguments as of ``SuperNNova``, and ``n_samples``, draws of a prediction. ``dropout`` is none:
    the posterior takes its place.
    """

    n_objects: Tensor

    def __init__(
        self,
        bands: Sequence[str],
        n_classes: int,
        n_context: int = 0,
        n_hidden: int = 32,
        n_layers: int = 2,
        normalisation: str = "global",
        n_samples: int = 10,
    ) -> None:
        self.prior = ScaleMixture()
        sizes = (n_hidden, n_layers, 0.0, normalisation, n_samples)
        super().__init__(bands, n_classes, n_context, *sizes)
        self.register_buffer("n_objects", torch.ones(()))

    def _layer(self, n_inputs: int, n_hidden: int) -> LSTMLayer:
        return BayesianLSTMLayer(n_inputs, n_hidden, self.prior)

    def _head(self, n_inputs: int, n_classes: int) -> nn.Module:
        return BayesianLinear(n_inputs, n_classes, self.prior)

    def fit_inputs(self, batch: LightCurveBatch) -> None:
        """Fit the normalisation, and count training objects."""
        super().fit_inputs(batch)
        self.n_objects.fill_(len(batch))

    def auxiliary_loss(self, batch: LightCurveBatch, context: Tensor) -> Tensor:
        """Divergence of the posterior from the prior, a training object."""
        del batch, context
        total = torch.stack([part.divergence() for part in posteriors(self)]).sum()
        return total / self.n_objects

    def _once(self, x: Tensor, mask: Tensor, draw: bool) -> Tensor:
        changes = [_unchanged] * len(self.lstm.layers)
        pooled = masked_mean(self.lstm(x, mask.sum(1), changes, draw), mask)
        return self.head(pooled, draw)


def _unchanged(x: Tensor) -> Tensor:
    return x
