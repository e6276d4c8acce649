"""How long something took."""

from __future__ import annotations

import time


class Clock:
    """Starts when it is made."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def seconds(self) -> tuple[float, float]:
        """Wall seconds and CPU seconds of this process since."""
        return time.perf_counter() - self._wall, time.process_time() - self._cpu
