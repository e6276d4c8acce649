"""Long runs of NUTS on a hierarchical posterior: warm-up, blocks of draws, resume, and a watcher.

Chains run a block of trajectories at a time. After each block everything that the next one
depends on goes to disk (draws, step sizes, coordinates, the random numbers' state): a killed run
goes on at its last block and gives the same chain, bit by bit, as one that was not killed. More
draws may be asked for later: a block that has another length now is done again from its beginning.

Warm-up: step sizes learn all the time; at the ends of ``WINDOWS`` the coordinates take the mean,
the widths and, as far as there are draws enough to know them, the correlations of all chains'
draws in the window. A covariance from as many draws as variables would be worse than none: with
half the weight, steps became a third shorter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from sntorch.errors import ConfigError, check_number
from sntorch.inference.adaptation import StepSize
from sntorch.inference.chunks import ChunkStore
from sntorch.inference.clock import Clock
from sntorch.inference.hierarchical import Conditional
from sntorch.inference.nuts import BatchedSampler, Draws

# Fractions of the warm-up at which the coordinates learn.
WINDOWS = (0.1, 0.25, 0.45, 0.7)
# That there are no correlations is believed like so many draws a variable.
BELIEF = 5.0
# That widths are what they were is believed like so many draws.
WIDTH_BELIEF = 50.0
SUMS = ("leapfrogs", "divergences", "accepted", "depths")
FIRST_STEP = 0.25


@dataclass(frozen=True)
class RunSettings:
    """How long and how.

    Attributes:
        chains, warmup, draws: Chains, warm-up trajectories and kept draws of each.
        block: Trajectories between two checkpoints.
        target_accept: Mean acceptance probability to adapt to.
        max_tree_depth: Doublings of a trajectory at most.
        seed: Of all random numbers.

    Raises:
        ConfigError: A value that is not accepted.
    """

    chains: int = 4
    warmup: int = 500
    draws: int = 500
    block: int = 25
    target_accept: float = 0.8
    max_tree_depth: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        least = {"chains": 1, "warmup": 4, "draws": 4, "block": 1, "max_tree_depth": 1, "seed": 0}
        for name, value in least.items():
            check_number(name, getattr(self, name), whole=True)
            if getattr(self, name) is None or getattr(self, name) < value:
                raise ConfigError(f"{name}={getattr(self, name)}: at least {value} is accepted")
        check_number("target_accept", self.target_accept)
        if self.target_accept is None or not 0 < self.target_accept < 1:
            raise ConfigError(f"target_accept={self.target_accept}: between 0 and 1 is accepted")


@dataclass(frozen=True, eq=False)
class BlockOfDraws:
    """What a block gave.

    Attributes:
        index: Its number.
        warming: Whether it belongs to the warm-up.
        done: Fraction of all trajectories that are over.
        z: Draws, shape (C, n, D).
        energy: shape (C, n).
        leapfrogs, divergences, accepted, depths: Sums over the block, shape (C,).
        step_size: shape (C,).
        seconds: Wall and CPU seconds that it took, whenever that was.
    """

    index: int
    warming: bool
    done: float
    z: Tensor
    energy: Tensor
    leapfrogs: Tensor
    divergences: Tensor
    accepted: Tensor
    depths: Tensor
    step_size: Tensor
    seconds: tuple[float, float]


def long_run(
    coordinates: Conditional,
    settings: RunSettings,
    store: ChunkStore | None = None,
    progress: Callable[[float], None] | None = None,
) -> Iterator[BlockOfDraws]:
    """Blocks of draws, warm-up included; finished ones are read back from the store.

    Args:
        coordinates: The first; chains begin at standard-normal draws in them.
        settings: How long and how.
        store: Where blocks are kept.
        progress: Called with the fraction done, now and then.
    """
    device = coordinates.mean.device
    generator = torch.Generator(device=device).manual_seed(settings.seed)
    x = torch.randn(
        (1, settings.chains, coordinates.density.dim),
        generator=generator,
        dtype=coordinates.mean.dtype,
        device=device,
    )
    sampler = BatchedSampler(
        coordinates.density,
        coordinates,
        coordinates.outside(x),
        generator,
        settings.target_accept,
        settings.max_tree_depth,
        FIRST_STEP,
        rotate=True,
    )
    plan, total = _plan(settings), settings.warmup + settings.draws
    window: list[Tensor] = []
    past = 0
    for index, (n, warming, learn) in enumerate(plan):
        found = _finished(store, index, n)
        if found is not None:
            draws = _restore(sampler, found[0])
            wall, cpu = found[1]["seconds"]
        else:
            clock = Clock()
            draws = sampler.run(n, adapt=warming, progress=_within(progress, past, n, total))
            wall, cpu = clock.seconds()
        if warming:
            window.append(draws.z[0])
        if learn and found is None:
            sampler.use(learned(_current(sampler), torch.cat(window, 1)))
        if learn:
            window = []
        past += n
        if found is None and store is not None:
            notes = {"warming": warming, "seconds": [wall, cpu]}
            store.save(index, _state(sampler, draws), notes)
        yield _block(index, warming, past / total, sampler, draws, (wall, cpu))


def learned(coordinates: Conditional, z: Tensor) -> Conditional:
    """Coordinates with the mean and covariance of draws (C, n, D), correlations drawn to zero."""
    x = coordinates.inside(z.flatten(0, 1)[None])[0]
    shared, own = coordinates.density.split(x)
    n, size = shared.shape
    mean = shared.mean(0)
    centred = shared - mean
    weight, belief = n / (n + WIDTH_BELIEF), BELIEF * size
    square = centred.T @ centred / n
    seen = square.diagonal()
    if not (seen > 0).all():
        # Chains that do not move, or are no numbers, teach nothing.
        return coordinates
    widths = weight * seen + 1 - weight
    correlation = square * seen.rsqrt() * seen.rsqrt()[:, None] * n / (n + belief)
    correlation.diagonal().fill_(1)
    covariance = correlation * widths.sqrt() * widths.sqrt()[:, None]
    factor, failed = torch.linalg.cholesky_ex(covariance)
    if int(failed) or not torch.isfinite(factor).all():
        return coordinates
    own_mean = weight * own.mean(1)
    own_scale = (weight * own.var(1, unbiased=False) + 1 - weight).sqrt()
    return Conditional(
        coordinates.density,
        coordinates.mean + coordinates.scale_tril @ mean,
        coordinates.scale_tril @ factor,
        coordinates.own_mean + coordinates.own_scale * own_mean,
        coordinates.own_scale * own_scale,
    )


def _plan(settings: RunSettings) -> list[tuple[int, bool, bool]]:
    """Trajectories of each block, whether it warms up, and whether coordinates learn after it."""
    ends = sorted({max(round(share * settings.warmup), 1) for share in WINDOWS})
    plan, done = [], 0
    while done < settings.warmup:
        end = next((e for e in ends if e > done), settings.warmup)
        n = min(settings.block, end - done)
        done += n
        plan.append((n, True, done in ends and done < settings.warmup))
    while done < settings.warmup + settings.draws:
        n = min(settings.block, settings.warmup + settings.draws - done)
        done += n
        plan.append((n, False, False))
    return plan


def _finished(
    store: ChunkStore | None, index: int, n: int
) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """A block's state and notes, if it is there and has n trajectories."""
    found = store.load(index) if store is not None else None
    return found if found is not None and found[0]["draws_z"].shape[2] == n else None


