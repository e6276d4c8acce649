"""Results as numbers that JSON can hold."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch


def jsonable(value: Any) -> Any:
    """The same with numbers of Python, and None for NaN and infinity, which JSON does not have."""
    if isinstance(value, dict):
        return {key: jsonable(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(entry) for entry in value]
    if isinstance(value, np.ndarray):
        return jsonable(value.tolist())
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, float | np.floating | torch.Tensor):
        return float(value) if np.isfinite(float(value)) else None
    return value
