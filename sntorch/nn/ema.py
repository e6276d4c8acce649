"""Exponential moving average of a network's weights."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


class AveragedModel(nn.Module):
    """A frozen copy of a network that follows its weights slowly.

    With decay d the average forgets over about 1 / (1 - d) updates. While it is young it follows
    faster, with decay (1 + t) / (10 + t) after t updates, so that the initial weights are soon
    forgotten.

    Args:
        model: The network to follow.
        decay: Share of the old average that an update keeps, in [0, 1).
    """

    average: Any
    updates: Tensor

    def __init__(self, model: nn.Module, decay: float = 0.998) -> None:
        super().__init__()
        if not 0 <= decay < 1:
            raise ValueError(f"decay must lie in [0, 1), found {decay}")
        self.average = copy.deepcopy(model).requires_grad_(False)
        self.decay = decay
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move the average towards the weights of ``model``; buffers are copied."""
        self.updates += 1
        age = int(self.updates)
        decay = min(self.decay, (1 + age) / (10 + age))
        mine: list[Tensor] = list(self.average.parameters())
        theirs: list[Tensor] = [p.detach() for p in model.parameters()]
        if mine:
            torch._foreach_lerp_(mine, theirs, 1 - decay)
        for own, new in zip(self.average.buffers(), model.buffers(), strict=True):
            own.copy_(new)

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Keep the averaged network in evaluation mode, so that several threads may run it."""
        before = self.average.training
        self.average.eval()
        try:
            yield
        finally:
            self.average.train(before)

    def forward(self, *args: object, **kwargs: object) -> Tensor:
        """Run the averaged network in evaluation mode, whatever mode it is in."""
        if not self.average.training:
            # Telling every part its mode takes as long as a small part takes to run.
            return self.average(*args, **kwargs)
        with self.evaluating():
            return self.average(*args, **kwargs)

    def extra_repr(self) -> str:
        """Show the decay."""
        return f"decay={self.decay}"
