"""Benchmarks of known posterior: their surveys and their exact answers, scheme by scheme."""

import pytest
import torch

from sntorch.cli.config import compose_config
from sntorch.errors import ConfigError
from sntorch.sbi.benchmarks import (
    FLOWSN_FIDUCIAL,
    LightCurveBenchmark,
    SummaryBenchmark,
    compare_methods,
)
from sntorch.sbi.light_curve_survey import simulate_light_curves
from sntorch.sbi.selected_flow import SelectedSupernovae
from sntorch.sbi.simulated import SummarySimulator
from sntorch.sbi.summary import FLOWSN, PRIOR, SummarySurvey


def fiducial(benchmark, n):
    return torch.tensor([benchmark.fiducial], dtype=torch.float64).repeat(n, 1)


@pytest.mark.parametrize("scheme", ["conditional", "fixed_number", "poisson", "unknown_rate"])
def test_the_exact_posterior_of_every_scheme_finds_the_truth(scheme):
    benchmark = SummaryBenchmark(scheme=scheme, n=60)
    data = benchmark.simulate(fiducial(benchmark, 4), seed=1)
    number = data.mask.sum(1).double()
    if scheme in ("poisson", "unknown_rate"):
        assert abs(float(number.mean()) - 60) < 4 * (60 / 4) ** 0.5
        assert len(set(number.tolist())) > 1
    else:
        assert bool((number == 60).all())
    draws = benchmark.exact().sample(data, 200, seed=2)
    off = (draws.mean(1) - fiducial(benchmark, 4)) / draws.std(1)
    assert float(off.abs().max()) < 4
    assert bool((draws.std(1) < 0.3 * torch.tensor(benchmark.prior.high).double().abs()).all())


def test_a_comparison_draws_the_exact_posterior_twice_and_the_surveys_once():
    benchmark = SummaryBenchmark(n=20)
    found = compare_methods(benchmark, [benchmark.ignored()], n_surveys=3, draws=200, seed=5)
    exact, ignored = found.scores.values()
    assert exact.draws.shape == (3, 200, 5)
    assert 0 < float(exact.against_exact.bias.abs().mean()) < 0.3
    assert float(ignored.against_exact.divergence.median()) > float(
        exact.against_exact.divergence.median()
    )
    again = compare_methods(benchmark, [], n_surveys=3, draws=200, seed=5)
    assert torch.equal(again.truth, found.truth)
    assert torch.equal(again.scores["exact"].draws, exact.draws)


@pytest.mark.parametrize("scheme", ["fixed_number", "poisson"])
def test_no_survey_that_is_compared_is_one_that_was_trained_on(scheme):
    benchmark = SummaryBenchmark(scheme=scheme, n=8)
    found = compare_methods(benchmark, [], n_surveys=4, draws=100, seed=3)
    trained, surveys = SummarySimulator(n=8, seed=3)(0, 200)
    _, _, of_flow = next(iter(SelectedSupernovae(SummarySurvey(), PRIOR, 1_600, 1, seed=3)))
    for theta in (trained, of_flow):
        assert not bool((found.truth[:, None] == theta).all(-1).any())
    # Nor are their supernovae, of the same parameters, those of a training survey.
    again = benchmark.simulate(trained[:4], seed=3)
    assert not bool(torch.isin(again.redshift[again.mask], surveys.redshift).any())


def test_light_curves_that_are_compared_are_of_their_own():
    benchmark = LightCurveBenchmark(n=3, n_bank=40)
    theta = fiducial(benchmark, 1)
    trained = simulate_light_curves(benchmark.survey, theta, 3, seed=3)
    tested = benchmark.simulate(theta, seed=3)
    assert not bool(torch.isin(tested.batch.flux[tested.batch.mask], trained.batch.flux).any())


def test_methods_of_one_name_are_refused():
    benchmark = SummaryBenchmark(n=5)
    with pytest.raises(ConfigError, match="exact, selection ignored, selection ignored"):
        compare_methods(benchmark, [benchmark.ignored()] * 2, n_surveys=2, draws=100)


def test_flowsn_is_a_configuration():
    from hydra.utils import instantiate

    cfg = compose_config("evaluate", ["benchmark=b1_flowsn"])
    made = instantiate(cfg.benchmark, _convert_="all")
    assert made.survey == FLOWSN
    assert tuple(made.fiducial) == FLOWSN_FIDUCIAL


def test_what_a_benchmark_is_not_made_for_is_refused():
    with pytest.raises(ConfigError, match="b2 is conditional"):
        LightCurveBenchmark(scheme="poisson")
    with pytest.raises(ConfigError, match=r"benchmark\.n_bank=0"):
        LightCurveBenchmark(n_bank=0)