def _current(sampler: BatchedSampler) -> Conditional:
    assert isinstance(sampler.coordinates, Conditional)
    return sampler.coordinates


def _state(sampler: BatchedSampler, draws: Draws) -> dict[str, Tensor]:
    """All that the next block depends on, and the block's results."""
    coordinates = _current(sampler)
    return {
        **{f"draws_{f.name}": getattr(draws, f.name) for f in fields(draws)},
        **{f"step_{f.name}": getattr(sampler.step, f.name) for f in fields(sampler.step)},
        "mean": coordinates.mean,
        "scale_tril": coordinates.scale_tril,
        "own_mean": coordinates.own_mean,
        "own_scale": coordinates.own_scale,
        "random": sampler.generator.get_state(),
    }


def _restore(sampler: BatchedSampler, state: dict[str, Tensor]) -> Draws:
    """Bring a sampler to a saved state; the block's results."""
    device = sampler.z.device
    moved = {k: v if k == "random" else v.to(device) for k, v in state.items()}
    draws = Draws(**{f.name: moved[f"draws_{f.name}"] for f in fields(Draws)})
    sampler.z = draws.z[:, :, -1]
    sampler.step = StepSize(**{f.name: moved[f"step_{f.name}"] for f in fields(StepSize)})
    names = ("mean", "scale_tril", "own_mean", "own_scale")
    sampler.coordinates = Conditional(
        _current(sampler).density, **{name: moved[name] for name in names}
    )
    sampler.generator.set_state(moved["random"])
    return draws


def _block(
    index: int,
    warming: bool,
    done: float,
    sampler: BatchedSampler,
    draws: Draws,
    seconds: tuple[float, float],
) -> BlockOfDraws:
    return BlockOfDraws(
        index,
        warming,
        done,
        draws.z[0],
        draws.energy[0],
        **{name: getattr(draws, name)[0] for name in SUMS},
        step_size=sampler.step.average.exp()[0],
        seconds=seconds,
    )


def _within(
    progress: Callable[[float], None] | None, past: int, n: int, total: int
) -> Callable[[float], None] | None:
    if progress is None:
        return None
    return lambda part: progress((past + part * n) / total)
