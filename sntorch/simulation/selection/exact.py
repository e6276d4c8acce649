"""The exact probability that an object passes cuts on numbers of detections.

An epoch of true flux f and error σ has S/N ~ N(f/σ, 1), independent of the others, so that the
number of detections follows a Poisson-binomial distribution. Cuts count different observations
(a band, those before peak), above different thresholds, each night once or not: the state is one
number for every counter, each stopped where more makes no difference, and any combination of cuts
is a probability for each final state.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from sntorch.data.batch import LightCurveBatch
from sntorch.errors import ConfigError
from sntorch.simulation.poisson_binomial import StateSpace, log_expectation
from sntorch.simulation.selection.base import IMPOSSIBLE, Cut, Truth, log_complement
from sntorch.simulation.selection.counts import CountCut, Counter, night_of
from sntorch.simulation.selection.efficiencies import Efficiency

MOST_STATES = 100_000
# A threshold of -inf, which counts measurements, as a number that leaves gradients finite.
LOWEST_SNR = -1e6
BARELY_POSSIBLE = -1e10


def log_probability(cut: Cut, expected: LightCurveBatch, truth: Truth) -> Tensor:
    """ln of the probability to pass, shape (B,); see ``Cut.log_prob``."""
    leaves = list(dict.fromkeys(cut.leaves()))
    counted = [leaf for leaf in leaves if isinstance(leaf, CountCut)]
    latent = [leaf for leaf in leaves if leaf not in counted]
    counters = {leaf: leaf.counters(expected) for leaf in counted}
    every = [one for leaf in counted for one in counters[leaf]]
    space = StateSpace([one.most for one in every], [one.nights for one in every])
    if space.size > MOST_STATES:
        raise ConfigError(f"cut {cut}: {space.size} combinations of counts are too many")
    counts = iter(space.counts)
    passes = {leaf: leaf.accepts([next(counts) for _ in counters[leaf]]) for leaf in counted}
    verdicts = torch.stack([*passes.values(), torch.ones(space.size, dtype=torch.bool)])
    # Final states on which all cuts agree have one label.
    kinds, label = verdicts.unique(dim=1, return_inverse=True)
    values = {leaf: _log_efficiency(leaf, expected, truth)[:, None] for leaf in latent}
    for leaf, passing in zip(counted, kinds, strict=False):
        values[leaf] = torch.where(passing, 0.0, IMPOSSIBLE).to(expected.flux)
    accepted = cut.combine(values.__getitem__).expand(len(expected), kinds.shape[1])
    found = accepted[:, 0]
    if every:
        found = log_expectation(space, label, *_outcomes(every, expected), accepted)
    return torch.where(found > BARELY_POSSIBLE, found, -torch.inf)


def _log_efficiency(leaf: Cut, expected: LightCurveBatch, truth: Truth) -> Tensor:
    if not isinstance(leaf, Efficiency):
        raise ConfigError(
            f"cut {leaf}: its probability is not known in closed form; learn it from injections"
        )
    return leaf.log_efficiency(expected, truth).clamp(min=IMPOSSIBLE)


def _outcomes(
    counters: Sequence[Counter], expected: LightCurveBatch
) -> tuple[Tensor, Tensor, Tensor]:
    """What can happen at each epoch.

    Returns:
        ln of the probability that the S/N lies above exactly k thresholds, shape (B, T, K + 1);
        the counters that then count, shape (B, T, K + 1, J); whether a night begins, (B, T).
    """
    thresholds = sorted({max(one.snr, LOWEST_SNR) for one in counters})
    snr = torch.where(expected.mask, expected.flux / expected.flux_err, 0.0)
    above = [torch.special.log_ndtr(snr - limit) for limit in thresholds]
    log_p = [torch.special.log_ndtr(thresholds[0] - snr)]
    for low, high in pairwise(above):
        log_p.append(low + log_complement(high - low))
    log_p.append(above[-1])
    exceeded = torch.tensor([-math.inf, *thresholds], device=snr.device)
    hits = [one.members[..., None] & (exceeded >= max(one.snr, LOWEST_SNR)) for one in counters]
    night = night_of(expected)
    begins = torch.ones_like(expected.mask)
    begins[:, 1:] = night[:, 1:] != night[:, :-1]
    return torch.stack(log_p, -1), torch.stack(hits, -1), begins
