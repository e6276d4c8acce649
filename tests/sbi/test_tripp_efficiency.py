"""The share that is kept, learnt from injections, against closed forms; sharp cuts included."""

from dataclasses import replace

import pytest
import torch
from tripp_samples import BOX, BlueEdge, points, selected, truths

from sntorch.errors import ConfigError
from sntorch.physics.cosmology import Cosmology
from sntorch.sbi.tripp import TrippLikelihood, malmquist, tripp_moments
from sntorch.sbi.tripp_cuts import FitCuts
from sntorch.sbi.tripp_efficiency import fit_tripp_efficiency
from sntorch.sbi.tripp_injections import inject_tripp
from sntorch.sbi.tripp_limit import ProbitLimit
from sntorch.sbi.tripp_methods import TrippMethods
from sntorch.sbi.tripp_selection import TrippSelection

SHARP = FitCuts(ProbitLimit(17.8, 0.02), x1=1.5, c=0.12)
INJECTIONS = 30_000


@pytest.fixture(scope="module")
def sample():
    return selected(SHARP)


@pytest.fixture(scope="module")
def learnt(sample):
    return fit_tripp_efficiency(sample, SHARP, BOX, INJECTIONS, seed=1)


def pairs(learnt, selection, theta):
    moments = tripp_moments(learnt.sample, theta)
    return learnt.log_kept(*moments), selection.log_kept(*moments)


@pytest.mark.parametrize(
    "selection",
    [
        ProbitLimit(17.3, 0.3),
        ProbitLimit(17.8, 0.02),
        FitCuts(None, x1=1.0, c=0.06),
        FitCuts(ProbitLimit(17.3, 0.3), x1=1.5, c=0.12),
        SHARP,
    ],
    ids=str,
)
def test_a_learnt_share_is_the_exact_one(selection):
    learnt = fit_tripp_efficiency(selected(selection), selection, BOX, INJECTIONS, seed=1)
    found, exact = pairs(learnt, selection, points()[0])
    assert float((found - exact).square().mean().sqrt()) < 0.04
    assert float((found - exact).sum(-1).std()) < min(0.1, 0.03 * float(exact.sum(-1).std()))
    learnt.check(points()[0])
    assert "share learnt" in str(learnt)


def test_more_injections_are_more_accurate_and_the_check_knows_it(sample):
    off, told = [], []
    for n in (256 * 60, 4_096 * 60):
        learnt = fit_tripp_efficiency(sample, SHARP, BOX, n, seed=2)
        found, exact = pairs(learnt, SHARP, points()[0])
        off.append(float((found - exact).sum(-1).std()))
        moments, middle = tripp_moments(sample, points()[0]), learnt.injections.kept.shape[1] // 2
        halves = [learnt._log_share(*moments, slice(*s)) for s in ((middle,), (middle, None))]
        told.append(float((halves[0] - halves[1]).sum(-1).std()) / 2)
    assert off[1] < off[0] / 3
    assert told[1] < told[0] / 3
    assert all(0.2 < a / b < 5 for a, b in zip(told, off, strict=True))


def test_a_selection_that_keeps_everything_keeps_it_all(sample):
    class Everything(TrippSelection):
        def log_probability(self, data):
            return torch.zeros_like(data[..., 0])

    learnt = fit_tripp_efficiency(sample, Everything(), BOX, 1_000)
    found = learnt.log_kept(*tripp_moments(sample, points(5)[0]))
    assert float(found.abs().max()) < 1e-6


def test_slopes_are_those_of_the_exact_share(sample, learnt):
    """Modes are found with them, and the Malmquist bias."""
    theta = truths(1).requires_grad_()
    slopes = [
        torch.autograd.grad(selection.log_kept(*tripp_moments(sample, theta)).sum(), theta)[0]
        for selection in (learnt, SHARP)
    ]
    size = torch.tensor([0.02, 0.02, 0.3, 0.02, 0.15, 0.1, 0.01, 0.01]).double()
    assert float(((slopes[0] - slopes[1]) * size).abs().max()) < 0.1
    shift, exact = (malmquist(sample, truths(1)[0], s)[3] for s in (learnt, SHARP))
    torch.testing.assert_close(shift, exact, atol=0.04, rtol=0)
    assert float(exact.abs().max()) > 0.2


def test_a_sharp_selection_is_corrected_for_as_by_its_closed_form(sample):
    known = TrippMethods(sample.of(torch.arange(30)), SHARP, BOX)
    exact, learnt, ignored = (
        one.sample(known.sample, 500)[0]
        for one in (known.likelihood(), known.efficiency(1_000), known.ignored())
    )
    off, without = ((d.mean(0) - exact.mean(0)) / exact.std(0) for d in (learnt, ignored))
    assert float(off.abs().max()) < 0.35
    assert float(without.abs().max()) > 0.7
    assert float((learnt.std(0) / exact.std(0) - 1).abs().max()) < 0.25


def test_injections_are_reproducible_and_their_density_is_right(sample):
    one, again, other = (inject_tripp(sample, SHARP, BOX, 60 * 256, seed) for seed in (1, 1, 2))
    assert one.data.shape == (60, 256, 3)
    assert torch.equal(one.data, again.data)
    assert not torch.equal(one.data, other.data)
    many = inject_tripp(sample, SHARP, BOX, 60 * 4_096, 1)
    # Means over a normal distribution by weighted injections.
    mean, covariance = tripp_moments(sample, truths(1)[0])
    factor = torch.linalg.cholesky(covariance)
    white = torch.linalg.solve_triangular(factor, (many.data - mean[:, None]).mT, upper=False)
    size = factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)[:, None]
    weight = (-(white**2).sum(1) / 2 - size - many.log_density).exp()
    torch.testing.assert_close(weight.mean(1), torch.ones(60).double(), atol=0.03, rtol=0)


def test_a_sample_that_it_was_not_learnt_for_is_refused(sample, learnt):
    here = f"its share learnt: of the 60 supernovae from {sample.names[0]} on; moments of"

    def asked(other):
        TrippLikelihood(other, learnt)(truths(1)[:, None])

    asked(sample)
    # M0 takes up what all distances have in common.
    asked(replace(sample, mu=sample.mu + 0.1))
    order = torch.arange(60).flip(0)
    bluer = sample.covariance.clone()
    bluer[7, 2, 2] *= 1.5
    for other, message in (
        (sample.of(order), "with other redshifts, or in another order"),
        (replace(sample, mu=Cosmology(h0=70.0, om0=0.9).distmod(sample.redshift)), "redshifts"),
        (replace(sample, covariance=bluer), "with other covariances"),
        (sample.of(order[:20]), r"another sample were found, shape \(1, 1, 20, 3\)"),
    ):
        with pytest.raises(ConfigError, match=f"{here}.*{message}") as error:
            asked(other)
        assert "\n" not in str(error.value)


def test_injections_that_tell_too_little_are_refused(sample, learnt):
    with pytest.raises(ConfigError, match="keeps none of"):
        fit_tripp_efficiency(sample, BlueEdge(-9.0), BOX, 1_000)
    faint = truths(40)
    faint[:, 0] += 20.0
    with pytest.raises(ConfigError, match="injections show nothing kept where the posterior is"):
        learnt.check(faint)
    far = truths(40)
    far[:, 4], far[:, 5] = torch.linspace(-3.0, 3.0, 40), 0.5
    with pytest.raises(ConfigError, match=r"leave ln L uncertain by .*; more of them \(effic"):
        learnt.check(far)
