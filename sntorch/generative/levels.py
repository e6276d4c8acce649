"""How bright generated objects are: a smoothed bootstrap of the training objects' levels.

The brightness level of an object is the mean of its encoded values; a generator makes the light
curve around it. The level of a training object is taken, brought to the asked properties by a
linear regression, and moved by a random amount (a smoothed bootstrap, Silverman & Young 1987), so
that no level is repeated.

Letters in shapes: ``B`` objects, ``N`` training objects, ``P`` numbers an object, ``C`` classes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sntorch.generative.conditions import Conditions

# Pulls the slopes of few objects towards none, as so many further objects without any would.
RIDGE = 1.0


class LevelPrior(nn.Module):
    """The brightness levels of a training set, given class and numbers.

    Levels follow the numbers with one slope for all classes, around a mean of each class.

    Args:
        levels: Brightness levels of the training objects, shape (N,).
        conditions: Their properties.
    """

    levels: Tensor
    group: Tensor
    scaled: Tensor
    slope: Tensor
    centre: Tensor
    spread: Tensor
    width: Tensor

    def __init__(self, levels: Tensor, conditions: Conditions) -> None:
        super().__init__()
        self.register_buffer("levels", levels)
        self._derived("group", _groups(conditions, conditions.label))
        self._derived("scaled", conditions.scaled(conditions.numbers).to(levels))
        self._fit(len(conditions.classes) + 1)

    def smooth(
        self, conditions: Conditions, levels: Tensor, label: Tensor, numbers: Tensor, noise: Tensor
    ) -> Tensor:
        """Levels moved by standard normal ``noise`` without widening their distribution.

        The kernel's width shrinks with the cube root of the number of objects of a class, which
        suits a distribution function (it estimates that rather than a density).

        Args:
            conditions: Of the training objects.
            levels: Levels, shape (B,).
            label: Classes, shape (B,).
            numbers: Numbers, shape (B, P).
            noise: Standard normal numbers, shape (B,).
        """
        x = conditions.scaled(numbers).to(levels)
        return self._smoothed(levels, _groups(conditions, label), x, noise)

    def draw(
        self, conditions: Conditions, picked: Tensor, numbers: Tensor, noise: Tensor
    ) -> Tensor:
        """New levels, shape (B,), like those of training objects.

        Args:
            conditions: Of the training objects.
            picked: Training objects to be like, shape (B,).
            numbers: Numbers that the new objects have, shape (B, P).
            noise: Standard normal numbers, shape (B,).
        """
        x = conditions.scaled(numbers).to(noise)
        # Where a number is unknown, so is the difference that it makes.
        both = numbers.isfinite() & conditions.numbers[picked].isfinite()
        change = torch.where(both, x - self.scaled[picked], 0.0)
        x = self.scaled[picked] + change
        levels = self.levels[picked] + change @ self.slope
        return self._smoothed(levels, self.group[picked], x, noise)

    def _smoothed(self, levels: Tensor, group: Tensor, x: Tensor, noise: Tensor) -> Tensor:
        expected = self.centre[group] + x @ self.slope
        width, spread = self.width[group], self.spread[group]
        moved = levels - expected + width * spread * noise
        return expected + moved / (1 + width**2).sqrt()

    def _fit(self, n_groups: int) -> None:
        ones = torch.ones_like(self.levels)
        counts = ones.new_zeros(n_groups).index_add(0, self.group, ones)

        def mean(values: Tensor) -> Tensor:
            total = values.new_zeros(n_groups, *values.shape[1:]).index_add(0, self.group, values)
            return total / counts.clamp(min=1).reshape(-1, *[1] * (values.dim() - 1))

        x_mean, mean_level = mean(self.scaled), mean(self.levels)
        x, y = self.scaled - x_mean[self.group], self.levels - mean_level[self.group]
        unit = torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
        self._derived("slope", torch.linalg.solve(x.T @ x + RIDGE * unit, x.T @ y))
        self._derived("centre", mean_level - x_mean @ self.slope)
        self._derived("spread", mean((y - x @ self.slope).square()).sqrt())
        self._derived("width", counts.clamp(min=1) ** (-1 / 3))

    def _derived(self, name: str, value: Tensor) -> None:
        self.register_buffer(name, value, persistent=False)


def _groups(conditions: Conditions, label: Tensor) -> Tensor:
    """Place of each object's class, unknown ones last, shape (B,)."""
    return torch.where(label < 0, len(conditions.classes), label)
