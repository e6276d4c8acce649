"""Linear magnitudes against the exact ones of the hierarchical model."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from fake_hierarchy import model, normal

from sntorch.bayesn.joint_density import JointDensity
from sntorch.bayesn.linearised import Reference
from sntorch.bayesn.populations import Conditions
from sntorch.bayesn.surfaces import Surfaces
from sntorch.physics.extinction import anchors
from sntorch.physics.photometry import FLUXCAL_ZEROPOINT, LN


def exact(made, at):
    """Magnitude of every observation at a point, shape (S, F, T)."""
    sed, n = made.sed, len(made.sample)
    surfaces = Surfaces(0 * sed.w0, 0 * sed.w1, sed.epsilon_cholesky)
    one = at.av.new_ones(1)
    conditions = Conditions(one, one, w0_shift=at.warp, group=torch.arange(n))
    e = at.av.new_zeros(n, len(sed.epsilon_cholesky))
    flux = made.flux(surfaces, conditions, 0 * at.av, at.av, at.rv, at.tmax, e, at.grey - sed.m0)
    return FLUXCAL_ZEROPOINT - flux.log() / LN


def ordered(values, mask):
    """As ``Linearised`` orders observations: those that are none last, shape (S, O)."""
    index = (~mask).flatten(1).to(torch.int8).argsort(dim=1, stable=True)
    return values.flatten(1).gather(1, index)


def predicted(linear, at):
    """Linear magnitude of every observation, in units of its error, without the constant."""
    over_rv = anchors(at.rv) / at.rv[:, None]
    dust = linear.grey + (linear.dust @ over_rv[..., None])[..., 0]
    warp = (linear.warp * at.warp[:, None]).sum((-1, -2))
    moving = linear.tmax * at.tmax[:, None]
    return warp + at.av[:, None] * dust + at.grey[:, None] * linear.grey + moving


def difference(made, linear, at):
    """Linear minus exact magnitudes of the observations, mag, shape (N,)."""
    o = made.sample.observations
    bright = torch.where(o.mask, o.flux, 1.0)
    seen = FLUXCAL_ZEROPOINT - bright.log() / LN
    residual = (seen - exact(made, at)) * LN * bright / o.flux_err
    off = (ordered(residual, o.mask) - linear.constant + predicted(linear, at)) / linear.grey
    return off[ordered(o.mask, o.mask)]


def middle(made, seed=0):
    """A supernova of each kind: an SED of the model, some dust, not quite at its distance."""
    sed, n = made.sed, len(made.sample)
    theta = normal(n, seed=seed)
    zero = torch.zeros(n).double()
    return Reference(
        warp=sed.w0 + theta[:, None, None] * sed.w1,
        av=0.2 + 0.1 * normal(n, seed=seed + 1).abs(),
        rv=2.8 + 0.3 * normal(n, seed=seed + 2),
        grey=sed.m0 + made.sample.observations.muhat + 0.1 * normal(n, seed=seed + 3),
        tmax=zero + normal(n, seed=seed + 4) * made.free_tmax,
    )


def moved(made, at, by, seed=9):
    """A draw of the prior's own size times ``by`` away."""
    sed, n = made.sed, len(made.sample)
    theta = normal(n, seed=seed)
    epsilon = normal(n, len(sed.epsilon_cholesky), seed=seed + 1)
    surface = sed.epsilon_surface(epsilon)
    return Reference(
        warp=at.warp + by * (theta[:, None, None] * sed.w1 + surface),
        av=(at.av + by * 0.25 * normal(n, seed=seed + 2)).abs(),
        rv=at.rv + by * 0.4 * normal(n, seed=seed + 3),
        grey=at.grey + by * 0.3 * normal(n, seed=seed + 4),
        tmax=at.tmax + by * 0.3 * normal(n, seed=seed + 5) * made.free_tmax,
    )


def linear_at(made, at):
    return JointDensity(made, at).linear


@pytest.mark.parametrize("free", [True, False])
def test_is_exact_at_the_reference(free):
    made = model(free_tmax=free)
    at = middle(made)
    assert float(difference(made, linear_at(made, at), at).abs().max()) < 1e-10


