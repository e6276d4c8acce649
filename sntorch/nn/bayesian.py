"""Layers whose weights have a posterior: Bayes by backprop.

Blundell et al. (2015, arXiv:1505.05424), for recurrent layers Fortunato, Blundell & Vinyals (2017,
arXiv:1704.02798): a weight is drawn once a batch, the same for all steps,

    w = μ + σ ε,  σ = log(1 + exp ρ),  ε ~ N(0, 1),    q(w) = N(μ, σ²),
    p(w) = π N(0, σ₁²) + (1 - π) N(0, σ₂²),

and log q(w) - log p(w) is an estimate of the Kullback-Leibler divergence from the prior.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, softplus

from sntorch.nn.lstm import LSTMLayer

HALF_LOG_TAU = 0.5 * math.log(2 * math.pi)


@dataclass(frozen=True)
class ScaleMixture:
    """A prior of two normals around zero, a wide and a narrow one.

    Args:
        share: π, weight of the wide one.
        log_wide: log σ₁.
        log_narrow: log σ₂.
    """

    share: float = 0.75
    log_wide: float = -1.0
    log_narrow: float = -7.0

    @property
    def deviation(self) -> float:
        """Standard deviation of the mixture."""
        wide, narrow = math.exp(2 * self.log_wide), math.exp(2 * self.log_narrow)
        return math.sqrt(self.share * wide + (1 - self.share) * narrow)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log density, of any shape."""
        wide = math.log(self.share) + _log_normal(value, self.log_wide)
        narrow = math.log1p(-self.share) + _log_normal(value, self.log_narrow)
        return torch.logaddexp(wide, narrow)


def _log_normal(value: Tensor, log_deviation: float) -> Tensor:
    scaled = value * math.exp(-log_deviation)
    return -0.5 * scaled.square() - log_deviation - HALF_LOG_TAU


class Posterior(nn.Module):
    """Mean and deviation of every element of a weight.

    Starts as in SuperNNova: μ ~ U(-0.05, 0.05), σ between a quarter and a third of the prior's.

    Args:
        shape: Of the weight.
        prior: Its prior.
    """

    def __init__(self, shape: tuple[int, ...], prior: ScaleMixture) -> None:
        super().__init__()
        self.prior = prior
        low, high = (math.log(math.expm1(prior.deviation / part)) for part in (4, 3))
        self.mean = nn.Parameter(torch.empty(shape).uniform_(-0.05, 0.05))
        self.rho = nn.Parameter(torch.empty(shape).uniform_(low, high))

    def forward(self, draw: bool) -> Tensor:
        """A draw, or the mean."""
        if not draw:
            return self.mean
        return self.mean + softplus(self.rho) * torch.randn_like(self.mean)

    def divergence(self) -> Tensor:
        """An estimate, by one draw, of the divergence from the prior."""
        deviation = softplus(self.rho)
        noise = torch.randn_like(self.mean)
        log_q = -0.5 * noise.square() - deviation.log() - HALF_LOG_TAU
        return (log_q - self.prior.log_prob(self.mean + deviation * noise)).sum()


class BayesianLSTMLayer(LSTMLayer):
    """A bidirectional LSTM layer with a posterior of every weight.

    Args:
        n_inputs: Inputs D.
        n_hidden: Hidden units H of each direction.
        prior: Of the weights.
    """

    def __init__(self, n_inputs: int, n_hidden: int, prior: ScaleMixture) -> None:
        self.prior = prior
        super().__init__(n_inputs, n_hidden)

    def add(self, name: str, shape: tuple[int, ...], n_hidden: int) -> None:
        """Register the posterior of one weight."""
        del n_hidden
        self.add_module(name, Posterior(shape, self.prior))

    def weight(self, name: str, draw: bool) -> Tensor:
        """One weight, drawn or its mean."""
        return self.get_submodule(name)(draw)


class BayesianLinear(nn.Module):
    """A linear layer with a posterior of weights and bias.

    Args:
        n_inputs: Input features.
        n_outputs: Output features.
        prior: Of the weights.
    """

    def __init__(self, n_inputs: int, n_outputs: int, prior: ScaleMixture) -> None:
        super().__init__()
        self.weight = Posterior((n_outputs, n_inputs), prior)
        self.bias = Posterior((n_outputs,), prior)

    def forward(self, x: Tensor, draw: bool) -> Tensor:
        """Outputs, shape (…, n_outputs), by one draw of the weights or their mean."""
        return linear(x, self.weight(draw), self.bias(draw))


def posteriors(module: nn.Module) -> Iterator[Posterior]:
    """All posteriors within a module."""
    return (part for part in module.modules() if isinstance(part, Posterior))
