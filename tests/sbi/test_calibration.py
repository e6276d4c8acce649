"""Calibration, comparison and checks on posteriors that are known."""

import numpy as np
import pytest
import torch

from sntorch.errors import ConfigError
from sntorch.sbi import BoxPrior, SummarySurvey, simulate
from sntorch.sbi.diagnostics import (
    calibrate,
    compare,
    each_misspecification,
    local_test,
    mean_ratio,
    misspecification,
    predictive_check,
)
from sntorch.sbi.diagnostics.calibration import floors, reference_points
from sntorch.sbi.diagnostics.predictive import chosen, summary_statistics
from sntorch.sbi.summary import FIDUCIAL

PRIOR = BoxPrior(("a", "b"), (-8.0, -8.0), (8.0, 8.0))
N, DRAWS = 800, 400


def normal_problem(width=1.0, shift=0.0, seed=0):
    """Truths, and draws of what is the exact posterior for width 1 and shift 0.

    a and b are standard normal and seen with unit noise, a and b of one survey correlated.
    """
    generator = torch.Generator().manual_seed(seed)

    def drawn(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    truth = drawn(N, 2)
    seen = truth + drawn(N, 2)
    draws = seen[:, None] / 2 + width * drawn(N, DRAWS, 2) * 0.5**0.5 + shift
    return truth, draws, seen


def test_exact_posteriors_are_calibrated():
    truth, draws, _ = normal_problem()
    found = calibrate(draws, truth, PRIOR)
    assert set(found.p_values()) == {"a", "b", "tarp"}
    assert min(found.p_values().values()) > 0.01
    for level in (0.68, 0.95):
        for one in found.coverage(level):
            assert one.low < level < one.high
    levels = torch.linspace(0, 1, 11, dtype=torch.float64)
    off = (found.expected_coverage(levels) - levels).abs().max()
    assert float(off) <= found.tarp_deviation + 1e-12 < 0.06


@pytest.mark.parametrize(("width", "shift"), [(0.6, 0.0), (1.7, 0.0), (1.0, 0.3)])
def test_wrong_posteriors_are_seen(width, shift):
    truth, draws, _ = normal_problem(width, shift)
    assert min(calibrate(draws, truth, PRIOR).p_values().values()) < 1e-3


def test_tarp_agrees_with_the_sbi_package():
    from sbi.diagnostics.tarp import _run_tarp

    truth, draws, _ = normal_problem(0.6)
    found = calibrate(draws, truth, PRIOR, seed=3)
    points = -8 + 16 * reference_points(N, 2, seed=3)
    theirs, level = _run_tarp(draws.transpose(0, 1), truth, points, num_bins=20)
    # At level 0 theirs is 0 whatever the draws.
    ours = found.expected_coverage(level)
    torch.testing.assert_close(ours[1:], theirs[1:], atol=0.01, rtol=0)


def test_shapes_and_truths_are_checked():
    truth, draws, _ = normal_problem()
    with pytest.raises(ConfigError, match=r"draws \(B, S, 2\)"):
        calibrate(draws[0], truth, PRIOR)
    with pytest.raises(ConfigError, match="outside the prior"):
        calibrate(draws, truth + 10, PRIOR)
    with pytest.raises(ConfigError, match="same surveys"):
        compare(draws[:3], draws, PRIOR)


def test_comparison_finds_shift_width_and_divergence():
    _, exact, _ = normal_problem()
    _, other, _ = normal_problem(1.5, 0.5)
    found = compare(other, exact, PRIOR)
    sd = 0.5**0.5
    assert float(found.bias.mean()) == pytest.approx(0.5 / sd, abs=0.05)
    assert float(found.width.mean()) == pytest.approx(1.5, abs=0.02)
    # ln w + (1 + δ²) / (2 w²) - 1 / 2 for each of the two parameters.
    expected = 2 * (0.405465 + (1 + 0.5) / (2 * 2.25) - 0.5)
    assert float(found.divergence.median()) == pytest.approx(expected, abs=0.06)
    assert float(compare(exact, exact, PRIOR).divergence.abs().max()) < 1e-9


def test_the_mean_of_a_right_ratio_is_one():
    centre = torch.tensor([0.0, 2.0], dtype=torch.float64)

    def log_ratio(theta):
        # A normal likelihood over its mean over the prior, 1 / 16² once all of it is inside.
        distance = ((theta - centre[:, None, None]) ** 2).sum(-1)
        return -distance / 2 - torch.log(torch.tensor(2 * torch.pi / 256))

    found, error = mean_ratio(log_ratio, PRIOR)
    assert bool((found.abs() < 4 * error).all())
    assert bool((error < 0.1).all())
    wrong, _ = mean_ratio(lambda theta: log_ratio(theta) + 0.5, PRIOR)
    torch.testing.assert_close(wrong, found + 0.5)

    # Draws that are off and too narrow: weights make up for it.
    noise = torch.randn(2, 500, 2, generator=torch.Generator().manual_seed(1)).double()
    about, smaller = mean_ratio(log_ratio, PRIOR, 2_000, 0, centre[:, None, None] + 0.5 + noise)
    assert bool((about.abs() < 4 * smaller).all())
    assert bool((smaller < error).all())


@pytest.mark.parametrize(("shift", "passes"), [(0.0, True), (1.5, False)])
def test_local_test(shift, passes):
    # Of a right posterior the least of eleven places is found once in eleven times: of four
    # independent problems all are there once in 15,000 times, wherever the test runs.
    found = []
    for seed in range(4):
        truth, draws, seen = (part[:300] for part in normal_problem(1.0, shift, seed))
        found.append(
            local_test(truth, draws[:, 0], seen, draws[5], seen[5], permutations=10, seed=seed)
        )
    assert any(one.p_value > 0.1 for one in found) == passes


def test_the_local_test_depends_on_its_seed_alone():
    truth, draws, seen = (part[:100] for part in normal_problem())
    found = []
    for other in (1, 2):
        np.random.seed(other)  # noqa: NPY002
        found.append(
            local_test(truth, draws[:, 0], seen, draws[5], seen[5], permutations=2, seed=3)
        )
    assert found[0] == found[1]


def test_p_values_count_the_observation():
    """None is zero, and of many right ones as many are small as ought to be."""
    seen = torch.randn(401, 3, generator=torch.Generator().manual_seed(2))
    far = misspecification(seen[0] + 50, seen[1:], shuffles=150)
    assert far.p_value == pytest.approx(1 / 151)
    near = each_misspecification(seen[1:51], seen[51:], shuffles=400)
    counts = [one.p_value * 401 for one in near]
    assert all(abs(count - round(count)) < 1e-6 and 1 <= round(count) <= 401 for count in counts)
    # Uniform ones have a mean of 0.5 ± 0.04, and a tenth of 50 below 0.1.
    assert abs(sum(counts) / len(counts) / 401 - 0.5) < 0.16
    assert sum(count < 40.1 for count in counts) <= 14
    replicated = {"a": torch.arange(99).double()}
    (beyond, middle) = (predictive_check({"a": v}, replicated)["a"] for v in (1e3, 49.0))
    assert beyond.p_value == pytest.approx(2 / 100)
    assert middle.p_value == 1.0


def test_too_few_shuffles_could_not_be_suspicious():
    seen = torch.randn(200, 3, generator=torch.Generator().manual_seed(2))
    with pytest.raises(ConfigError, match=r"100 shuffles are accepted, or more.* found 50"):
        misspecification(seen[0], seen[1:], shuffles=50)


def test_misspecified_observations_are_suspicious():
    _, _, seen = normal_problem()
    assert not misspecification(seen[0], seen[1:], shuffles=100).suspicious
    assert misspecification(seen[0] + 12, seen[1:], shuffles=100).suspicious
    with pytest.raises(ConfigError, match="100 simulations"):
        misspecification(seen[0], seen[:50])
    observed = torch.stack([seen[0], seen[0] + 12])
    both = each_misspecification(observed, seen[1:], shuffles=100)
    assert [one.suspicious for one in both] == [False, True]
    assert both == [misspecification(one, seen[1:], shuffles=100) for one in observed]


def test_predictive_check_sees_a_survey_that_is_too_bright():
    survey = SummarySurvey()
    theta = torch.tensor([FIDUCIAL], dtype=torch.float64).expand(200, 5)
    replicated = summary_statistics(simulate(survey, theta, 50, seed=1))
    same = summary_statistics(simulate(survey, theta[:1], 50, seed=2))
    brighter = theta[:1] - torch.tensor([0, 0.4, 0, 0, 0], dtype=torch.float64)
    other = summary_statistics(simulate(survey, brighter, 50, seed=2))
    fine = predictive_check(chosen(same, 0), replicated)
    off = predictive_check(chosen(other, 0), replicated)
    assert min(check.p_value for check in fine.values()) > 0.005
    assert off["mean z"].p_value < 0.05
    assert off["candidates"].observed < off["candidates"].low
    with pytest.raises(ConfigError, match="mean z"):
        predictive_check({"mean z": 0.3}, {"sd z": torch.ones(3)})


def test_draws_of_the_prior_are_calibrated_but_far_from_the_exact_posterior():
    truth, exact, _ = normal_problem()
    generator = torch.Generator().manual_seed(9)
    prior = torch.randn(N, DRAWS, 2, generator=generator, dtype=torch.float64)
    assert min(calibrate(prior, truth, PRIOR).p_values().values()) > 0.01
    assert float(compare(prior, exact, PRIOR).divergence.median()) > 0.2


def test_what_calibrated_posteriors_stay_between():
    found = floors(60, 5)
    assert found["tarp_deviation"] == (0.0, pytest.approx(0.1723, abs=1e-3))
    assert found["coverage_68"] == (pytest.approx(31 / 60), pytest.approx(50 / 60))
    assert found["coverage_95"] == (pytest.approx(52 / 60), 1.0)
    # All five parameters stay there with the chance that was asked for.
    held = torch.rand(4_000, 5, 60, generator=torch.Generator().manual_seed(4)) < 0.68
    low, high = found["coverage_68"]
    share = held.double().mean(-1)
    inside = ((share >= low - 1e-9) & (share <= high + 1e-9)).all(1).double().mean()
    assert 0.94 < float(inside) < 0.99
