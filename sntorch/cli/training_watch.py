"""A training while it runs: progress on stderr, scalars for TensorBoard."""

from __future__ import annotations

import sys
import time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from sntorch.cli.bayesn_runs import TENSORBOARD

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

    from sntorch.bayesn.training import Status, Trained

SAY_EVERY = 15.0


class Stages:
    """Progress of the steps of a training with the time left: a bar for each on a terminal, else a
    line now and then.
    """

    def __init__(self) -> None:
        self.note = ""
        self._step = ""
        self._bar: Any = None
        self._task: Any = None
        self._said = time.monotonic()

    def __enter__(self) -> Stages:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            Progress,
            TaskProgressColumn,
            TextColumn,
            TimeRemainingColumn,
        )

        console = Console(stderr=True)
        if console.is_terminal:
            columns = (TextColumn("{task.description:>4}"), BarColumn(), TaskProgressColumn())
            note = TextColumn("{task.fields[note]}")
            self._bar = Progress(*columns, TimeRemainingColumn(), note, console=console)
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, step: str, done: float) -> None:
        """How much of a step is done, between 0 and 1."""
        if step != self._step:
            self._begin(step, done)
        if self._bar is not None:
            self._bar.update(self._task, completed=done, note=self.note)
        elif time.monotonic() - self._said > SAY_EVERY:
            self._said = time.monotonic()
            new = done - self._from
            left = (self._said - self._begun) * (1 - done) / new if new > 0 else 0.0
            words = [f"{step}: {done:.0%} done", f"{left:.0f} s left" if left else "", self.note]
            sys.stderr.write(", ".join(word for word in words if word) + "\n")

    def _begin(self, step: str, done: float) -> None:
        self._step, self._from, self._begun = step, done, time.monotonic()
        if self._bar is not None:
            if self._task is not None:
                self._bar.update(self._task, completed=1.0)
            self._task = self._bar.add_task(step, total=1.0, note="")


class Board:
    """Scalars of a training in TensorBoard, over the number of trajectories of each chain.

    What an earlier run of the same folder wrote is written anew: finished blocks are told again.

    Args:
        folder: Of the run.
        trajectories: Of each chain, warm-up included.
    """

    def __init__(self, folder: Path, trajectories: int) -> None:
        self._folder, self._trajectories = folder / TENSORBOARD, trajectories
        self._kept: dict[str, list[Tensor]] = {}

    def __enter__(self) -> Board:
        return self

    def __exit__(self, *_: object) -> None:
        if "_board" in vars(self):
            self._board.close()

    @cached_property
    def _board(self) -> SummaryWriter:
        """Opened at the first scalar: a run that is refused leaves nothing."""
        from torch.utils.tensorboard import SummaryWriter

        return SummaryWriter(str(self._folder), purge_step=0)

    def block(self, status: Status) -> str:
        """Write a block's scalars; in a few words how it went."""
        step = round(status.done * self._trajectories)
        for name in ("step_size", "acceptance", "leapfrogs", "divergences"):
            self._by_chain(f"sampler_{name}", getattr(status, name), step)
        for name, draws in status.parameters.items():
            self._by_chain(f"population_{name}", draws.mean(1), step)
        rhat = {} if status.warming else self._rhat(status.parameters)
        for name, value in rhat.items():
            self._board.add_scalar(f"rhat/{name}", value, step)
        self._board.flush()
        return _in_words(status, rhat)

    def bound(self, trained: Trained) -> None:
        """Write the evidence lower bound of the variational fit, where there was one."""
        for i, value in enumerate(trained.elbo.tolist() if trained.elbo is not None else ()):
            self._board.add_scalar("svi/elbo", value, i)

    def _by_chain(self, name: str, values: Tensor, step: int) -> None:
        for chain, value in enumerate(values.tolist()):
            self._board.add_scalar(f"{name}/chain_{chain}", value, step)

    def _rhat(self, parameters: dict[str, Tensor]) -> dict[str, float]:
        """R-hat of all draws so far; nothing where they are too few."""
        from sntorch.inference.diagnostics import rhat

        for name, draws in parameters.items():
            self._kept.setdefault(name, []).append(draws.cpu())
        found = {name: float(rhat(torch.cat(parts, 1))) for name, parts in self._kept.items()}
        return {name: value for name, value in found.items() if value == value}


def _in_words(status: Status, rhat: dict[str, float]) -> str:
    words = [
        "warm-up" if status.warming else "",
        f"{status.leapfrogs.mean():.0f} leapfrogs",
        f"acceptance {status.acceptance.mean():.2f}",
        f"R-hat {max(rhat.values()):.3f}" if rhat else "",
    ]
    return ", ".join(word for word in words if word)
