"""Long runs: the exact answer, a killed run that goes on bit by bit, and how coordinates learn."""

from __future__ import annotations

from dataclasses import asdict, replace
from itertools import islice

import pytest
import torch
from fake_normals import OBJECTS, OWN, Normals, answer, assert_average, coordinates
from targets import generator

from sntorch.errors import ConfigError
from sntorch.inference.chunks import ChunkStore
from sntorch.inference.hierarchical import Conditional, HierarchicalDensity
from sntorch.inference.long_run import RunSettings, learned, long_run

# Trajectories of the blocks: windows end after the first, second, third and fifth.
SHORT = RunSettings(chains=2, warmup=12, draws=5, block=2, max_tree_depth=3, seed=5)
LENGTHS = [1, 2, 2, 2, 1, 2, 2, 2, 2, 1]
WARMING = 7
PARTS = ("mean", "scale_tril", "own_mean", "own_scale")


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def blocks(settings=SHORT, folder=None, progress=None, where=None):
    """Density, coordinates and store are new every time, as in a new process."""
    signature = {k: v for k, v in asdict(settings).items() if k != "draws"}
    store = None if folder is None else ChunkStore(folder, signature)
    where = where or coordinates(HierarchicalDensity(Normals(1.2)))
    return long_run(where, settings, store, progress)


@pytest.fixture(scope="module")
def undisturbed():
    return list(blocks())


# ---- the exact answer ----


def test_gives_the_exact_posterior():
    settings = RunSettings(chains=100, warmup=24, draws=8, block=8, seed=2)
    z = torch.cat([block.z for block in blocks(settings) if not block.warming], 1)
    assert z.shape == (100, 8, 3 + OBJECTS * OWN)
    wanted = answer(Normals())
    own = z[..., 3:].unflatten(-1, (OBJECTS, OWN))
    for name, values in {"mu": z[..., :2], "log_tau": z[..., 2:3], "z": own}.items():
        mean, variance = (m.flatten() for m in wanted[name])
        flat = values.flatten(2)
        assert_average(flat, mean, name)
        assert_average((flat - mean).square(), variance, name)


# ---- blocks ----


def test_blocks_say_what_was_done(undisturbed):
    assert [block.index for block in undisturbed] == list(range(len(LENGTHS)))
    assert [block.warming for block in undisturbed] == [True] * WARMING + [False] * 3
    past = 0
    for block, n in zip(undisturbed, LENGTHS, strict=True):
        past += n
        assert block.done == pytest.approx(past / 17)
        assert block.z.shape == (2, n, 3 + OBJECTS * OWN)
        assert block.energy.shape == (2, n)
        assert bool(block.energy.isfinite().all())
        for name in ("leapfrogs", "divergences", "accepted", "depths", "step_size"):
            assert getattr(block, name).shape == (2,), name
        assert bool((block.leapfrogs >= n).all())
        assert bool(((block.accepted >= 0) & (block.accepted <= n)).all())
        assert bool((block.step_size > 0).all())
    assert undisturbed[-1].done == 1


def test_step_sizes_learn_in_warm_up_only(undisturbed):
    sizes = torch.stack([block.step_size for block in undisturbed])
    assert bool((sizes[:WARMING].diff(dim=0) != 0).all())
    assert torch.equal(sizes[WARMING:], sizes[WARMING - 1].expand(3, 2))


def test_progress_goes_on_to_the_end():
    told = []
    list(blocks(progress=told.append))
    assert told == sorted(told)
    assert told[0] >= 0
    assert told[-1] == 1


def test_a_seed_gives_the_same_chain(undisturbed):
    assert torch.equal(next(blocks()).z, undisturbed[0].z)
    assert not torch.equal(next(blocks(replace(SHORT, seed=6))).z, undisturbed[0].z)


# ---- resume ----


@pytest.mark.parametrize("killed", [1, 4, 5, 7, 8, 10])
def test_a_killed_run_goes_on_bit_by_bit(killed, undisturbed, tmp_path):
    """In warm-up, at the end of a window and within it, in sampling, and when all is done."""
    list(islice(blocks(folder=tmp_path), killed))
    assert len(list(tmp_path.glob("chunk_*"))) == killed
    found = list(blocks(folder=tmp_path))
    for block, wanted in zip(found, undisturbed, strict=True):
        for name in ("index", "warming", "done"):
            assert getattr(block, name) == getattr(wanted, name), name
        for name in ("z", "energy", "leapfrogs", "divergences", "accepted", "depths", "step_size"):
            assert torch.equal(getattr(block, name), getattr(wanted, name)), (block.index, name)


def test_a_run_killed_again_and_again(undisturbed, tmp_path):
    for killed in (2, 5, 9):
        list(islice(blocks(folder=tmp_path), killed))
    found = list(blocks(folder=tmp_path))
    assert all(torch.equal(a.z, b.z) for a, b in zip(found, undisturbed, strict=True))


