"""Numbers of successes in independent trials of unequal probability, several counters at once.

With one counter this is the Poisson-binomial distribution by the recursion
q_j <- q_j (1 - p_k) + q_{j-1} p_k over trials k (Barlow & Heidtmann 1984, IEEE Trans. Reliab.
R-33, 322). It is run backwards here, from the value of each final state to that of the empty one:
V_k(s) = Σ_outcomes p_k(outcome) V_{k+1}(s after outcome). That gathers instead of scattering, so
that objects with different trials share a batch, and the whole is done in logarithms, so that
tails do not underflow. Cost: T × outcomes × states for an object.

Letters in shapes: ``B`` objects, ``T`` trials, ``O`` outcomes of a trial, ``J`` counters, ``S``
states.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor


class StateSpace:
    """All combinations of what J counters can show.

    Args:
        most: Where each counter stops.
        nights: Whether each counts a night only once; such a counter has a further bit, that it
            has counted tonight.

    Attributes:
        size: S.
    """

    def __init__(self, most: Sequence[int], nights: Sequence[bool]) -> None:
        self.most, self.nights = list(most), list(nights)
        self.shape = [n + 1 for n in most] + [1 + once for once in nights]
        self.size = math.prod(self.shape)

    @cached_property
    def digits(self) -> list[Tensor]:
        """Number of each counter, then its bit of tonight, in every state, shape (S,) each."""
        state = torch.arange(self.size)
        later = [math.prod(self.shape[i + 1 :]) for i in range(len(self.shape))]
        return [state // step % n for step, n in zip(later, self.shape, strict=True)]

    @property
    def counts(self) -> list[Tensor]:
        """Number of each counter in every state, shape (S,) each."""
        return self.digits[: len(self.most)]

    def after(self, hits: Sequence[bool], night_begins: bool) -> Tensor:
        """The state that follows each state, shape (S,).

        Args:
            hits: Which counters are to count.
            night_begins: Whether the trial is the first of a night.
        """
        j = len(self.most)
        counts, tonight = list(self.digits[:j]), list(self.digits[j:])
        for i, hit in enumerate(hits):
            if night_begins:
                tonight[i] = torch.zeros_like(tonight[i])
            if hit:
                counts[i] = (counts[i] + 1 - tonight[i]).clamp(max=self.most[i])
                tonight[i] = torch.full_like(tonight[i], int(self.nights[i]))
        index = torch.zeros(self.size, dtype=torch.int64)
        for digit, n in zip([*counts, *tonight], self.shape, strict=True):
            index = index * n + digit
        return index


def log_expectation(
    space: StateSpace, log_p: Tensor, hits: Tensor, night_begins: Tensor, value: Tensor
) -> Tensor:
    """ln of the mean of a function of the final state, for every starting state, shape (B, S).

    Args:
        space: What is counted.
        log_p: ln of the probability of each outcome, shape (B, T, O).
        hits: Counters that an outcome makes count, shape (B, T, O, J), bool.
        night_begins: Whether each trial is the first of its night, shape (B, T), bool.
        value: ln of the function, shape (B, S); a large negative number, not -inf, for 0.
    """
    if not log_p.shape[1]:
        return value
    what = torch.cat([hits, night_begins[..., None, None].expand(*hits.shape[:-1], 1)], -1)
    bits = 2 ** torch.arange(what.shape[-1], device=what.device)
    codes, kind = (what * bits).sum(-1).unique(return_inverse=True)
    table = torch.stack([_next_state(space, int(code)) for code in codes]).to(value.device)
    for t in reversed(range(log_p.shape[1])):
        after = table[kind[:, t]].flatten(1)
        reached = value.gather(1, after).unflatten(1, (-1, space.size))
        value = (log_p[:, t, :, None] + reached).logsumexp(1)
    return value


def _next_state(space: StateSpace, code: int) -> Tensor:
    j = len(space.most)
    return space.after([bool(code >> i & 1) for i in range(j)], bool(code >> j & 1))
