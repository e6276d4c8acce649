"""The notebooks run from top to bottom, in their short mode."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
# Notebooks that read real light curves, or templates of supernovae.
REAL_DATA = {"bayesn_fit", "bayesn_train", "classify", "generate_and_augment"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebook_runs(path, tmp_path, monkeypatch, request):
    if path.stem in REAL_DATA:
        monkeypatch.setenv("SNTORCH_SHARED", str(request.getfixturevalue("shared")))
    monkeypatch.setenv("SNTORCH_EPOCHS", "2")
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    outputs = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
    assert any(outputs)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebook_is_stored_executed(path):
    cells = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    assert all(c.execution_count for c in cells), (
        f"{path.name}: run all its cells before committing"
    )
    assert any("image/png" in o.get("data", {}) for c in cells for o in c.outputs)
