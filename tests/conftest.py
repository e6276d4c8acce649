"""Fixtures that all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Before PyTorch is imported, here and in processes that tests start: tests run side by side, and with as
# many threads as cores in each of them they wait for one another. Sums of floats are then in the same
# order everywhere, too.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's root."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real data and reference numbers ($SNTORCH_SHARED, or ``shared`` beside the clone)."""
    folder = Path(os.environ.get("SNTORCH_SHARED", ROOT.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"no real data in {folder}: set SNTORCH_SHARED to the folder that holds data/")
    os.environ.setdefault("SNCOSMO_DATA_DIR", str(folder / "data" / "sncosmo"))
    return folder