@pytest.mark.parametrize("draws", [8, 6, 4])
def test_more_draws_go_on_and_fewer_stop_before(draws, undisturbed, tmp_path):
    """The last block of five draws has one: with more draws it is done again, at its length."""
    list(blocks(folder=tmp_path))
    longer = replace(SHORT, draws=draws)
    found = torch.cat([block.z for block in blocks(longer, folder=tmp_path)], 1)
    assert torch.equal(found, torch.cat([block.z for block in blocks(longer)], 1))
    known = torch.cat([block.z for block in undisturbed], 1)[:, : 12 + draws]
    assert torch.equal(found[:, : known.shape[1]], known)


@pytest.mark.parametrize("change", [{"seed": 6}, {"warmup": 16}, {"target_accept": 0.9}])
def test_a_folder_of_another_run_is_refused(change, tmp_path):
    next(blocks(folder=tmp_path))
    (name,) = change
    with pytest.raises(ConfigError, match=f"chunks of another run \\({name}="):
        blocks(replace(SHORT, **change), folder=tmp_path)


# ---- what coordinates learn ----


def drawn(n, correlation, spread=2.0):
    """Coordinates of Normals, and one chain of draws whose first two variables are correlated."""
    where = coordinates(HierarchicalDensity(Normals()))
    x = torch.randn(1, n, where.density.dim, generator=generator(n), dtype=torch.float64)
    x[..., 1] = correlation * x[..., 0] + (1 - correlation**2) ** 0.5 * x[..., 1]
    return where, where.outside(spread * x)


def correlation(found, start):
    """Of the first two variables, as seen in the coordinates before."""
    factor = torch.linalg.solve_triangular(start.scale_tril, found.scale_tril, upper=False)
    covariance = factor @ factor.T
    return float(covariance[0, 1] / (covariance[0, 0] * covariance[1, 1]).sqrt())


def test_few_draws_say_nothing_of_correlations():
    start, z = drawn(3, 1.0)
    # 15 draws' worth of belief for three variables: 3 / (3 + 15).
    assert correlation(learned(start, z), start) == pytest.approx(1 / 6)


def test_many_draws_do():
    start, z = drawn(4000, 0.8)
    found = learned(start, z)
    assert correlation(found, start) == pytest.approx(0.8, abs=0.03)
    factor = torch.linalg.solve_triangular(start.scale_tril, found.scale_tril, upper=False)
    assert torch.allclose(factor.norm(dim=1), torch.full((3,), 2.0).double(), rtol=0.05)
    assert torch.allclose(found.own_scale, torch.full((), 2.0).double(), rtol=0.1)
    assert float(found.own_mean.abs().max()) < 0.15
    assert float(((found.mean - start.mean) / start.scale_tril.diagonal()).abs().max()) < 0.15


def test_learning_is_relative_to_the_coordinates_before():
    """Draws of the coordinates themselves change little, wherever those are."""
    density = HierarchicalDensity(Normals())
    start = coordinates(density, own_scale=0.7)
    x = torch.randn(1, 20000, density.dim, generator=generator(0), dtype=torch.float64)
    found = learned(start, start.outside(x))
    for name in PARTS:
        assert torch.allclose(getattr(found, name), getattr(start, name), atol=0.03), name


@pytest.mark.parametrize("bad", ["stuck", "nan"])
def test_draws_that_say_nothing_change_nothing(bad):
    start, z = drawn(8, 0.5)
    z = z[:, :1].expand_as(z) if bad == "stuck" else torch.full_like(z, torch.nan)
    assert learned(start, z) is start


def test_the_shortest_warm_up():
    found = list(blocks(RunSettings(chains=1, warmup=4, draws=4, block=25)))
    assert sum(block.z.shape[1] for block in found) == 8
    assert all(bool(block.z.isfinite().all()) for block in found)


def test_coordinates_do_learn():
    """Bad ones are mended."""
    density = HierarchicalDensity(Normals())
    factor = torch.diag(torch.tensor([6.0, 0.6, 0.06]).double())
    bad = Conditional.around(density, coordinates(density).mean, factor)
    settings = RunSettings(chains=6, warmup=120, draws=4, block=12, max_tree_depth=4)
    *_, last = (block for block in blocks(settings, where=bad) if block.warming)
    assert bool((last.depths / last.z.shape[1] < 3.5).all())


# ---- settings ----


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"chains": 0}, "chains=0: at least 1"),
        ({"warmup": 3}, "warmup=3: at least 4"),
        ({"draws": 0}, "draws=0: at least 4"),
        ({"block": 0}, "block=0: at least 1"),
        ({"max_tree_depth": 0}, "max_tree_depth=0: at least 1"),
        ({"seed": -1}, "seed=-1: at least 0"),
        ({"chains": 2.5}, "chains=2.5"),
        ({"draws": "many"}, "draws=many"),
        ({"target_accept": 1.0}, "target_accept=1.0: between 0 and 1"),
        ({"target_accept": 0}, "target_accept=0: between 0 and 1"),
        ({"target_accept": "high"}, "target_accept=high"),
        ({"target_accept": float("nan")}, "target_accept=nan"),
    ],
)
def test_settings_that_are_not_accepted(setting, words):
    with pytest.raises(ConfigError, match=words):
        RunSettings(**setting)
