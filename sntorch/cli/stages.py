"""Progress of long steps on stderr."""

from __future__ import annotations

import sys
import time
from typing import Any

SAY_EVERY = 15.0


class Stages:
    """Progress of the steps of a run with the time left: a bar for each on a terminal, else a
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
