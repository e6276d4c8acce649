"""Contract of a batched density: inherit it in your tests and give it your object.

Example:
    class TestMyDensity(BatchedDensityContract):
        def make(self):
            return my_density()
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from sntorch.inference.density import BatchedDensity

STEP = 1e-5


class BatchedDensityContract(ABC):
    """What every density does that a sampler moves in.

    ``make`` returns a density of two objects or more, in double precision.

    Attributes:
        tolerance: Of the gradient against differences, relative to its largest element.
    """

    tolerance = 1e-5

    @abstractmethod
    def make(self) -> BatchedDensity:
        """A density."""

    def make_points(self, density: BatchedDensity, n: int) -> Tensor:
        """n points of each object where the density is smooth, shape (B, n, D)."""
        generator = torch.Generator().manual_seed(1)
        shape = len(density), n, density.dim
        return 0.3 * torch.randn(shape, generator=generator, dtype=torch.float64)

    def test_value_and_gradient_have_a_row_for_every_point(self) -> None:
        """Shapes (B, C) and (B, C, D), finite, without a graph."""
        density = self.make()
        points = self.make_points(density, 3)
        value, gradient = density.value_and_gradient(points)
        assert isinstance(density, BatchedDensity)
        assert value.shape == (len(density), 3)
        assert gradient.shape == points.shape
        assert bool(value.isfinite().all() and gradient.isfinite().all())
        assert not value.requires_grad
        assert not gradient.requires_grad

    def test_gradient_is_that_of_the_value(self) -> None:
        """Central differences in every variable."""
        density = self.make()
        point = self.make_points(density, 1)
        _, gradient = density.value_and_gradient(point)
        moves = STEP * torch.eye(density.dim, dtype=point.dtype)
        up, _ = density.value_and_gradient(point + moves)
        down, _ = density.value_and_gradient(point - moves)
        found = (up - down) / (2 * STEP)
        error = (found - gradient[:, 0]).abs().amax(1)
        assert bool((error < self.tolerance * gradient.abs().amax((1, 2))).all())

    def test_points_do_not_disturb_each_other(self) -> None:
        """A point has the same value alone and among others."""
        density = self.make()
        points = self.make_points(density, 4)
        value, gradient = density.value_and_gradient(points)
        alone = [density.value_and_gradient(points[:, i : i + 1]) for i in range(4)]
        torch.testing.assert_close(value, torch.cat([v for v, _ in alone], 1), rtol=1e-9, atol=0)
        torch.testing.assert_close(gradient, torch.cat([g for _, g in alone], 1))

    def test_chosen_objects_are_those_of_the_whole(self) -> None:
        """``take`` in another order, and of what was taken."""
        density = self.make()
        points = self.make_points(density, 2)
        value, gradient = density.value_and_gradient(points)
        index = torch.tensor([len(density) - 1, 0])
        for part, chosen in (
            (density.take(index), index),
            (density.take(index).take(torch.tensor([1])), index[1:]),
        ):
            found = part.value_and_gradient(points[chosen])
            assert len(part) == len(chosen)
            assert part.dim == density.dim
            torch.testing.assert_close(found[0], value[chosen], rtol=1e-9, atol=0)
            torch.testing.assert_close(found[1], gradient[chosen])

    def test_parameters_have_a_row_for_every_point(self) -> None:
        """If the density names its parameters, each has shape (B, C, ...)."""
        density = self.make()
        constrain = getattr(density, "constrain", None)
        if constrain is None:
            return
        values = constrain(self.make_points(density, 3))
        assert values
        for name, value in values.items():
            assert value.shape[:2] == (len(density), 3), name
            assert bool(value.isfinite().all()), name
