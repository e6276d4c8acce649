"""Supernovae with covariances of their own: likelihood, simulator, files."""

import pytest
import torch
from torch.distributions import MultivariateNormal
from tripp_samples import TRUTH, observed, truths

from sntorch.errors import ConfigError, DataError
from sntorch.physics.cosmology import Cosmology
from sntorch.sbi import FlowModule
from sntorch.sbi.selection_posterior import SelectionPosterior
from sntorch.sbi.tripp import (
    PRIOR,
    TrippLikelihood,
    TrippSample,
    malmquist,
    simulate_tripp,
    tripp_moments,
)
from sntorch.sbi.tripp_cuts import FitCuts
from sntorch.sbi.tripp_files import read_tripp
from sntorch.sbi.tripp_learning import TrippSimulator
from sntorch.sbi.tripp_limit import ProbitLimit

LIMIT = ProbitLimit(17.8, 0.3)
CUTS = FitCuts(LIMIT, x1=1.5, c=0.1)
COLUMNS = "CID zHD zHDERR mB mBERR x0 x1 x1ERR c cERR COV_x1_c COV_x1_x0 COV_c_x0"
ROW = "SN: 05cf 0.02 0.001 15.5 0.04 0.0112 -0.2 0.1 0.05 0.03 0.0004 5e-5 -6e-6"


def test_the_likelihood_is_that_of_the_normal_distribution():
    data = simulate_tripp(observed(), truths(2), None, seed=0)
    theta = truths(2)[:, None]
    mean, covariance = tripp_moments(data, theta)
    expected = MultivariateNormal(mean, covariance).log_prob(data.data[:, None]).sum(-1)
    shifted = theta + 0.01
    mean, covariance = tripp_moments(data, shifted)
    other = MultivariateNormal(mean, covariance).log_prob(data.data[:, None]).sum(-1)
    found = TrippLikelihood(data, None)
    torch.testing.assert_close(found(shifted) - found(theta), other - expected)


def test_moments_are_those_of_simulated_supernovae():
    data = simulate_tripp(observed(3), truths(60_000), None, seed=2).data
    mean, covariance = tripp_moments(observed(3), truths(1)[0])
    torch.testing.assert_close(data.mean(0), mean, atol=0.02, rtol=0)
    for i in range(3):
        found = data[:, i].T.cov()
        scale = covariance[i].diagonal().sqrt()
        off = (found - covariance[i]) / (scale[:, None] * scale)
        assert float(off.abs().max()) < 0.02


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("selection", [LIMIT, CUTS, FitCuts(None, 1.2, 0.1)])
def test_scores_at_the_truth(selection, told):
    n = 400
    data = simulate_tripp(observed(), truths(n), selection, seed=3)
    theta = truths(n)[:, None].requires_grad_()
    likelihood = TrippLikelihood(data, selection if told else None)
    (score,) = torch.autograd.grad(likelihood(theta).sum(), theta)
    off = score[:, 0].mean(0) / (score[:, 0].std(0) / n**0.5)
    worst = float(off.abs().max())
    assert worst < 3.5 if told else worst > 20


def test_modes_are_right_when_the_limit_is_known_and_only_then():
    shallow, n = ProbitLimit(17.3, 0.3), 40
    data = simulate_tripp(observed(150), truths(n), shallow, seed=4)
    pulls = {}
    for name, selection in (("told", shallow), ("ignored", None)):
        found = SelectionPosterior(TrippLikelihood(data, selection), PRIOR).map() - truths(n)
        pulls[name] = found.mean(0) / (found.std(0) / n**0.5)
    assert float(pulls["told"][[0, 1, 2, 5, 7]].abs().max()) < 3.5
    assert float(pulls["ignored"][0]) < -5


def test_the_malmquist_bias_is_that_of_kept_supernovae():
    sample, theta = observed(3), truths(40_000)
    kept = simulate_tripp(sample, theta, CUTS, seed=6)
    _, _, _, expected, share = malmquist(sample, theta[0], CUTS)
    m0, alpha, beta = TRUTH[:3]
    m, x1, c = kept.data.unbind(-1)
    residual = m - sample.mu - m0 + alpha * x1 - beta * c
    error = residual.std(0) / len(theta) ** 0.5
    assert float(((residual.mean(0) - expected) / error).abs().max()) < 4
    everything = simulate_tripp(sample, theta, None, seed=7).data
    torch.testing.assert_close(
        CUTS.log_probability(everything).exp().mean(0), share, atol=0.01, rtol=0
    )


