"""Slopes of Bazin functions, written out, against automatic ones; fits in any order of objects."""

from __future__ import annotations

import pytest
import torch

from sntorch.features.bazin import bazin, bazin_slopes
from sntorch.features.bazin_fit import fit_bazin, fit_population
from sntorch.simulation.testing import example_batch

SPREAD = torch.tensor([2.0, 20.0, 0.7, 1.5], dtype=torch.float64)
MEAN = torch.tensor([5.0, 0.0, 3.2, -1.7], dtype=torch.float64)


def test_slopes_are_those_of_automatic_differentiation():
    random = torch.Generator().manual_seed(0)
    shape = MEAN + SPREAD * torch.randn(2000, 4, generator=random, dtype=torch.float64)
    phase = 300 * torch.rand(2000, generator=random, dtype=torch.float64) - 60
    shape.requires_grad_()
    want = bazin(phase, shape)
    (slopes,) = torch.autograd.grad(want.sum(), shape)
    flux, found = bazin_slopes(phase, shape.detach())
    torch.testing.assert_close(flux, want.detach())
    torch.testing.assert_close(found, slopes, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("recorded", [torch.no_grad, torch.inference_mode])
def test_fits_need_no_gradients_and_keep_the_order(recorded):
    batch = example_batch(n=80).to("cpu", torch.float64)
    step = torch.arange(batch.time.shape[1])
    batch = batch.where(step < batch.n_observations[:, None] - torch.arange(80)[:, None] % 4)
    population, fits = fit_population(batch, 0.05)
    with recorded():
        again = population.fit(batch)
        some = population.fit(batch[[7, 3, 50]])
    torch.testing.assert_close(some.mode, again.mode[[7, 3, 50]], rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(fit_bazin(batch, 0.05).mode, fits.mode)
