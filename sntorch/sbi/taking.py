"""Chosen ones of many observations."""

from __future__ import annotations

import copy
from typing import TypeVar

import numpy as np
from torch import Tensor

T = TypeVar("T")


def taken(whole: T, index: Tensor | slice, *names: str) -> T:
    """A copy of an object in which some attributes are those of chosen observations.

    Args:
        whole: Of B observations; it stays as it is, and shares all else with the copy, what it has
            cached of itself included.
        index: Which of them.
        names: Attributes: tensors or arrays, shape (B, …), or what has a ``take`` of its own.
    """
    part = copy.copy(whole)
    for name in names:
        value = getattr(whole, name)
        chosen = value[index] if isinstance(value, Tensor | np.ndarray) else value.take(index)
        # Of frozen dataclasses, too.
        object.__setattr__(part, name, chosen)
    return part