def test_is_good_to_millimagnitudes_a_prior_draw_away():
    made = model()
    for at in (middle(made), JointDensity(made).default_reference()):
        linear = linear_at(made, at)
        off = difference(made, linear, moved(made, at, 1.0)).abs()
        assert float(off.median()) < 1e-3
        assert float(off.max()) < 0.05
        near = difference(made, linear, moved(made, at, 0.1)).abs()
        assert float(near.max()) < 1e-3


def test_errors_are_of_second_order():
    made = model()
    at = middle(made)
    linear = linear_at(made, at)
    half, whole = (difference(made, linear, moved(made, at, by)) for by in (0.05, 0.1))
    assert float(whole.norm() / half.norm()) == pytest.approx(4, rel=0.02)


def test_of_a_free_time_of_peak():
    made = model(free_tmax=True)
    at = middle(made)
    linear = linear_at(made, at)
    off = difference(made, linear, moved(made, at, 0.3)).abs()
    assert float(off.median()) < 1e-3
    assert float(off.max()) < 0.02


def slope(of, at, name, direction, step):
    """Central difference of a function of a reference, along a direction."""
    value = getattr(at, name)
    up, down = (of(replace(at, **{name: value + sign * step * direction})) for sign in (1, -1))
    return (up - down) / (2 * step)


# The slope in time is one over a day, in which the template bends.
@pytest.mark.parametrize(
    ("name", "step", "bound"),
    [
        ("warp", 1e-4, 1e-7),
        ("av", 1e-4, 1e-7),
        ("rv", 1e-4, 1e-7),
        ("grey", 1e-4, 1e-7),
        ("tmax", 0.5, 1e-10),
        ("tmax", 1e-3, 0.05),
    ],
)
def test_derivatives(name, step, bound):
    made = model(free_tmax=True)
    at = middle(made)
    linear = linear_at(made, at)
    mask = made.sample.observations.mask
    direction = normal(*getattr(at, name).shape, seed=5)
    if step == 0.5:
        direction = torch.ones_like(direction)
    wanted = ordered(slope(lambda p: exact(made, p), at, name, direction, step), mask)
    found = slope(lambda p: predicted(linear, p), at, name, direction, step) / linear.grey
    off = (found - wanted)[ordered(mask, mask)].abs()
    assert float(off.max()) < bound


@pytest.mark.parametrize("free", [True, False])
def test_fluxes_become_the_magnitudes_at_which_the_line_meets_them(free):
    """At the reference the residuals are those of the fluxes, far ones excepted."""
    made = model(magnitudes=False, free_tmax=free)
    o = made.sample.observations
    at = middle(made)
    linear = linear_at(made, at)
    flux = 10 ** (0.4 * (FLUXCAL_ZEROPOINT - exact(made, at)))
    part = ((flux - o.flux) / flux).clamp(-3, 3)
    wanted = ordered(part * flux / o.flux_err, o.mask)
    found = linear.constant - predicted(linear, at)
    seen = ordered(o.mask, o.mask)
    assert torch.allclose(found[seen], wanted[seen], rtol=1e-8, atol=1e-8)


def test_observations_come_first_and_padding_says_nothing():
    made = model()
    linear = JointDensity(made).linear
    counts = made.sample.observations.mask.flatten(1).sum(1)
    assert torch.equal((linear.grey > 0).sum(1), counts)
    for values in (linear.constant, linear.grey, linear.warp, linear.dust, linear.tmax):
        for row, n in zip(values, counts.tolist(), strict=True):
            assert not bool(row[n:].any())
    fewest = int(counts.argmin())
    part = linear.take(torch.tensor([fewest]))
    assert part.grey.shape == (1, int(counts.min()))
    assert torch.equal(part.warp[0], linear.warp[fewest, : int(counts.min())])
    assert part.av.shape == (1,)


def test_a_constant_is_taken_out():
    linear = JointDensity(model()).linear
    found = linear.without_grey(-19.0)
    assert torch.allclose(found.constant, linear.constant + 19.0 * linear.grey)
    assert torch.equal(found.warp, linear.warp)


def test_a_held_time_of_peak_has_no_slope():
    assert not bool(JointDensity(model()).linear.tmax.any())
    assert bool(JointDensity(model(free_tmax=True)).linear.tmax.any())
