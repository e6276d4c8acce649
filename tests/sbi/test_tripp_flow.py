"""The learnt likelihood of one kept supernova, against the exact one; a density, and saved."""

import math

import lightning as L
import pytest
import torch
from torch.utils.data import DataLoader
from tripp_samples import BOX, SELECTION, observed, points, selected, truths

from sntorch.sbi.tripp import TrippLikelihood, simulate_tripp
from sntorch.sbi.tripp_flow import (
    KeptSupernovae,
    TrippFlow,
    TrippFlowLikelihood,
    fit_tripp_flow,
    normal_parts,
    stretched,
)

MEAN = torch.tensor([-0.3, 0.02, 17.4]).double()
FACTOR = torch.tensor([[1.0, 0, 0], [0.01, 0.08, 0], [-0.2, 0.1, 0.3]]).double()


@pytest.fixture(scope="module")
def sample():
    return selected()


def some_flow(ranges, seed=0):
    """One that has learnt nothing, but is not the normal distribution either."""
    torch.manual_seed(seed)
    flow = TrippFlow(ranges, transforms=2, hidden=16)
    flow.centre += 0.1 * torch.randn(12)
    # Narrower than normal: densities that a grid can follow up to the edges.
    flow.scale *= 1 - 0.3 * torch.rand(12)
    return flow.eval()


def errors(likelihood, sample):
    """Of ln p relative to the truth's, over a region of a few σ; and the size of ln p there."""
    theta = torch.cat([truths(1)[:, None], points()], 1)
    with torch.no_grad():
        found = likelihood(theta)[0]
        exact = TrippLikelihood(sample, SELECTION)(theta)[0]
    off = (found - exact)[1:] - (found - exact)[0]
    return float(off.std()), float((exact[1:] - exact[0]).std())


def test_a_learnt_likelihood_is_close_to_the_exact_one(sample):
    flow = fit_tripp_flow(sample, SELECTION, BOX, batch=512, steps=250, seed=1)
    error, size = errors(TrippFlowLikelihood(flow, sample), sample)
    ignored, _ = errors(TrippLikelihood(sample, None), sample)
    assert error < 0.3 * size
    assert error < 0.3 * ignored


def test_white_data_of_everything_kept_are_white():
    data = simulate_tripp(observed(5), truths(20_000), None, seed=2)
    white, log_volume = TrippFlow().whitened(*normal_parts(data, truths(20_000)))
    assert float(white.mean((0, 1)).abs().max()) < 0.02
    assert float((white.flatten(0, 1).T.cov() - torch.eye(3)).abs().max()) < 0.02
    assert log_volume.shape == (20_000, 5)


def test_stretched_numbers_are_normal_and_their_volume_is_the_derivative():
    low, high = torch.tensor(-0.7).double(), torch.tensor(1.2).double()
    u = torch.linspace(0.01, 0.99, 99, dtype=torch.float64)
    below = torch.special.ndtr(low)
    value = torch.special.ndtri(below + u * (torch.special.ndtr(high) - below)).requires_grad_()
    found, log_volume = stretched(value, low, high)
    torch.testing.assert_close(torch.special.ndtr(found), u)
    (slope,) = torch.autograd.grad(found.sum(), value)
    torch.testing.assert_close(log_volume, slope.log())


def test_the_volume_of_white_data_is_that_of_their_derivative():
    flow, generator = TrippFlow(ranges=(3.0, 0.3)), torch.Generator().manual_seed(2)
    factor = torch.tensor([[1.0, 0, 0], [0.01, 0.08, 0], [-0.2, 0.1, 0.3]]).double()
    mean = torch.tensor([-0.3, 0.02, 17.4]).double()
    for _ in range(5):
        data = mean + factor @ torch.randn(3, generator=generator).double().clamp(-2, 2)
        jacobian = torch.func.jacrev(lambda d: flow.whitened(d, mean, factor)[0])(data)
        expected = torch.linalg.slogdet(jacobian)[1]
        torch.testing.assert_close(flow.whitened(data, mean, factor)[1], expected)


@pytest.mark.parametrize("ranges", [(math.inf, math.inf), (1.5, 0.12), (math.inf, 0.12)])
def test_it_is_a_density_of_what_was_measured(ranges):
    n = 70
    edges = [
        min(reach, 6 * float(sd))
        for reach, sd in zip(
            (*ranges, math.inf), (FACTOR @ FACTOR.T).diagonal().sqrt(), strict=True
        )
    ]
    middle = (0.0 if math.isfinite(ranges[0]) else -0.3), (0.0 if ranges[1] < 1 else 0.02), 17.4
    axes = [
        m + e * (2 * (torch.arange(n).double() + 0.5) / n - 1)
        for m, e in zip(middle, edges, strict=True)
    ]
    data = torch.cartesian_prod(*axes)
    cell = math.prod(2 * e / n for e in edges)
    with torch.no_grad():
        found = some_flow(ranges).log_prob(data, MEAN, FACTOR).exp().sum() * cell
    assert float(found) == pytest.approx(1, abs=0.01)


def test_nothing_is_probable_beyond_the_ranges():
    outside = torch.tensor([[1.6, 0.0, 17.4], [0.0, -0.13, 17.4], [0.0, 0.0, 17.4]]).double()
    found = some_flow((1.5, 0.12)).log_prob(outside, MEAN, FACTOR)
    assert found.isfinite().tolist() == [False, False, True]
    assert found[:2].tolist() == [-math.inf, -math.inf]


def test_a_likelihood_is_the_sum_of_densities(sample):
    flow = some_flow(SELECTION.ranges)
    theta = truths(1)[:, None]
    parts = normal_parts(sample, theta)
    found = TrippFlowLikelihood(flow, sample)(theta)
    torch.testing.assert_close(found, flow.log_prob(*parts).sum(-1))


@pytest.mark.parametrize("ranges", [(math.inf, math.inf), (1.5, 0.12)])
def test_a_folder_and_a_checkpoint_hold_the_whole_flow(tmp_path, sample, ranges):
    flow = some_flow(ranges)
    parts = normal_parts(sample, truths(1))
    expected = flow.log_prob(*parts)
    flow.save_pretrained(tmp_path / "flow")
    opened = TrippFlow.from_pretrained(tmp_path / "flow")
    trainer = L.Trainer(
        accelerator="cpu",
        max_steps=1,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
    )
    batches = KeptSupernovae(sample, SELECTION, BOX, 64, 1, seed=0)
    trainer.fit(flow.train(), DataLoader(batches, batch_size=None))
    trainer.save_checkpoint(tmp_path / "flow.ckpt")
    loaded = TrippFlow.load_from_checkpoint(tmp_path / "flow.ckpt", weights_only=True)
    for again in (opened, loaded):
        assert again.ranges == ranges
    assert torch.equal(opened.log_prob(*parts), expected)
    assert torch.equal(loaded.log_prob(*parts), flow.log_prob(*parts))
    assert not torch.equal(loaded.log_prob(*parts), expected)
