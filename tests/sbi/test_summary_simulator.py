from dataclasses import replace

import pytest
import torch

import sntorch.sbi.filling as filling
import sntorch.sbi.summary_simulator as simulator
from sntorch.errors import ConfigError
from sntorch.sbi import SummarySurvey, draw_prior, simulate, simulate_exposure
from sntorch.sbi.summary import FIDUCIAL, FLOWSN, PRIOR

SURVEY = SummarySurvey()


def fiducial(n):
    return torch.tensor([FIDUCIAL], dtype=torch.float64).repeat(n, 1)


def test_a_survey_is_the_same_alone_and_among_others():
    theta = draw_prior(PRIOR, 12, seed=4)
    together = simulate(SURVEY, theta, 30, seed=4)
    alone = simulate(SURVEY, theta[7:9], 30, seed=4, first=7)
    assert torch.equal(draw_prior(PRIOR, 2, seed=4, first=7), theta[7:9])
    torch.testing.assert_close(alone.data, together.data[7:9])
    assert torch.equal(alone.n_candidates, together.n_candidates[7:9])
    other = simulate(SURVEY, theta[7:9], 30, seed=5, first=7)
    assert not bool((other.data == alone.data).any())


@pytest.mark.parametrize("at_once", [100, 3_000])
def test_a_survey_does_not_depend_on_how_many_are_drawn_at_a_time(at_once, monkeypatch):
    theta = draw_prior(PRIOR, 10, seed=1)
    before = simulate(SURVEY, theta, 50, seed=1)
    monkeypatch.setattr(simulator, "MOST_AT_ONCE", at_once)
    monkeypatch.setattr(filling, "GUESS", 0.9)
    after = simulate(SURVEY, theta, 50, seed=1)
    torch.testing.assert_close(after.data, before.data)
    assert torch.equal(after.n_candidates, before.n_candidates)


def test_larger_surveys_begin_with_the_smaller_ones():
    small, large = (simulate(SURVEY, fiducial(5), n, seed=2) for n in (10, 200))
    torch.testing.assert_close(large.data[:, :10], small.data)
    assert bool((large.n_candidates > small.n_candidates).all())


def test_candidates_of_exposures_are_those_of_fixed_numbers():
    """The same explosions, looked at for as long as asked."""
    exposure = simulate_exposure(SURVEY, fiducial(3), 400.0, seed=9)
    for b in range(3):
        n = int(exposure.mask[b].sum())
        fixed = simulate(SURVEY, fiducial(1), n, seed=9, first=b)
        torch.testing.assert_close(fixed.data[0], exposure.data[b][exposure.mask[b]])
        assert int(fixed.n_candidates) <= int(exposure.n_candidates[b])
        more = simulate(SURVEY, fiducial(1), n + 1, seed=9, first=b)
        assert int(more.n_candidates) > int(exposure.n_candidates[b])


@pytest.mark.parametrize("survey", [SURVEY, FLOWSN], ids=["plain", "flowsn"])
def test_as_many_are_detected_as_expected(survey):
    theta = fiducial(40)
    z, weight = survey.nodes
    beta = float((survey.log_selection(z, theta[:1, None]).exp() * weight).sum())
    seen = simulate_exposure(survey, theta, 2_000.0, seed=6)
    n = int(seen.n_candidates.sum())
    assert float(seen.mask.sum()) == pytest.approx(n * beta, abs=4 * (n * beta) ** 0.5)


def test_what_is_padded_is_no_supernova():
    seen = simulate_exposure(SURVEY, fiducial(6), 100.0, seed=0)
    assert not bool(seen.data[~seen.mask].any())
    assert bool((seen.redshift >= SURVEY.z_low).all())


def test_impossible_surveys_are_refused():
    with pytest.raises(ConfigError, match="n is the number of supernovae in a survey, at least 1"):
        simulate(SURVEY, fiducial(1), 0, seed=0)
    with pytest.raises(ConfigError, match="one row of om0, m0, alpha, beta, sigma_int a survey"):
        simulate(SURVEY, fiducial(1)[:, :4], 5, seed=0)
    with pytest.raises(ConfigError, match="0 < z_low < z_high"):
        SummarySurvey(z_low=0.9)
    with pytest.raises(ConfigError, match="sigma_limit > 0"):
        SummarySurvey(sigma_limit=0.0)


def test_a_selection_without_survivors_is_refused():
    blind = replace(SURVEY, m_limit=8.0)
    with pytest.raises(ConfigError, match="survey 0 has 0 of 2 supernovae after"):
        simulate(blind, fiducial(2), 2, seed=0)
