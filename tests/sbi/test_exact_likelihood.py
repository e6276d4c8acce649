"""The exact likelihood, held to its definition and to the score at the truth."""

from dataclasses import replace

import pytest
import torch
from torch.distributions import MultivariateNormal

from sntorch.errors import ConfigError
from sntorch.physics.cosmology import Cosmology
from sntorch.sbi import SummaryLikelihood, SummarySurvey, draw_prior, simulate, simulate_exposure
from sntorch.sbi.exact import scores
from sntorch.sbi.summary import FIDUCIAL, FLOWSN, PRIOR

SURVEYS = {"plain": SummarySurvey(), "flowsn": FLOWSN}
SCHEMES = ("conditional", "fixed_number", "poisson", "unknown_rate")


def fiducial(n):
    return torch.tensor([FIDUCIAL], dtype=torch.float64).repeat(n, 1)


def observed(survey, scheme, n_surveys, n):
    """Surveys as the scheme has them, and the rate that it is told."""
    if scheme in ("conditional", "fixed_number"):
        return simulate(survey, fiducial(n_surveys), n, seed=21), None
    rate = n / 0.2
    data = simulate_exposure(survey, fiducial(n_surveys), rate, seed=22)
    return data, rate if scheme == "poisson" else None


def deviation(survey, scheme, n_surveys, n):
    """Mean score at the truth in standard errors, shape (5,)."""
    data, rate = observed(survey, scheme, n_surveys, n)
    found = scores(SummaryLikelihood(survey, data, scheme, rate=rate), fiducial(n_surveys))
    return found.mean(0) / (found.std(0) / n_surveys**0.5)


def normal_of(survey, z, theta):
    """d | z, θ as summary.py defines it, for one supernova."""
    om0, m0, alpha, beta, sigma_int = theta
    one = torch.ones((), dtype=torch.float64)
    mixing = torch.stack([torch.stack([one, -alpha, beta]), *torch.eye(3).double()[1:]])
    latent = torch.diag(
        torch.stack([sigma_int**2, one * survey.sigma_x**2, one * survey.sigma_c**2])
    )
    noise = torch.diag(torch.stack(survey.noise_sd(z)) ** 2)
    mu = Cosmology(h0=survey.h0, om0=om0).distmod(z)
    mean = mu + m0 - alpha * survey.x0 + beta * survey.c0
    eta = torch.stack([mean, one * survey.x0, one * survey.c0])
    return MultivariateNormal(eta, mixing @ latent @ mixing.T + noise)


@pytest.mark.parametrize("survey", SURVEYS.values(), ids=SURVEYS)
def test_normal_part_is_that_of_three_dimensions(survey):
    """Differences between points: both leave out what does not depend on θ."""
    data = simulate(survey, fiducial(1), 4, seed=1)
    points = draw_prior(PRIOR, 3, seed=2)
    found = SummaryLikelihood(survey, data, "ignored")(points[None])[0]
    pairs = list(zip(data.redshift[0], data.data[0], strict=True))
    expected = torch.stack(
        [
            torch.stack([normal_of(survey, z, p).log_prob(d) for z, d in pairs]).sum()
            for p in points
        ]
    )
    torch.testing.assert_close(found - found[0], expected - expected[0])


@pytest.mark.parametrize("survey", SURVEYS.values(), ids=SURVEYS)
def test_probability_of_detection_is_that_of_many_draws(survey):
    n, theta = 100_000, fiducial(1)
    for below in (1.0, 0.0, -1.0):
        # Where the limit is so many magnitudes fainter than a typical supernova.
        z = redshift_of(survey, survey.m_limit - below)
        torch.manual_seed(0)
        drawn = survey.log_detection(normal_of(survey, z, theta[0]).sample(torch.Size([n]))).exp()
        p = float(survey.log_selection(z[None], theta[None]).exp())
        assert float(drawn.mean()) == pytest.approx(p, abs=4 * float(drawn.std()) / n**0.5)


def redshift_of(survey, magnitude):
    z = torch.linspace(survey.z_low, survey.z_high, 400, dtype=torch.float64)
    mean = Cosmology(h0=survey.h0, om0=0.3).distmod(z) - 19.3
    return z[(mean - magnitude).abs().argmin()]


def test_number_of_nodes_is_enough(monkeypatch):
    import sntorch.sbi.summary as summary

    points = draw_prior(PRIOR, 200, seed=3)[None]
    data = simulate(SURVEYS["plain"], fiducial(1), 1, seed=0)
    few = SummaryLikelihood(SURVEYS["plain"], data).log_detectable(points)
    monkeypatch.setattr(summary, "NODES", 96)
    many = SummaryLikelihood(SummarySurvey(), data).log_detectable(points)
    torch.testing.assert_close(few, many, rtol=0, atol=1e-6)


@pytest.mark.parametrize("survey", SURVEYS.values(), ids=SURVEYS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_score_at_the_truth_has_mean_zero(survey, scheme):
    assert float(deviation(survey, scheme, 200, 100).abs().max()) < 4


def test_score_without_selection_has_not():
    assert float(deviation(SURVEYS["plain"], "ignored", 200, 100).abs().max()) > 20


@pytest.mark.slow
@pytest.mark.parametrize("scheme", SCHEMES)
def test_score_at_the_truth_has_mean_zero_for_400_000_supernovae(scheme):
    assert float(deviation(SURVEYS["plain"], scheme, 1_500, 300).abs().max()) < 3


def test_padding_and_company_do_not_matter():
    survey = SURVEYS["plain"]
    data = simulate_exposure(survey, fiducial(5), 300.0, seed=2)
    points = draw_prior(PRIOR, 5 * 4, seed=2).reshape(5, 4, 5)
    for scheme, rate in (("conditional", None), ("poisson", 300.0), ("unknown_rate", None)):
        whole = SummaryLikelihood(survey, data, scheme, rate=rate)
        for b in range(5):
            n = int(data.mask[b].sum())
            own = replace(
                data.take(slice(b, b + 1)),
                redshift=data.redshift[b : b + 1, :n],
                data=data.data[b : b + 1, :n],
                mask=data.mask[b : b + 1, :n],
            )
            alone = SummaryLikelihood(survey, own, scheme, rate=rate)(points[b : b + 1])
            torch.testing.assert_close(alone, whole(points)[b : b + 1])
            taken = whole.take(torch.tensor([b]))(points[b : b + 1])
            torch.testing.assert_close(alone, taken)


def test_what_cannot_be_is_refused():
    survey, data = SURVEYS["plain"], simulate(SURVEYS["plain"], fiducial(2), 3, seed=0)
    with pytest.raises(ConfigError, match="scheme none: one of conditional, fixed_number"):
        SummaryLikelihood(survey, data, "none")
    with pytest.raises(ConfigError, match="a rate is for poisson, which needs one"):
        SummaryLikelihood(survey, data, "poisson")
    empty = replace(data, mask=torch.zeros_like(data.mask))
    with pytest.raises(ConfigError, match="no supernova: there is nothing to infer from"):
        SummaryLikelihood(survey, empty)
