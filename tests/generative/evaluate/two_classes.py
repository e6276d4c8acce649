"""Objects of two classes that differ in colour."""

from __future__ import annotations

from dataclasses import replace

import torch

from sntorch.data.batch import LightCurveBatch
from sntorch.testing import example_batch


def labelled(n: int, label: int, seed: int, scale: float) -> LightCurveBatch:
    """Objects of one class; the bands' fluxes differ by a factor that tells the class."""
    batch = example_batch(n, seed=seed)
    factor = torch.tensor([1.0, scale, scale**2], dtype=torch.float64)[batch.band]
    return replace(
        batch,
        flux=batch.flux * factor,
        label=torch.full((n,), label),
        classes=("II", "Ia"),
        object_id=[f"{label}_{name}" for name in batch.object_id],
    )
