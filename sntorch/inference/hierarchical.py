"""Hierarchical posteriors: parameters that all objects share, and each object's own.

Given the shared parameters φ the objects' own are independent, and nearly normal: a linear model
of the data gives their conditional posterior in closed form. ``Conditional`` moves a sampler in

    φ = m + L x_φ,     z_s = T_s(x_s; φ),

where T_s turns standard-normal x_s into that approximate conditional posterior. It is an exact
change of variables, Jacobian included, whatever the quality of the approximation; where it is
good, φ and the x_s are nearly independent, the funnels and the strong correlations of a
hierarchical model are gone, and so are trajectories of a thousand leapfrogs. Papaspiliopoulos et
al. (2007, doi:10.1214/088342307000000014) between centred and non-centred; here the data decide
for every object and direction.

Objects are done a block at a time, on several threads: memory stays bounded for any sample.

Letters in shapes: ``S`` objects, ``C`` chains, ``G`` shared and ``K`` own variables, ``D = G + S
K``.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol, Self

import torch
from torch import Tensor

from sntorch.inference.density import BatchedDensity

Shared = dict[str, Tensor]


class Block(Protocol):
    """Some of the objects.

    Attributes:
        rows: Which, shape (S',).
    """

    rows: Tensor

    def log_density(self, shared: Shared, z: Tensor) -> Tensor:
        """ln p of own variables z (S', C, K) and the data, given the shared: shape (C,)."""
        ...

    def whiten(self, shared: Shared, x: Tensor) -> tuple[Tensor, Tensor]:
        """z at standard-normal x (S', C, K), and ln |dz/dx|, shape (C,)."""
        ...

    def unwhiten(self, shared: Shared, z: Tensor) -> Tensor:
        """x of z, shape (S', C, K)."""
        ...


class Hierarchy(Protocol):
    """A hierarchical model.

    Attributes:
        n_shared: G.
        n_own: K.
        size: S.
    """

    n_shared: int
    n_own: int
    size: int

    def blocks(self, n_chains: int) -> Sequence[Block]:
        """All objects, each in one block, as many in each as suits so many chains."""
        ...

    def shared(self, phi: Tensor) -> tuple[Shared, Tensor]:
        """What objects need of unconstrained φ (C, G); ln prior with its Jacobian, (C,)."""
        ...


class HierarchicalDensity:
    """The joint density as one posterior of D unconstrained variables (B = 1).

    Args:
        hierarchy: The model.
        threads: Blocks that are done at once.
    """

    positive = False

    def __init__(self, hierarchy: Hierarchy, threads: int = 1) -> None:
        self.hierarchy = hierarchy
        self.size = hierarchy.size
        self.dim = hierarchy.n_shared + self.size * hierarchy.n_own
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None

    def __len__(self) -> int:
        return 1

    def take(self, index: Tensor) -> Self:
        """There is one posterior only."""
        return self

    def value_and_gradient(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """ln p (1, C) and its gradient (1, C, D) at z (1, C, D)."""
        phi, own = self.split(z[0])
        value, of_phi, of_own = self._differentiate(phi, own, _plain)
        return value[None], self.joined(of_phi, of_own)[None]

    def whitened_value_and_gradient(self, phi: Tensor, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """ln p of φ (C, G) and whitened x (S, C, K), and both gradients."""
        return self._differentiate(phi, x, _whitened)

    def whiten(self, phi: Tensor, x: Tensor) -> Tensor:
        """z (S, C, K) of φ (C, G) and whitened x (S, C, K)."""
        return self._map(phi, x, lambda block, shared, part: block.whiten(shared, part)[0])

    def unwhiten(self, phi: Tensor, z: Tensor) -> Tensor:
        """x (S, C, K) of φ (C, G) and own variables z (S, C, K)."""
        return self._map(phi, z, lambda block, shared, part: block.unwhiten(shared, part))

    def split(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """φ (C, G) and own variables (S, C, K) of variables (C, D)."""
        phi, own = z.split([self.hierarchy.n_shared, self.dim - self.hierarchy.n_shared], -1)
        return phi, own.unflatten(-1, (self.size, self.hierarchy.n_own)).transpose(0, 1)

    def joined(self, phi: Tensor, own: Tensor) -> Tensor:
        """Variables (C, D) of both."""
        return torch.cat([phi, own.transpose(0, 1).flatten(1)], -1)

    def _map(self, phi: Tensor, own: Tensor, apply: Any) -> Tensor:
        with torch.no_grad():
            shared, _ = self.hierarchy.shared(phi)
            result = torch.empty_like(own)
            for block in self.hierarchy.blocks(len(phi)):
                result[block.rows] = apply(block, shared, own[block.rows])
        return result

    def _differentiate(self, phi: Tensor, own: Tensor, term: Any) -> tuple[Tensor, Tensor, Tensor]:
        with torch.enable_grad():
            phi = phi.detach().requires_grad_()
            shared, prior = self.hierarchy.shared(phi)

        def of_block(block: Block) -> tuple[Tensor, dict[str, Tensor | None], Tensor]:
            # Threads begin without the caller's grad mode.
            with torch.enable_grad():
                # What no prior touches (a fixed surface) needs no gradient.
                leaves = {k: v.detach().requires_grad_(v.requires_grad) for k, v in shared.items()}
                part = own[block.rows].detach().requires_grad_()
                value = term(block, leaves, part)
                free = {k: v for k, v in leaves.items() if v.requires_grad}
                found = torch.autograd.grad(value.sum(), [*free.values(), part], allow_unused=True)
            return value.detach(), dict(zip(free, found[:-1], strict=True)), found[-1]

        blocks = self.hierarchy.blocks(len(phi))
        results = list((self._pool.map if self._pool else map)(of_block, blocks))
        value, of_own = prior.detach().clone(), torch.empty_like(own)
        sums: dict[str, Tensor] = {}
        for block, (part, by_shared, by_own) in zip(blocks, results, strict=True):
            value += part
            of_own[block.rows] = by_own
            for name, gradient in by_shared.items():
                if gradient is not None:
                    sums[name] = sums[name] + gradient if name in sums else gradient
        outputs = [prior, *(shared[k] for k in sums)]
        seeds = [torch.ones_like(prior), *sums.values()]
        (of_phi,) = torch.autograd.grad(outputs, phi, seeds, allow_unused=True)
        return value, of_phi, of_own


def _plain(block: Block, shared: Shared, z: Tensor) -> Tensor:
    return block.log_density(shared, z)


def _whitened(block: Block, shared: Shared, x: Tensor) -> Tensor:
    z, log_jacobian = block.whiten(shared, x)
    return block.log_density(shared, z) + log_jacobian


@dataclass(frozen=True, eq=False)
class Conditional:
    """Coordinates of a hierarchical posterior: φ by a dense normal, own variables whitened.

    Attributes:
        density: The posterior.
        mean: Of φ, shape (G,).
        scale_tril: Cholesky factor of its covariance, shape (G, G).
        own_mean, own_scale: Of the whitened variables, which should be 0 and 1, shape (S, K).
    """

    density: HierarchicalDensity
    mean: Tensor
    scale_tril: Tensor
    own_mean: Tensor
    own_scale: Tensor

    @classmethod
    def around(cls, density: HierarchicalDensity, mean: Tensor, scale_tril: Tensor) -> Self:
        """Coordinates with a normal in φ and nothing known of the objects' own."""
        zero = mean.new_zeros(density.size, density.hierarchy.n_own)
        return cls(density, mean, scale_tril, zero, torch.ones_like(zero))

    def outside(self, x: Tensor) -> Tensor:
        """See ``Coordinates``; B = 1."""
        phi, own = self._stretched(x)
        return self.density.joined(phi, self.density.whiten(phi, own))[None]

    def inside(self, z: Tensor) -> Tensor:
        """See ``Coordinates``; B = 1."""
        phi, own = self.density.split(z[0])
        x = self.density.unwhiten(phi, own)
        x = (x - self.own_mean[:, None]) / self.own_scale[:, None]
        moved = (phi - self.mean).T
        scores = torch.linalg.solve_triangular(self.scale_tril, moved, upper=False).T
        return self.density.joined(scores, x)[None]

    def evaluate(self, density: BatchedDensity, x: Tensor) -> tuple[Tensor, Tensor]:
        """See ``Coordinates``; the density is the one that the coordinates were made of."""
        phi, own = self._stretched(x)
        value, of_phi, of_own = self.density.whitened_value_and_gradient(phi, own)
        gradient = self.density.joined(of_phi @ self.scale_tril, of_own * self.own_scale[:, None])
        return value[None], gradient[None]

    def take(self, index: Tensor) -> Self:
        """There is one posterior only."""
        return self

    def _stretched(self, x: Tensor) -> tuple[Tensor, Tensor]:
        scores, own = self.density.split(x[0])
        phi = self.mean + scores @ self.scale_tril.T
        return phi, self.own_mean[:, None] + own * self.own_scale[:, None]
