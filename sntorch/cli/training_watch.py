"""Scalars of a training for TensorBoard, while it runs."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sntorch.cli.report_files import TENSORBOARD

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

    from sntorch.bayesn.training import Status, Trained


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
