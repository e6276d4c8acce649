"""The batched sampler on densities with known moments, and its bookkeeping."""

from __future__ import annotations

import pyro
import pytest
import torch
from pyro.infer import MCMC, NUTS
from scipy import stats
from targets import (
    assert_mean,
    assert_moments,
    cliff,
    factors,
    generator,
    log_gamma,
    means,
    normal,
    repeated,
    zero_truncated,
)

from sntorch.inference.coordinates import Affine, Truncated
from sntorch.inference.diagnostics import ess_mean
from sntorch.inference.nuts import BatchedSampler, _leaf_tables

CHAINS = 4


def identity(density, scale=1.0):
    n, dim = len(density), density.dim
    unit = torch.eye(dim, dtype=torch.float64).expand(n, dim, dim)
    return Affine(torch.zeros(n, dim, dtype=torch.float64), scale * unit)


def sampler_of(density, coordinates=None, seed=0, chains=CHAINS, **settings):
    coordinates = coordinates or identity(density)
    random = generator(seed)
    return BatchedSampler(
        density, coordinates, coordinates.draw(chains, random), random, **settings
    )


def sampled(density, coordinates=None, warmup=100, draws=150, **settings):
    sampler = sampler_of(density, coordinates, **settings)
    sampler.run(warmup, adapt=True)
    return sampler.run(draws)


def test_correlated_normals():
    mean, factor = means(3, 4), factors(3, 4)
    sd = torch.linalg.norm(factor, dim=2)
    many = [repeated(tensor, 20) for tensor in (mean, factor, sd)]
    rough = Affine(many[0] + many[2], torch.diag_embed(many[2]))
    found = sampled(normal(*many[:2]), rough)
    assert found.z.shape == (60, CHAINS, 150, 4)
    assert_moments(found.z, mean, sd.square())
    centred = found.z - many[0][:, None, None]
    assert_mean(centred[..., 0] * centred[..., 3], (factor[:, 0] * factor[:, 3]).sum(1))
    assert bool((found.divergences == 0).all())


@pytest.mark.slow
def test_skewed_density():
    shape = torch.tensor([[1.0, 2.0], [5.0, 1.5]], dtype=torch.float64)
    found = sampled(log_gamma(repeated(shape, 50)))
    assert_moments(found.z, torch.digamma(shape), torch.polygamma(1, shape))


@pytest.mark.slow
def test_zero_truncated_density_from_rough_coordinates():
    ratio = torch.tensor([-3.0, 0.0, 2.0], dtype=torch.float64)
    mean = torch.stack([ratio, torch.ones(3).double()], 1)
    many = repeated(mean, 40), torch.eye(2).double().expand(120, 2, 2)
    found = sampled(zero_truncated(*many), Truncated(many[0] + 0.5, 1.4 * many[1]))
    law = stats.truncnorm(-ratio.numpy(), float("inf"), loc=ratio.numpy())
    first, rest = found.z[..., :1].exp(), found.z[..., 1:]
    moments = [torch.from_numpy(m)[:, None] for m in (law.mean(), law.var())]
    assert_moments(first, *moments)
    assert_moments(rest, mean[:, 1:], torch.ones(3, 1).double())


def test_a_seed_gives_the_same_draws():
    target = log_gamma(torch.tensor([[0.8, 2.0], [5.0, 1.0]], dtype=torch.float64))
    one, two, other = (sampled(target, warmup=20, draws=20, seed=seed).z for seed in (4, 4, 5))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


def test_divergences_are_counted():
    edge = torch.tensor([0.5, 50.0], dtype=torch.float64)
    target = cliff(repeated(edge, 20))
    start = torch.zeros(40, CHAINS, 2).double()
    sampler = BatchedSampler(target, identity(target), start, generator(), step_size=0.4)
    found = sampler.run(150)
    ended, free = found.z[:20, ..., 0], slice(20, None)
    assert bool((ended <= 0.5).all())
    assert bool((found.divergences[:20] > 0).all())
    assert bool((found.divergences[free] == 0).all())
    # Rejecting what lies beyond the edge, the draws are those of the normal that ends there.
    assert_mean(ended, torch.tensor([stats.truncnorm(-float("inf"), 0.5).mean()]))


@pytest.mark.slow
def test_a_hard_neighbour_changes_nothing_for_an_easy_one():
    widths = torch.tensor([[1.0, 1.0], [1.0, 0.15]], dtype=torch.float64)
    zero = torch.zeros(2, 2).double()
    both = normal(repeated(zero, 20), torch.diag_embed(repeated(widths, 20)))
    alone = sampled(both.take(torch.arange(20)))
    together = sampled(both)
    assert_moments(together.z, zero, widths.square())
    assert float(together.leapfrogs[20:].mean() / together.leapfrogs[:20].mean()) > 2
    for name in ("leapfrogs", "accepted", "depths"):
        easy, beside = (getattr(d, name)[:20].mean() for d in (alone, together))
        assert float(beside) == pytest.approx(float(easy), rel=0.07), name
    # Two samples of one distribution.
    thin = (d.z[:20, :, ::10, 0].flatten().numpy() for d in (alone, together))
    assert stats.ks_2samp(*thin).pvalue > 0.01


@pytest.mark.slow
@pytest.mark.parametrize("target_accept", [0.7, 0.9])
def test_step_sizes_reach_the_acceptance_asked_for(target_accept):
    shape = torch.linspace(0.7, 5, 20, dtype=torch.float64).view(2, 10)
    found = sampled(log_gamma(shape), warmup=250, draws=100, target_accept=target_accept)
    assert float(found.accepted.mean() / 100) == pytest.approx(target_accept, abs=0.1)


