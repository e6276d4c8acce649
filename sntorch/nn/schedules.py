"""Learning rate over a training, as a share of the largest."""

from __future__ import annotations

import math

from sntorch.errors import ConfigError

NAMES = ("one_cycle", "cosine", "constant")
WARM_UP, FIRST = 0.2, 0.04


def rate_at(progress: float, schedule: str) -> float:
    """Learning rate over its largest value.

    Args:
        progress: Share of the training that is done, 0 to 1.
        schedule: ``one_cycle`` (a rise, then a cosine down to zero; Smith & Topin 2017,
            arXiv:1708.07120), ``cosine`` or ``constant``.

    Raises:
        ConfigError: Another schedule.
    """
    progress = min(max(progress, 0.0), 1.0)
    if schedule == "constant":
        return 1.0
    if schedule == "cosine":
        return _falling(progress)
    if schedule != "one_cycle":
        raise ConfigError(f"schedule={schedule}: accepted are {', '.join(NAMES)}")
    if progress < WARM_UP:
        return FIRST + (1 - FIRST) * progress / WARM_UP
    return _falling((progress - WARM_UP) / (1 - WARM_UP))


def _falling(progress: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * progress))
