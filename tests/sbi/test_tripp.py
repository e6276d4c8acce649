"""Supernovae with covariances of their own: likelihood, simulator, files."""

import pytest
import torch
from torch.distributions import MultivariateNormal

from sntorch.errors import ConfigError, DataError
from sntorch.physics.cosmology import Cosmology
from sntorch.sbi import BoxPosterior, sample
from sntorch.sbi.tripp import (
    PRIOR,
    ProbitLimit,
    TrippLikelihood,
    TrippSample,
    simulate_tripp,
    tripp_moments,
)
from sntorch.sbi.tripp_files import read_tripp

TRUTH = (-19.3, 0.14, 3.0, 0.1, -0.3, 1.0, -0.03, 0.08)
LIMIT = ProbitLimit(17.8, 0.3)
COLUMNS = "CID zHD zHDERR mB mBERR x0 x1 x1ERR c cERR COV_x1_c COV_x1_x0 COV_c_x0"
ROW = "SN: 05cf 0.02 0.001 15.5 0.04 0.0112 -0.2 0.1 0.05 0.03 0.0004 5e-5 -6e-6"


def truths(n):
    return torch.tensor([TRUTH], dtype=torch.float64).repeat(n, 1)


def observed(n=40):
    """Redshifts and covariances with correlations."""
    generator = torch.Generator().manual_seed(1)
    z = 0.015 + 0.065 * torch.rand(n, generator=generator, dtype=torch.float64)
    root = torch.randn(n, 3, 3, generator=generator, dtype=torch.float64).tril()
    root = root * torch.tensor([0.05, 0.15, 0.03], dtype=torch.float64)[:, None]
    root = root + torch.diag(torch.tensor([0.05, 0.1, 0.02], dtype=torch.float64))
    mu = Cosmology(h0=70.0, om0=0.3).distmod(z)
    names = tuple(f"sn{i}" for i in range(n))
    return TrippSample(z, mu, torch.zeros(1, n, 3, dtype=torch.float64), root @ root.mT, names)


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
def test_scores_at_the_truth(told):
    n = 400
    data = simulate_tripp(observed(), truths(n), LIMIT, seed=3)
    theta = truths(n)[:, None].requires_grad_()
    likelihood = TrippLikelihood(data, LIMIT if told else None)
    (score,) = torch.autograd.grad(likelihood(theta).sum(), theta)
    off = score[:, 0].mean(0) / (score[:, 0].std(0) / n**0.5)
    worst = float(off.abs().max())
    assert worst < 3.5 if told else worst > 20


def test_the_posterior_holds_the_truth_when_it_knows_of_the_limit():
    shallow = ProbitLimit(17.0, 0.3)
    data = simulate_tripp(observed(150), truths(6), shallow, seed=4)
    pulls = {}
    for name, selection in (("told", shallow), ("ignored", None)):
        drawn = sample(BoxPosterior(TrippLikelihood(data, selection), PRIOR), 400).theta
        pulls[name] = ((drawn.mean(1) - truths(6)) / drawn.std(1))[:, 0].mean()
    assert abs(float(pulls["told"])) < 0.9
    assert float(pulls["ignored"]) < -1.1


def test_a_survey_that_sees_nothing_is_refused(monkeypatch):
    monkeypatch.setattr("sntorch.sbi.tripp.MOST_TRIES", 20)
    with pytest.raises(ConfigError, match="keeps next to nothing at the redshift of sn"):
        simulate_tripp(observed(), truths(1), ProbitLimit(8.0, 0.1), seed=0)
    with pytest.raises(ConfigError, match="width > 0"):
        ProbitLimit(16.0, 0.0)


def write(path, *rows, names=COLUMNS):
    path.write_text(f"# a comment\nVARNAMES: {names}\n" + "\n".join(rows) + "\n")
    return path


def test_a_fitres_table_is_read(tmp_path):
    path = write(tmp_path / "a.fitres", ROW, ROW.replace("05cf", "red").replace("0.05 ", "0.5 "))
    found = read_tripp(path, Cosmology(h0=70.0, om0=0.3))
    assert found.names == ("05cf",)
    assert found.data[0, 0].tolist() == [15.5, -0.2, 0.05]
    covariance = found.covariance[0]
    assert float(covariance[0, 0]) == pytest.approx(0.04**2 + (2.17147 * 0.05) ** 2, rel=1e-4)
    assert float(covariance[0, 1]) == pytest.approx(-1.0857 / 0.0112 * 5e-5, rel=1e-4)
    assert read_tripp(path, Cosmology(), quality=False).names == ("05cf", "red")


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
