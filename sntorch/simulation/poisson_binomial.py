"""Numbers of successes in independent trials of unequal probability, several counters at once.

With one counter this is the Poisson-binomial distribution by the recursion
q_j <- q_j (1 - p_k) + q_{j-1} p_k over trials k (Barlow & Heidtmann 1984, IEEE Trans. Reliab.
R-33, 322). It is run backwards here, from the value of each final state to that of the empty one:
V_k(s) = Σ_outcomes p_k(outcome) V_{k+1}(s after outcome). That gathers instead of scattering, so
that objects with different trials share a batch, and the whole is done in logarithms, so that
tails do not underflow. Cost: T × outcomes × states for an object, the states being those that can
be reached and that differ in what may follow (Moore 1956, minimal automata).

Letters in shapes: ``B`` objects, ``T`` trials, ``O`` outcomes of a trial, ``J`` counters, ``S``
states, ``P`` kinds of outcomes, ``L`` labels of final states.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property, reduce

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
    space: StateSpace,
    label: Tensor,
    log_p: Tensor,
    hits: Tensor,
    night_begins: Tensor,
    value: Tensor,
) -> Tensor:
    """ln of the mean of a function of the final state, starting from nothing counted, shape (B,).

    Args:
        space: What is counted.
        label: A number for each state, the same where the function is the same, shape (S,).
        log_p: ln of the probability of each outcome, shape (B, T, O).
        hits: Counters that an outcome makes count, shape (B, T, O, J), bool.
        night_begins: Whether each trial is the first of its night, shape (B, T), bool.
        value: ln of the function by label, shape (B, L); a large negative number for 0, not -inf.
    """
    what = torch.cat([hits, night_begins[..., None, None].expand(*hits.shape[:-1], 1)], -1)
    bits = 2 ** torch.arange(what.shape[-1], device=what.device)
    codes, kind = (what * bits).sum(-1).unique(return_inverse=True)
    follow = [_next_state(space, code) for code in codes.tolist()]
    table, label = minimal(torch.stack([torch.arange(space.size), *follow]), label)
    table, label = table[1:].to(value.device), label.to(value.device)
    value = value[:, label]
    for t in reversed(range(log_p.shape[1])):
        after = table[kind[:, t]].flatten(1)
        reached = value.gather(1, after).unflatten(1, (-1, len(label)))
        each = (log_p[:, t, :, None] + reached).unbind(1)
        value = reduce(torch.logaddexp, each)
    return value[:, 0]


def minimal(table: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
    """The smallest automaton that labels everything alike; state 0 stays the first.

    Args:
        table: The state after each state, shape (P, S).
        label: Label of each state, shape (S,).

    Returns:
        Both for the states that are left.
    """
    reached = torch.zeros(table.shape[1], dtype=torch.bool)
    new = torch.zeros(1, dtype=torch.int64)
    while len(new):
        reached[new] = True
        new = table[:, new].unique()
        new = new[~reached[new]]
    kept = reached.nonzero()[:, 0]
    table, label = (reached.cumsum(0) - 1)[table[:, kept]], label[kept]
    group, n = label, 0
    while (found := int(group.max()) + 1) > n:
        n = found
        # Together are left those of one group whose followers are of one group, kind by kind.
        for follower in group[table]:
            group = (group * n + follower).unique(return_inverse=True)[1]
    order = torch.arange(len(group), 0, -1) - 1
    # The first state of each group stands for it; the group of state 0 is to be the first.
    first = torch.zeros(n, dtype=torch.int64).scatter(0, group[order], order)
    first = first.sort().values
    number = torch.empty(n, dtype=torch.int64).scatter(0, group[first], torch.arange(n))
    return number[group[table[:, first]]], label[first]


def _next_state(space: StateSpace, code: int) -> Tensor:
    j = len(space.most)
    return space.after([bool(code >> i & 1) for i in range(j)], bool(code >> j & 1))
