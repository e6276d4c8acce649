"""The linear Gaussian model that objects share, against plain linear algebra and its gradient."""

import pytest
import torch
from torch import Tensor

from sntorch.inference.linear_gaussian import LinearGaussian, Solution

S, OBSERVATIONS, COLUMNS, FACTORED = 5, 9, 7, 4


class Problem:
    """A small model, and everything that it is asked with."""

    def __init__(self, n_chains: int, n_first: int, n_right: int, n_noise: int) -> None:
        generator = torch.Generator().manual_seed(3)

        def normal(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator, dtype=torch.float64)

        self.design = normal(S, OBSERVATIONS, COLUMNS)
        self.precision = 1 + torch.rand(n_first + FACTORED, generator=generator).double()
        self.n_first = n_first
        self.mixing = normal(n_chains, COLUMNS, n_first + n_right)
        self.factor = normal(n_chains, FACTORED, FACTORED).tril()
        self.noise = normal(n_chains, S, n_first + FACTORED, n_noise)
        self.model = LinearGaussian(self.design, FACTORED, self.precision, n_first)

    @property
    def inputs(self) -> list[Tensor]:
        return [v.clone().requires_grad_() for v in (self.mixing, self.factor, self.noise)]

    def square_root(self, mixing: Tensor, factor: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """R, Z and v, each (C, S, ...)."""
        design = self.design[None]
        first = design @ mixing[:, None, :, : self.n_first]
        columns = torch.cat([first, design[..., :FACTORED] @ factor[:, None]], -1)
        square = columns.mT @ columns + torch.diag(self.precision)
        right = design @ mixing[:, None, :, self.n_first :]
        return torch.linalg.cholesky(square), columns, right

    def plain(self, mixing: Tensor, factor: Tensor, noise: Tensor) -> Solution:
        root, columns, right = self.square_root(mixing, factor)
        projected = columns.mT @ right
        mean = torch.cholesky_solve(projected, root)
        return Solution(
            mean,
            torch.linalg.solve_triangular(root.mT, noise, upper=True),
            right.mT @ right - projected.mT @ mean,
            -root.diagonal(dim1=-2, dim2=-1).log().sum(-1),
        )


@pytest.fixture(params=[(1, 1, 3, 1), (3, 1, 3, 1), (2, 2, 4, 1), (1, 2, 2, 3)])
def problem(request: pytest.FixtureRequest) -> Problem:
    return Problem(*request.param)


def test_plain_linear_algebra(problem: Problem) -> None:
    ours, theirs = (f(*problem.inputs) for f in (problem.model.solve, problem.plain))
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-11)


def test_gradient_of_plain_linear_algebra(problem: Problem) -> None:
    found = []
    for solve in (problem.model.solve, problem.plain):
        inputs = problem.inputs
        # Every number of every result counts, each differently.
        total = torch.stack([(v.cos() * torch.arange(v.numel()).view(v.shape)).sum()
                             for v in solve(*inputs)]).sum()  # fmt: skip
        found.append(torch.autograd.grad(total, inputs))
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-8)


def test_gradcheck(problem: Problem) -> None:
    assert torch.autograd.gradcheck(lambda *x: tuple(problem.model.solve(*x)), problem.inputs)


def test_score_is_inverse(problem: Problem) -> None:
    solution = problem.model.solve(problem.mixing, problem.factor, problem.noise)
    score = problem.model.score(problem.mixing, problem.factor, solution.noise)
    torch.testing.assert_close(score, problem.noise)


def test_pieces_do_not_matter(problem: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = problem.model.solve(problem.mixing, problem.factor, problem.noise)
    monkeypatch.setattr("sntorch.inference.linear_gaussian.CACHED", 2 * len(problem.mixing))
    part = LinearGaussian(problem.design, FACTORED, problem.precision, problem.n_first)
    assert len(part.pieces(len(problem.mixing))) == 3
    for a, b in zip(whole, part.solve(problem.mixing, problem.factor, problem.noise), strict=True):
        torch.testing.assert_close(a, b)


def test_constant_matrices_leave_the_gradient_of_the_noise(problem: Problem) -> None:
    noise = problem.noise.clone().requires_grad_()
    solution = problem.model.solve(problem.mixing, problem.factor, noise)
    (ours,) = torch.autograd.grad(solution.noise.square().sum(), noise)
    root, _, _ = problem.square_root(problem.mixing, problem.factor)
    theirs = torch.linalg.solve_triangular(root, 2 * solution.noise.detach(), upper=False)
    torch.testing.assert_close(ours, theirs)