def test_a_survey_that_sees_nothing_is_refused():
    with pytest.raises(ConfigError, match="keeps next to nothing at the redshift of sn"):
        simulate_tripp(observed(), truths(1), ProbitLimit(-20.0, 0.1), seed=0)


def write(path, *rows, names=COLUMNS):
    path.write_text(f"# a comment\nVARNAMES: {names}\n" + "\n".join(rows) + "\n")
    return path


def test_a_fitres_table_is_read(tmp_path):
    path = write(tmp_path / "a.fitres", ROW, ROW.replace("05cf", "red").replace("0.05 ", "0.5 "))
    found = read_tripp(path, Cosmology(h0=70.0, om0=0.3), quality=True)
    assert found.names == ("05cf",)
    assert found.data[0, 0].tolist() == [15.5, -0.2, 0.05]
    covariance = found.covariance[0]
    assert float(covariance[0, 0]) == pytest.approx(0.04**2 + (2.17147 * 0.05) ** 2, rel=1e-4)
    assert float(covariance[0, 1]) == pytest.approx(-1.0857 / 0.0112 * 5e-5, rel=1e-4)
    assert read_tripp(path, Cosmology()).names == ("05cf", "red")


@pytest.mark.parametrize(
    ("rows", "names", "message"),
    [
        ((ROW,), COLUMNS.replace("x0", "y0"), "no column x0"),
        ((ROW.rsplit(" ", 1)[0],), COLUMNS, "line 3: 12 values"),
        ((ROW.replace("15.5", "bright"),), COLUMNS, "mB of 05cf is 'bright'"),
        ((ROW.replace(" 0.02 ", " -9 "),), COLUMNS, "redshift of 05cf is -9"),
        ((), COLUMNS, "no table"),
        ((ROW.replace("0.0004", "nan"),), COLUMNS, "05cf: covariance is not a finite"),
        ((ROW.replace("0.0004", "0.4"),), COLUMNS, "05cf: its covariance .* not positive"),
    ],
)
def test_bad_tables_are_refused(tmp_path, rows, names, message):
    path = write(tmp_path / "bad.fitres", *rows, names=names)
    with pytest.raises(DataError, match=message):
        read_tripp(path, Cosmology())


def test_samples_are_reproducible_one_by_one():
    whole = simulate_tripp(observed(), truths(4), LIMIT, seed=5)
    last = simulate_tripp(observed(), truths(1), LIMIT, seed=5, first=3)
    torch.testing.assert_close(whole.data[3:], last.data)
    assert not torch.equal(whole.data[2], whole.data[3])
    cut = simulate_tripp(observed(), truths(4), CUTS, seed=5)
    torch.testing.assert_close(
        cut.data[3:], simulate_tripp(observed(), truths(1), CUTS, seed=5, first=3).data
    )


def test_a_flow_learns_from_simulated_samples():
    simulator = TrippSimulator(observed(30), LIMIT, seed=1)
    theta, data = simulator(7, 3)
    assert torch.equal(simulator(9, 1)[1].data[0], data.data[2])
    embedding = {
        "_target_": "sntorch.sbi.embeddings.DeepSet",
        "encoder": {"_target_": "sntorch.sbi.tripp_learning.TrippEncoder"},
        "n_outputs": 16,
    }
    flow = FlowModule(PRIOR, embedding, transforms=1, width=16)
    flow.prepare(simulator(0, 64)[1])
    assert flow.log_ratio(theta[:, None], data).shape == (3, 1)
    assert flow.sample(data, 5).shape == (3, 5, 8)
    moved = data.take(torch.tensor([1]))
    order = torch.randperm(30, generator=torch.Generator().manual_seed(0))
    shuffled = TrippSample(
        moved.redshift[order],
        moved.mu[order],
        moved.data[:, order],
        moved.covariance[order],
        tuple(moved.names[i] for i in order),
    )
    torch.testing.assert_close(flow.embed(shuffled), flow.embed(moved), atol=1e-3, rtol=1e-3)
