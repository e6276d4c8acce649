"""Draws of a classifier's logits: by dropout, and by weights that SWAG collected.

MC dropout (Gal & Ghahramani 2016, arXiv:1506.02142) leaves dropout on when predicting, and with
it whatever else of a network is random in training (weights drawn by Bayes by backprop, say);
batch normalisation stays as evaluated. SWAG: see ``sntorch.nn.swag``. A deep ensemble
(Lakshminarayanan et al. 2017, arXiv:1612.01474) needs no more than several trainings: see
``Classifier``.

Letters in shapes: ``S`` draws, ``B`` objects, ``C`` classes.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.dropout import _DropoutNd

from sntorch.classification.module import ClassifierModule
from sntorch.data.batch import LightCurveBatch
from sntorch.errors import ConfigError
from sntorch.nn.seeded import seeded

WAYS = ("dropout", "swag")


def sampled_logits(
    module: ClassifierModule,
    batch: LightCurveBatch,
    n: int,
    sample_by: str | None = None,
    seed: int = 0,
) -> Tensor:
    """Draws of the logits, shape (S, B, C).

    Args:
        module: A trained classifier.
        batch: The light curves.
        n: Number S of draws.
        sample_by: ``dropout`` or ``swag``; default: ``swag`` where it was collected.
        seed: Of the draws.

    Raises:
        ConfigError: Another way, or one that this classifier does not have.
    """
    chosen = sample_by or ("dropout" if module.swag is None else "swag")
    if chosen not in WAYS:
        raise ConfigError(f"sample_by={sample_by}: accepted are {', '.join(WAYS)}")
    draw = mc_dropout if chosen == "dropout" else swag_logits
    return draw(module, batch, n, seed)


def mc_dropout(module: ClassifierModule, batch: LightCurveBatch, n: int, seed: int = 0) -> Tensor:
    """Logits with random parts of the network left out, shape (S, B, C).

    Args:
        module: A trained classifier.
        batch: The light curves.
        n: Number S of draws.
        seed: Of the draws; the state of torch's generators is left as it was.

    Raises:
        ConfigError: Nothing in the network is random.
    """
    network = module.average.average
    with seeded(batch.device, seed), _random(network):
        draws = torch.stack([module.logits(batch, network) for _ in range(n)])
    if n > 1 and not _has_dropout(network) and bool((draws == draws[:1]).all()):
        raise ConfigError(
            f"{type(network).__name__} has no dropout and nothing else that is random: set "
            "samples=0, or train it with dropout or SWAG"
        )
    return draws


def swag_logits(module: ClassifierModule, batch: LightCurveBatch, n: int, seed: int = 0) -> Tensor:
    """Logits by sampled weights, the same for all batches, shape (S, B, C).

    Args:
        module: A trained classifier.
        batch: The light curves.
        n: Number S of draws.
        seed: Of the draws.

    Raises:
        ConfigError: No weights, or too few, were collected.
    """
    if module.swag is None:
        raise ConfigError(
            "no weights were collected for SWAG: train with the callback "
            "sntorch.callbacks.swag.CollectSwag, or use sample_by=dropout"
        )
    generator = torch.Generator().manual_seed(seed)
    network = copy.deepcopy(module.average.average).eval()
    draws = []
    for _ in range(n):
        module.swag.sample_into(network, generator)
        draws.append(module.logits(batch, network))
    return torch.stack(draws)


@contextmanager
def _random(network: nn.Module) -> Iterator[None]:
    """Training mode for all but batch normalisation, then the modes of before."""
    before = {module: module.training for module in network.modules()}
    try:
        for module in before:
            module.training = not isinstance(module, _NormBase)
        yield
    finally:
        for module, mode in before.items():
            module.training = mode


def _has_dropout(network: nn.Module) -> bool:
    return any(
        (isinstance(m, _DropoutNd) and m.p > 0) or (isinstance(m, nn.RNNBase) and m.dropout > 0)
        for m in network.modules()
    )
