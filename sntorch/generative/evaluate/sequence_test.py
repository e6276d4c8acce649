"""Can a recurrent network tell generated from real light curves?

The classifier two-sample test on whole light curves instead of features: a small bidirectional
GRU reads the encoded rows (time steps, phases, asinh magnitudes and their changes, log errors,
mask), trained on one half of the objects and tested on the other. Part of the training half
decides when to stop. Several splits give several results; how they make one AUC and one p-value is
told in ``two_sample``.
"""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from sntorch.data.batch import LightCurveBatch
from sntorch.generative.encoding import MagnitudeEncoding
from sntorch.generative.evaluate.two_sample import Part, summarise
from sntorch.generative.noise import seeded

N_HIDDEN = 64
BATCH_SIZE = 64
LEARNING_RATE = 3e-3
MOST_EPOCHS = 40
PATIENCE = 6
VALIDATION_SHARE = 0.2


class SequenceClassifier(nn.Module):
    """A bidirectional GRU, its states averaged and maximised over the steps that exist.

    Args:
        n_features: Numbers in a step.
        n_hidden: Width of the GRU in each direction.
    """

    def __init__(self, n_features: int, n_hidden: int = N_HIDDEN) -> None:
        super().__init__()
        self.gru = nn.GRU(n_features, n_hidden, batch_first=True, bidirectional=True)
        self.head = nn.Sequential(
            nn.Linear(4 * n_hidden, n_hidden), nn.ReLU(), nn.Linear(n_hidden, 1)
        )

    def forward(self, x: Tensor, steps: Tensor) -> Tensor:
        """Logit of being generated, shape (B,).

        Args:
            x: Rows, shape (B, L, D).
            steps: True where an object has the step, shape (B, L).
        """
        states, _ = self.gru(x)
        there = steps[..., None]
        mean = torch.where(there, states, 0.0).sum(1) / there.sum(1).clamp(min=1)
        # States lie in (-1, 1): an object without any step has a maximum of -1.
        largest = torch.where(there, states, -1.0).amax(1)
        return self.head(torch.cat([mean, largest], dim=-1)).squeeze(-1)


def sequence_test(
    generated: LightCurveBatch,
    real: LightCurveBatch,
    encoding: MagnitudeEncoding,
    seed: int,
    n_seeds: int = 3,
    n_resamples: int = 200,
) -> dict[str, Any]:
    """Train ``n_seeds`` classifiers, each on a split of its own.

    Args:
        generated: Light curves, N of them.
        real: Real ones, M (about N) of them.
        encoding: Fitted to the training set.
        seed: Seed of splits and networks; the global random stream is left as it was.
        n_seeds: Number of splits.
        n_resamples: Resamples of the interval.

    Returns:
        ``auc``, ``auc_interval``, ``p_value``, ``discriminative`` as in ``two_sample``.
    """
    data = _rows(generated, real, encoding)
    halves = []
    for k in range(n_seeds):
        with seeded(torch.device("cpu"), seed, k):
            halves.append(_one_split(*data))
    return summarise(halves, seed, n_resamples)


def _rows(
    generated: LightCurveBatch, real: LightCurveBatch, encoding: MagnitudeEncoding
) -> tuple[Tensor, Tensor, Tensor]:
    """Rows (B, L, D), steps (B, L) and label (B,) of both samples, padded to one length."""
    parts = [_columns(batch, encoding) for batch in (generated, real)]
    longest = max(x.shape[1] for x, _ in parts)
    x = torch.cat([nn.functional.pad(x, (0, 0, 0, longest - x.shape[1])) for x, _ in parts])
    steps = torch.cat([nn.functional.pad(m, (0, longest - m.shape[1])) for _, m in parts])
    label = torch.cat([torch.ones(len(generated)), torch.zeros(len(real))])
    return x, steps, label


def _columns(batch: LightCurveBatch, encoding: MagnitudeEncoding) -> tuple[Tensor, Tensor]:
    """Encoded rows, phases, changes of magnitude since the step before, mask; and the steps."""
    x, mask = encoding.encode(batch.to("cpu"))
    phase = torch.where(mask, encoding.phase(x), 0.0)
    value = x[..., encoding.n_bands : 2 * encoding.n_bands]
    # Scatter about a smooth curve is small beside the curve itself, and would be learned last.
    change = torch.where(mask[:, 1:], value.diff(dim=1), 0.0)
    change = nn.functional.pad(change, (0, 0, 1, 0))
    return torch.cat([x, phase, change, mask.to(x.dtype)], dim=-1), mask.any(-1)


def _one_split(x: Tensor, steps: Tensor, label: Tensor) -> Part:
    """What a classifier says of the test half."""
    train, stop, test = _split(label)
    model = SequenceClassifier(x.shape[-1])
    _train(model, (x, steps, label), train, stop)
    with torch.no_grad():
        scores = model(x[test], steps[test]).sigmoid().double()
    return Part.of(np.asarray(scores), np.asarray(test), int(label.sum()))


def _split(label: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Objects to train on, to stop by and to test on, with the same share of both samples."""
    parts: list[list[Tensor]] = [[], [], []]
    for kind in (1, 0):
        members = (label == kind).nonzero().squeeze(1)
        order = members[torch.randperm(len(members))]
        half = len(order) // 2
        stop = max(round(VALIDATION_SHARE * half), 1)
        for part, chosen in zip(
            parts, order.split([half - stop, stop, len(order) - half]), strict=True
        ):
            part.append(chosen)
    train, stop, test = (torch.cat(part) for part in parts)
    return train, stop, test


def _train(
    model: SequenceClassifier,
    data: tuple[Tensor, Tensor, Tensor],
    train: Tensor,
    stop: Tensor,
) -> None:
    """Train until the loss of the objects to stop by no longer falls; keep the best weights."""
    x, steps, label = data
    optimiser = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    best, kept, waited = float("inf"), copy.deepcopy(model.state_dict()), 0
    for _ in range(MOST_EPOCHS):
        for chosen in train[torch.randperm(len(train))].split(BATCH_SIZE):
            loss = binary_cross_entropy_with_logits(model(x[chosen], steps[chosen]), label[chosen])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        with torch.no_grad():
            now = binary_cross_entropy_with_logits(model(x[stop], steps[stop]), label[stop])
        waited += 1
        if float(now) < best:
            best, kept, waited = float(now), copy.deepcopy(model.state_dict()), 0
        if waited == PATIENCE:
            break
    model.load_state_dict(kept)
