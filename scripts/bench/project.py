"""What installing and importing costs."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterable

from table import Row, main


def rows(quick: bool) -> Iterable[Row]:
    """Import time, and the commands that print what takes longer."""
    repeats = 3 if quick else 10
    torch_alone, both = best("import torch", repeats), best("import torch, sntorch", repeats)
    extra = max(both - torch_alone, 0.0)
    yield Row(
        "ground",
        "import sntorch beyond import torch",
        "< 1 s",
        f"{extra:.2f} s",
        f"import torch {torch_alone:.2f} s",
        f"{both / torch_alone:.2f}",
        "yes" if extra < 1 else "no",
    )
    yield Row(
        "ground",
        "wheel in a clean environment; a user's network from an empty folder",
        "works",
        "pytest tests/test_wheel.py",
        met="run",
    )
    yield Row(
        "ground", "fresh clone to scored light curves", "< 10 min", "time make demo", met="run"
    )
    yield Row("ground", "fresh clone to tested", "< 10 min", "time make test", met="run")


def best(code: str, repeats: int) -> float:
    """Shortest wall time of a fresh interpreter that runs ``code``, s."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        times.append(time.perf_counter() - started)
    return min(times)


if __name__ == "__main__":
    main(rows)
