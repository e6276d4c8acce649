"""Surveys of light curves with count cuts: their simulator and the exact likelihood."""

import pytest
import torch

from sntorch.errors import ConfigError
from sntorch.physics.cosmology import Cosmology
from sntorch.sbi.light_curve_exact import LightCurveLikelihood
from sntorch.sbi.light_curve_survey import LightCurveSurvey, simulate_light_curves
from sntorch.simulation import (
    BandDepth,
    BayeSNSource,
    Constant,
    IndependentPopulation,
    MinDetections,
    NoiseModel,
    ParametricSurvey,
    Simulator,
    Visits,
    VolumetricRedshift,
)
from sntorch.simulation.selection import FunctionCut

BANDS = ("desg", "desr")
TRUTH = (0.3, 0.0, 0.15)


@pytest.fixture(scope="module")
def bank():
    """Candidates of which half are too faint, all of one shape."""
    cosmology = Cosmology(h0=70.0, om0=0.3)
    depths = {band: BandDepth(21.4, 32.0) for band in BANDS}
    visits = [Visits(BANDS, 6.0, jitter=0.8, delay=0.1)]
    survey = ParametricSurvey(name="b2", depths=depths, visits=visits, phases=(-10, 40))
    fixed = {"theta": Constant(0.0), "av": Constant(0.1), "rv": Constant(2.6)}
    population = IndependentPopulation(
        "Ia",
        VolumetricRedshift(0.05, 0.28),
        {**fixed, "delta_m": Constant(0.0)},
        cosmology=cosmology,
    )
    source = BayeSNSource("t21", epsilon=False, wave_range=(2900, 10300))
    return Simulator(source, population, survey, NoiseModel()).candidates(1, 0, 150)


@pytest.fixture(scope="module")
def survey(bank):
    return LightCurveSurvey(bank, MinDetections(4, 5.0))


def truths(n):
    return torch.tensor([TRUTH], dtype=torch.float64).repeat(n, 1)


def score(survey, data, scheme):
    """Mean score at the truth in standard errors, shape (3,)."""
    theta = truths(len(data))[:, None].requires_grad_()
    likelihood = LightCurveLikelihood(survey, data, scheme)
    (found,) = torch.autograd.grad(likelihood(theta).sum(), theta)
    return found[:, 0].mean(0) / (found[:, 0].std(0) / len(data) ** 0.5)


def test_scores_vanish_at_the_truth_with_selection_and_do_not_without(survey):
    data = simulate_light_curves(survey, truths(300), 30, seed=3)
    assert float(score(survey, data, "conditional").abs().max()) < 3.5
    assert float(score(survey, data, "ignored").abs().max()) > 10


def test_the_cut_keeps_what_it_says(survey):
    data = simulate_light_curves(survey, truths(40), 50, seed=4)
    kept = 40 * 50 / float(data.n_candidates.sum())
    members = torch.arange(len(survey.redshift))[None]
    mean = survey.mean_offset(members, truths(1)[:, None])[0, 0]
    at = survey.offsets
    density = (-(((at - mean[:, None]) / TRUTH[2]) ** 2) / 2).exp()
    expected = float(((density / density.sum(1, True)) * survey.log_kept.exp()).sum(1).mean())
    error = (expected * (1 - expected) / float(data.n_candidates.sum())) ** 0.5
    # Members of the bank are drawn with replacement, and each survey ends with a kept one.
    assert abs(kept - expected) < 4 * error + 0.01
    counted = MinDetections(4, 5.0).keep(data.batch, {})
    assert bool(counted.all())


def test_surveys_are_reproducible_one_by_one(survey):
    theta = truths(4)
    whole = simulate_light_curves(survey, theta, 12, seed=5)
    last = simulate_light_curves(survey, theta[3:], 12, seed=5, first=3)
    assert torch.equal(whole.member[3], last.member[0])
    torch.testing.assert_close(whole.batch.flux[36:], last.batch.flux)
    part = whole.take(torch.tensor([3]))
    assert part.batch.object_id == last.batch.object_id
    assert torch.equal(part.batch.flux, whole.batch.flux[36:])
    assert not whole.batch.noiseless
    far = simulate_light_curves(survey, theta, 12, seed=5, first=2**40)
    assert not torch.equal(far.member, whole.member)


def test_brighter_universes_are_seen(survey):
    shifted = truths(2) - torch.tensor([0, 0.3, 0], dtype=torch.float64)
    data = simulate_light_curves(survey, shifted, 60, seed=6)
    likelihood = LightCurveLikelihood(survey, data)
    grid = truths(2)[:, None].repeat(1, 41, 1)
    grid[..., 1] = torch.linspace(-0.5, 0.5, 41, dtype=torch.float64)
    best = grid[0, likelihood(grid).argmax(1), 1]
    assert bool(((best + 0.3).abs() < 0.12).all())
    taken = likelihood.take(torch.tensor([1]))
    torch.testing.assert_close(taken(grid[1:]), likelihood(grid)[1:])


def test_what_cannot_be_answered_is_refused(bank, survey):
    with pytest.raises(ConfigError, match="at least 1"):
        simulate_light_curves(survey, truths(1), 0, seed=0)
    with pytest.raises(ConfigError, match="om0, delta_m, sigma_int"):
        simulate_light_curves(survey, truths(1)[:, :2], 5, seed=0)
    with pytest.raises(ConfigError, match="closed form"):
        LightCurveSurvey(bank, FunctionCut(lambda batch, truth: truth["redshift"] * 0 + 0.5))
    data = simulate_light_curves(survey, truths(1), 3, seed=0)
    with pytest.raises(ConfigError, match="conditional or ignored"):
        LightCurveLikelihood(survey, data, "poisson")
    data.batch.flux_err *= 100
    with pytest.raises(ConfigError, match="stricter cut"):
        LightCurveLikelihood(survey, data)