def test_trees_are_no_deeper_than_asked():
    narrow = torch.diag_embed(torch.tensor([[1.0, 0.01]], dtype=torch.float64))
    target = normal(torch.zeros(1, 2).double(), narrow)
    found = sampled(target, warmup=60, draws=30, max_tree_depth=3)
    assert bool((found.depths <= 3 * 30 + 1e-9).all())
    assert bool((found.leapfrogs <= 7 * 30 + 1e-9).all())
    assert bool((found.leapfrogs > 4 * 30).all())


def test_more_draws_begin_where_the_last_ended():
    target = log_gamma(torch.tensor([[2.0], [5.0], [1.0]], dtype=torch.float64))
    sampler = sampler_of(target)
    first = sampler.run(20, adapt=True)
    assert torch.equal(sampler.z, first.z[:, :, -1])
    part = sampler.take(torch.tensor([2, 0]))
    assert torch.equal(part.z, sampler.z[[2, 0]])
    assert torch.equal(part.step.average, sampler.step.average[[2, 0]])
    assert part.run(7).z.shape == (2, CHAINS, 7, 1)
    # The whole sampler is as it was.
    assert torch.equal(sampler.z, first.z[:, :, -1])


def test_other_coordinates_between_runs():
    mean, factor = means(20, 2), factors(20, 2)
    target = normal(mean, factor)
    widths = torch.diag_embed(torch.linalg.norm(factor, dim=2))
    sampler = sampler_of(target, Affine(mean, 0.5 * widths))
    sampler.run(20, adapt=True)
    before = sampler.z
    sampler.use(Affine(mean, factor))
    assert torch.equal(sampler.z, before)
    sampler.run(60, adapt=True)
    found = sampler.run(100)
    # In them the density is a standard normal: short trees are enough.
    assert float(found.depths.mean() / 100) < 3
    x = sampler.coordinates.inside(found.z.flatten(1, 2)).view(1, -1, 100, 2)
    assert_moments(x, torch.zeros(1, 2).double(), torch.ones(1, 2).double())


def test_progress_is_told():
    done = []
    sampler_of(log_gamma(torch.ones(3, 2).double())).run(60, progress=done.append)
    assert done == sorted(done)
    assert done[-1] == 1


def test_checkpoints_are_those_of_the_subtrees_that_end_in_a_leaf():
    depth = 6
    first, last = (table.tolist() for table in _leaf_tables(depth, torch.device("cpu")))
    kept = {}
    for leaf in range(2**depth):
        if leaf % 2 == 0:
            kept[last[leaf]] = leaf
            continue
        found = {kept[slot] for slot in range(first[leaf], last[leaf] + 1)}
        sizes = [2**k for k in range(1, depth + 1) if (leaf + 1) % 2**k == 0]
        assert found == {leaf + 1 - size for size in sizes}
        assert max(kept) < depth


# ---- drifting along a circle ----


@pytest.mark.parametrize("step", [0.3, 0.9, 2.5])
def test_a_rotation_keeps_the_energy_of_a_standard_normal(step):
    target = normal(torch.zeros(3, 4).double(), torch.eye(4).double().expand(3, 4, 4))
    found = sampler_of(target, step_size=step, rotate=True).run(10)
    assert float((found.accepted / 10 - 1).abs().max()) < 1e-12
    straight = sampler_of(target, step_size=step).run(10)
    assert float((straight.accepted / 10 - 1).abs().max()) > 1e-6


def test_rotations_sample_correlated_normals_from_rough_coordinates():
    mean, factor = means(3, 4), factors(3, 4)
    sd = torch.linalg.norm(factor, dim=2)
    many = [repeated(tensor, 20) for tensor in (mean, factor, sd)]
    rough = Affine(many[0] + 0.5 * many[2], torch.diag_embed(many[2]))
    found = sampled(normal(*many[:2]), rough, warmup=60, draws=60, rotate=True)
    assert_moments(found.z, mean, sd.square())
    centred = found.z - many[0][:, None, None]
    assert_mean(centred[..., 0] * centred[..., 3], (factor[:, 0] * factor[:, 3]).sum(1))


def test_rotations_sample_a_skewed_density():
    shape = torch.tensor([[1.0, 2.0], [5.0, 1.5]], dtype=torch.float64)
    found = sampled(log_gamma(repeated(shape, 50)), warmup=60, draws=60, rotate=True)
    assert_moments(found.z, torch.digamma(shape), torch.polygamma(1, shape))


def test_in_good_coordinates_rotations_take_longer_steps():
    mean, factor = means(10, 12), factors(10, 12)
    target, good = normal(mean, factor), Affine(mean, 1.1 * factor)
    turning, straight = (
        sampled(target, good, warmup=25, draws=10, rotate=rotate) for rotate in (True, False)
    )
    assert float(turning.leapfrogs.mean()) < 0.8 * float(straight.leapfrogs.mean())


@pytest.mark.slow
def test_agrees_with_pyros_sampler():
    shape = torch.tensor([1.0, 2.0, 5.0], dtype=torch.float64)
    target = log_gamma(shape[None])
    ours = sampled(target, draws=1500).z

    def potential(values):
        return -target(values["z"][None, None])[0, 0]

    pyro.set_rng_seed(0)
    start = {"z": torch.zeros(3, dtype=torch.float64)}
    kernel = NUTS(potential_fn=potential)
    mcmc = MCMC(kernel, 1500, 300, initial_params=start, disable_progbar=True)
    mcmc.run()
    theirs = mcmc.get_samples()["z"][None, None]
    for d in range(3):
        for power in (1, 2):
            one, other = (z[..., d] ** power for z in (ours, theirs))
            error = (one.var() / ess_mean(one) + other.var() / ess_mean(other)).sqrt()
            assert float((one.mean() - other.mean()).abs() / error) < 4
