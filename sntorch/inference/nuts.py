"""The No-U-Turn sampler for many independent posteriors, several chains each, side by side.

Hoffman & Gelman (2014, arXiv:1111.4246) with multinomial sampling and the generalised U-turn
criterion of Betancourt (2017, arXiv:1701.02434); trees grow leaf by leaf with O(depth) memory, as
in Phan et al. (2019, arXiv:1912.11554). Deviation: chains do not wait for each other. A call of
the density makes one leapfrog step in every chain; a chain whose tree is finished keeps its draw
and begins the next trajectory at once, so that deep trees of some objects cost the others nothing.

A step looks at no value on the host: masks stand in place of branches.

Letters in shapes: ``B`` objects, ``C`` chains, ``D`` variables, ``K`` checkpoints of a tree.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Self

import torch
from torch import Tensor

from sntorch.inference.adaptation import StepSize
from sntorch.inference.coordinates import Coordinates
from sntorch.inference.density import BatchedDensity

DIVERGENT = 1000.0
LOOK_EVERY = 16
COMPACT = 0.7
LARGEST_ANGLE = math.pi / 3
X, GRADIENT, MOMENTUM = 0, 1, 2


@dataclass(eq=False)
class Chains:
    """All chains' trees; shape (B, C), or as said.

    Attributes:
        current: Position, gradient and momentum of the end that grows, (B, C, 3, D).
        left, right: The tree's ends, (B, C, 3, D).
        direction: +1 or -1.
        energy: Log-joint density where the trajectory began.
        proposal: Position and gradient of the draw, if the tree ended here, (B, C, 2, D).
        proposal_density: ln p there.
        weight, momenta: Log of the tree's total weight; sum of its momenta, (B, C, D).
        depth: Doublings so far.
        leaf: Leaves of the growing subtree.
        sub_proposal, sub_density, sub_weight, sub_momenta: The same of the subtree.
        kept: Checkpoints of the subtree: momentum, and half of it minus the sum of momenta so
            far, (B, C, K + 1, 2, D); the last one is never read.
        acceptance, steps: Sum of acceptance probabilities, and number of steps of this tree.
        finished: Trajectories.
        leapfrogs, divergences, accepted, depths: Sums over finished trajectories.
    """

    current: Tensor
    left: Tensor
    right: Tensor
    direction: Tensor
    energy: Tensor
    proposal: Tensor
    proposal_density: Tensor
    weight: Tensor
    momenta: Tensor
    depth: Tensor
    leaf: Tensor
    sub_proposal: Tensor
    sub_density: Tensor
    sub_weight: Tensor
    sub_momenta: Tensor
    kept: Tensor
    acceptance: Tensor
    steps: Tensor
    finished: Tensor
    leapfrogs: Tensor
    divergences: Tensor
    accepted: Tensor
    depths: Tensor

    def take(self, index: Tensor) -> Self:
        """The chosen objects."""
        return type(self)(**{f.name: getattr(self, f.name)[index] for f in fields(self)})


@dataclass(eq=False)
class Draws:
    """What a run gave.

    Attributes:
        z: Draws, shape (B, C, S, D).
        leapfrogs, divergences, accepted, depths: Sums over the S trajectories of a chain, shape
            (B, C).
        energy: Minus the Hamiltonian where each trajectory began, shape (B, C, S).
    """

    z: Tensor
    leapfrogs: Tensor
    divergences: Tensor
    accepted: Tensor
    depths: Tensor
    energy: Tensor


class BatchedSampler:
    """NUTS for B posteriors, C chains each.

    Args:
        density: The posteriors.
        coordinates: In which they are nearly standard normal.
        start: Where the chains begin, shape (B, C, D).
        generator: Random numbers, on the density's device.
        target_accept: Mean acceptance probability to adapt to.
        max_tree_depth: Doublings at most.
        step_size: First step size, in units of the coordinates.
        rotate: Drift as a standard normal would, along a circle, instead of straight on: where
            the coordinates leave little to mend, steps may be as long as a radian.
    """

    def __init__(
        self,
        density: BatchedDensity,
        coordinates: Coordinates,
        start: Tensor,
        generator: torch.Generator,
        target_accept: float = 0.8,
        max_tree_depth: int = 10,
        step_size: float = 0.5,
        rotate: bool = False,
    ) -> None:
        self.density, self.coordinates, self.z = density, coordinates, start
        self.move = _rotation if rotate else _leapfrog
        # Half a turn would bring a chain to where it was, mirrored, and be accepted.
        self.largest_step = LARGEST_ANGLE if rotate else math.inf
        self.generator = generator
        self.target, self.most_doublings = target_accept, max_tree_depth
        self.step = StepSize.start(start.new_full(start.shape[:2], step_size))
        self._leaves = _leaf_tables(max_tree_depth, start.device)

    def use(self, coordinates: Coordinates) -> None:
        """Change the coordinates between runs; step sizes go on from where they are."""
        self.coordinates = coordinates
        self.step = StepSize.start(self.step.average.exp())

    def take(self, index: Tensor) -> BatchedSampler:
        """A sampler that goes on with the chosen objects' chains."""
        part = copy.copy(self)
        part.density, part.coordinates = self.density.take(index), self.coordinates.take(index)
        part.z, part.step = self.z[index], self.step.take(index)
        return part

    def run(
        self, n: int, adapt: bool = False, progress: Callable[[float], None] | None = None
    ) -> Draws:
        """The next n draws of every chain.

        Args:
            n: Number of draws.
            adapt: Whether step sizes learn.
            progress: Called with the fraction of trajectories done, now and then.
        """
        z, step = self.z, self.step
        results = _no_draws(z, n)
        left = torch.arange(len(z), device=z.device)
        density, coordinates = self.density, self.coordinates
        chains = self._begin(density, coordinates, z)
        # Draws, the energy beside each.
        drawn = z.new_empty(*z.shape[:2], n + 1, z.shape[2] + 1)
        every_step = 0
        while True:
            chains, step, drawn = self._advance(density, coordinates, chains, step, drawn, adapt)
            every_step += 1
            if every_step % LOOK_EVERY:
                continue
            busy = (chains.finished < n).any(1)
            n_busy = int(busy.sum())
            if progress is not None:
                part = float(chains.finished.clamp(max=n).double().mean() / n)
                progress(1 - (1 - part) * len(left) / len(z))
            if n_busy and n_busy > COMPACT * len(left):
                continue
            over = (~busy).nonzero().squeeze(1)
            self._store(
                results, left[over], coordinates.take(over), chains.take(over), drawn[over]
            )
            self.step = _put(self.step, left[over], step.take(over))
            if not n_busy:
                break
            keep = busy.nonzero().squeeze(1)
            left, chains, step, drawn = left[keep], chains.take(keep), step.take(keep), drawn[keep]
            density, coordinates = density.take(keep), coordinates.take(keep)
        self.z = results.z[:, :, -1]
        return results

    def _begin(self, density: BatchedDensity, coordinates: Coordinates, z: Tensor) -> Chains:
        """New trajectories at z (B, C, D)."""
        x = coordinates.inside(z)
        value, gradient = coordinates.evaluate(density, x)
        zero = _zero(z)
        momentum = _normal(x, self.generator)
        place = torch.stack([x, gradient, momentum], 2)
        k = self.most_doublings
        return Chains(
            current=place,
            left=place,
            right=place,
            direction=self._direction(zero),
            energy=value - 0.5 * momentum.square().sum(-1),
            proposal=place[:, :, :MOMENTUM],
            proposal_density=value,
            weight=zero,
            momenta=momentum,
            depth=zero.long(),
            leaf=zero.long(),
            sub_proposal=place[:, :, :MOMENTUM],
            sub_density=value,
            sub_weight=zero - torch.inf,
            sub_momenta=torch.zeros_like(x),
            kept=x.new_zeros(*x.shape[:2], k + 1, 2, x.shape[2]),
            acceptance=zero,
            steps=zero,
            finished=zero.long(),
            leapfrogs=zero,
            divergences=zero,
            accepted=zero,
            depths=zero,
        )

    def _advance(
        self,
        density: BatchedDensity,
        coordinates: Coordinates,
        c: Chains,
        step: StepSize,
        drawn: Tensor,
        adapt: bool,
    ) -> tuple[Chains, StepSize, Tensor]:
        """One leapfrog step in every chain, and what follows from it."""
        size = (step.current if adapt else step.average).exp()
        current, value = self.move(density, coordinates, c.current, size * c.direction)
        c, turning, divergent = self._grow(c, current, value)
        complete = c.leaf >= 2**c.depth
        stopped = turning | divergent
        c, turned = self._merge(c, complete & ~stopped)
        ended = complete | stopped
        over = ended & (stopped | turned | (c.depth >= self.most_doublings))
        drawn = _record(drawn, c, over)
        if adapt:
            step = step.update(c.acceptance / c.steps, self.target, over, self.largest_step)
        return self._restart(c, ended, over, divergent), step, drawn

    def _grow(self, c: Chains, current: Tensor, value: Tensor) -> tuple[Chains, Tensor, Tensor]:
        """Add a leaf to the subtree; whether it now turns back, and whether the step diverged."""
        momentum = current[:, :, MOMENTUM]
        weight = value - 0.5 * momentum.square().sum(-1) - c.energy
        weight = torch.nan_to_num(weight, nan=-torch.inf, posinf=torch.inf)
        divergent = weight < -DIVERGENT
        total = torch.logaddexp(c.sub_weight, weight)
        chosen = self._uniform(weight).log() < weight - total
        momenta = c.sub_momenta + momentum
        kept, turning = self._check_turns(c.kept, c.leaf, momentum, momenta)
        return (
            replace(
                c,
                current=current,
                leaf=c.leaf + 1,
                sub_proposal=_choose(chosen, current[:, :, :MOMENTUM], c.sub_proposal),
                sub_density=torch.where(chosen, value, c.sub_density),
                sub_weight=total,
                sub_momenta=momenta,
                kept=kept,
                acceptance=c.acceptance + weight.clamp(max=0).exp(),
                steps=c.steps + 1,
            ),
            turning,
            divergent,
        )

    def _check_turns(
        self, kept: Tensor, leaf: Tensor, momentum: Tensor, momenta: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Whether any subtree that ends in this leaf makes a U-turn.

        An even leaf begins subtrees and is kept; an odd one ends those that began at the
        checkpoints from ``first`` to ``last``.
        """
        first, last = (table[leaf] for table in self._leaves)
        even = leaf % 2 == 0
        n_kept = kept.shape[2] - 1
        begun = torch.stack([momentum, 0.5 * momentum - momenta], 2)
        slot = torch.where(even, last, n_kept)[:, :, None, None, None]
        kept = kept.scatter(2, slot.expand(-1, -1, 1, *begun.shape[2:]), begun.unsqueeze(2))
        starts, offsets = kept[:, :, :-1].unbind(3)
        # Sum of the subtree's momenta, less half of those at its ends (Betancourt 2017, A.4.2).
        rho = offsets + (momenta - 0.5 * momentum)[:, :, None]
        back = ((rho * starts).sum(-1) <= 0) | ((rho * momentum[:, :, None]).sum(-1) <= 0)
        number = torch.arange(n_kept, device=leaf.device)
        ends = (number >= first[..., None]) & (number <= last[..., None]) & ~even[..., None]
        return kept, (back & ends).any(-1)

    def _merge(self, c: Chains, where: Tensor) -> tuple[Chains, Tensor]:
        """Join finished subtrees to their trees; whether the trees now make a U-turn."""
        chosen = where & (self._uniform(c.weight).log() < c.sub_weight - c.weight)
        momenta = torch.where(where[..., None], c.momenta + c.sub_momenta, c.momenta)
        forward = c.direction > 0
        left = _choose(where & ~forward, c.current, c.left)
        right = _choose(where & forward, c.current, c.right)
        ends = left[:, :, MOMENTUM], right[:, :, MOMENTUM]
        rho = momenta - 0.5 * (ends[0] + ends[1])
        turned = torch.stack([(rho * end).sum(-1) <= 0 for end in ends]).any(0)
        return (
            replace(
                c,
                proposal=_choose(chosen, c.sub_proposal, c.proposal),
                proposal_density=torch.where(chosen, c.sub_density, c.proposal_density),
                weight=torch.where(where, torch.logaddexp(c.weight, c.sub_weight), c.weight),
                momenta=momenta,
                left=left,
                right=right,
                depth=c.depth + where.long(),
            ),
            turned,
        )

    def _restart(self, c: Chains, ended: Tensor, over: Tensor, divergent: Tensor) -> Chains:
        """Begin a new subtree where one ended, and a new trajectory where it is over."""
        momentum = _normal(c.momenta, self.generator)
        fresh = torch.cat([c.proposal, momentum[:, :, None]], 2)
        left, right = _choose(over, fresh, c.left), _choose(over, fresh, c.right)
        direction = torch.where(ended, self._direction(c.weight), c.direction)
        edge = _choose(direction > 0, right, left)
        begun = c.proposal_density - 0.5 * momentum.square().sum(-1)
        count = over.to(c.weight.dtype)
        return replace(
            c,
            current=_choose(ended, edge, c.current),
            left=left,
            right=right,
            direction=direction,
            energy=torch.where(over, begun, c.energy),
            weight=torch.where(over, 0.0, c.weight),
            momenta=torch.where(over[..., None], momentum, c.momenta),
            depth=torch.where(over, 0, c.depth),
            leaf=torch.where(ended, 0, c.leaf),
            sub_weight=torch.where(ended, -torch.inf, c.sub_weight),
            sub_momenta=torch.where(ended[..., None], 0.0, c.sub_momenta),
            acceptance=torch.where(over, 0.0, c.acceptance),
            steps=torch.where(over, 0.0, c.steps),
            finished=c.finished + over.long(),
            leapfrogs=c.leapfrogs + count * c.steps,
            divergences=c.divergences + (over & divergent).to(count),
            accepted=c.accepted + torch.where(over, c.acceptance / c.steps.clamp(min=1), 0.0),
            depths=c.depths + count * c.depth,
        )

    def _store(
        self,
        results: Draws,
        index: Tensor,
        coordinates: Coordinates,
        chains: Chains,
        drawn: Tensor,
    ) -> None:
        """Keep the draws of objects whose chains are all done."""
        n = results.z.shape[2]
        flat = coordinates.outside(drawn[:, :, :n, :-1].flatten(1, 2))
        results.z[index] = flat.view(*drawn.shape[:2], n, -1)
        results.energy[index] = drawn[:, :, :n, -1]
        for name in ("leapfrogs", "divergences", "accepted", "depths"):
            total = getattr(chains, name)
            # Chains that waited for others ran on: the sums are brought back to n trajectories.
            getattr(results, name)[index] = total * (n / chains.finished.to(total))

    def _uniform(self, like: Tensor) -> Tensor:
        return torch.rand(
            like.shape, generator=self.generator, dtype=like.dtype, device=like.device
        )

    def _direction(self, like: Tensor) -> Tensor:
        return torch.where(self._uniform(like) < 0.5, -1.0, 1.0).to(like)


def _leapfrog(
    density: BatchedDensity, coordinates: Coordinates, place: Tensor, size: Tensor
) -> tuple[Tensor, Tensor]:
    x, gradient, momentum = place.unbind(2)
    size = size[..., None]
    half = momentum + 0.5 * size * gradient
    x = x + size * half
    value, gradient = coordinates.evaluate(density, x)
    return torch.stack([x, gradient, half + 0.5 * size * gradient], 2), value


def _rotation(
    density: BatchedDensity, coordinates: Coordinates, place: Tensor, size: Tensor
) -> tuple[Tensor, Tensor]:
    """A step whose drift is exact for a standard normal; only the rest of the force kicks.

    H = [x²/2 + p²/2] + [-ln p(x) - x²/2], the first part solved exactly (Shahbaba et al. 2014,
    arXiv:1106.5941).
    """
    x, gradient, momentum = place.unbind(2)
    size = size[..., None]
    half = momentum + 0.5 * size * (gradient + x)
    cos, sin = size.cos(), size.sin()
    x, half = cos * x + sin * half, cos * half - sin * x
    value, gradient = coordinates.evaluate(density, x)
    return torch.stack([x, gradient, half + 0.5 * size * (gradient + x)], 2), value


def _no_draws(z: Tensor, n: int) -> Draws:
    """Room for n draws of every chain."""
    shape = *z.shape[:2], n
    sums = {name: _zero(z) for name in ("leapfrogs", "divergences", "accepted", "depths")}
    return Draws(z.new_empty(*shape, z.shape[2]), **sums, energy=z.new_empty(shape))


def _record(drawn: Tensor, c: Chains, over: Tensor) -> Tensor:
    """Write the draws of trajectories that are over; the last column takes all others."""
    n = drawn.shape[2] - 1
    slot = torch.where(over & (c.finished < n), c.finished, n)[:, :, None, None]
    place = torch.cat([c.proposal[:, :, X], c.energy[..., None]], -1)[:, :, None]
    return drawn.scatter_(2, slot.expand_as(place), place)


def _choose(mask: Tensor, one: Tensor, other: Tensor) -> Tensor:
    return torch.where(mask[..., None, None], one, other)


def _zero(like: Tensor) -> Tensor:
    return like.new_zeros(like.shape[:2])


def _normal(like: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(like.shape, generator=generator, dtype=like.dtype, device=like.device)


def _put(step: StepSize, index: Tensor, part: StepSize) -> StepSize:
    """Step sizes with those of some objects replaced."""
    for f in fields(step):
        getattr(step, f.name)[index] = getattr(part, f.name)
    return step


def _leaf_tables(depth: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """First and last checkpoint to compare each leaf of a subtree with.

    Leaf n sits at the end of as many subtrees as n has ones at its binary end, and the number of
    ones before the last digit counts the checkpoints in use.
    """
    leaves = range(2**depth)
    last = [(n >> 1).bit_count() for n in leaves]
    ones = [((n ^ (n + 1)).bit_length() - 1) for n in leaves]
    first = [end - count + 1 for end, count in zip(last, ones, strict=True)]
    return torch.tensor(first, device=device), torch.tensor(last, device=device)
