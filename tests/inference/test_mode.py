"""The marginal mode of the shared parameters, where it is known, and bad starts."""

from __future__ import annotations

import pytest
import torch
from fake_normals import KnownSpread, Normals, answer

from sntorch.errors import DataError
from sntorch.inference.hierarchical import HierarchicalDensity
from sntorch.inference.mode import WIDEST, laplace_factor, shared_mode

START = torch.tensor([4.0, 3.0]).double()


def test_mode_of_a_normal_hierarchy_is_its_marginal_mean():
    model = KnownSpread()
    phi, value, n = shared_mode(HierarchicalDensity(model), START)
    mean, covariance = model.law()
    assert torch.allclose(phi, mean, atol=1e-5)
    assert 1 < n < 60
    assert not phi.requires_grad
    # The objects' own are integrated out: ln p falls from there as the marginal does.
    there, lower = (
        HierarchicalDensity(model).whitened_value_and_gradient(
            at[None], torch.zeros(6, 1, 2).double()
        )[0]
        for at in (phi, START)
    )
    assert value == pytest.approx(float(there))
    off = START - mean
    assert float(there - lower) == pytest.approx(
        float(0.5 * off @ torch.linalg.solve(covariance, off))
    )


def test_factor_is_that_of_the_marginal_covariance():
    model = KnownSpread()
    mean, covariance = model.law()
    factor = laplace_factor(HierarchicalDensity(model), mean)
    assert torch.allclose(factor, torch.linalg.cholesky(covariance), atol=1e-7)
    # Of a normal it is the same everywhere.
    assert torch.allclose(laplace_factor(HierarchicalDensity(model), START), factor, atol=1e-7)
    assert float(factor[1, 0]) > 0.01


def test_a_scale_does_not_go_to_zero():
    """As it would at the joint mode."""
    model = Normals()
    density = HierarchicalDensity(model)
    phi, _, _ = shared_mode(density, torch.tensor([0.0, 0.0, -1.0]).double())
    factor = laplace_factor(density, phi)
    wanted = answer(model)
    mean, variance = (torch.stack([*wanted["mu"][i], wanted["log_tau"][i]]) for i in (0, 1))
    sd = variance.sqrt()
    assert float(((phi - mean) / sd).abs().max()) < 0.3
    assert torch.allclose(factor.norm(dim=1), sd, rtol=0.2)


def test_blocks_change_nothing():
    one, many = (
        shared_mode(HierarchicalDensity(KnownSpread(block=block)), START)[0] for block in (1, 6)
    )
    assert torch.allclose(one, many, atol=1e-8)


def test_iterations_are_limited_and_progress_is_told():
    told = []
    density = HierarchicalDensity(Normals())
    start = torch.tensor([4.0, 3.0, -3.0]).double()
    phi, _, _ = shared_mode(density, start, 1, told.append)
    assert not torch.equal(phi, start)
    assert told == sorted(told)
    assert told[-1] == 1
    best, value, _ = shared_mode(density, start)
    assert value > shared_mode(density, start, 1)[1]
    assert not torch.allclose(phi, best, atol=0.05)


class Spoiled(Normals):
    """The log-prior is no number where the first variable is far from the answer."""

    def shared(self, phi):
        shared, prior = super().shared(phi)
        return shared, torch.where(phi[:, 0] < -1, torch.nan, prior)


def test_no_number_at_the_start_says_what_to_change():
    density = HierarchicalDensity(Spoiled())
    with pytest.raises(DataError, match="no number at the initial point: initialise from another"):
        shared_mode(density, torch.tensor([-2.0, 0.0, 0.0]).double())
    with pytest.raises(DataError, match="errors near zero"):
        shared_mode(density, torch.full((3,), torch.nan).double())


def test_no_number_on_the_way_is_stepped_back_from():
    """The first step of L-BFGS from there goes too far."""
    start = torch.tensor([9.0, -9.0, 1.0]).double()
    phi, value, _ = shared_mode(HierarchicalDensity(Spoiled()), start)
    wanted, best, _ = shared_mode(HierarchicalDensity(Normals()), torch.zeros(3).double())
    assert value == pytest.approx(best, abs=1e-6)
    assert torch.allclose(phi, wanted, atol=1e-3)


class Flat(Normals):
    """The third variable does nothing, the second bends the wrong way."""

    def shared(self, phi):
        return {"mu": phi[:, :1].expand(-1, 2), "tau": phi.new_ones(len(phi))}, (
            0.5 * phi[:, 1].square()
        )


def test_where_the_data_say_nothing_the_width_is_limited():
    factor = laplace_factor(HierarchicalDensity(Flat()), torch.zeros(3).double())
    assert torch.allclose(factor.diagonal()[1:], torch.full((2,), WIDEST).double())
    assert float(factor[0, 0]) < 1
