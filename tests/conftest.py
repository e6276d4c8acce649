"""Fixtures that all tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


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
