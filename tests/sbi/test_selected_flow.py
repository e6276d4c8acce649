"""The learnt likelihood of one selected supernova, against the exact one."""

import pytest
import torch

from sntorch.errors import ConfigError
from sntorch.sbi import SummaryLikelihood, SummarySurvey, draw_prior, simulate
from sntorch.sbi.selected_flow import (
    FlowLikelihood,
    SelectedFlow,
    SelectedSupernovae,
    fit_selected_flow,
)
from sntorch.sbi.summary import PRIOR

SURVEY = SummarySurvey()


@pytest.fixture(scope="module")
def trained():
    return fit_selected_flow(SURVEY, PRIOR, batch=1_024, transforms=2, hidden=32, steps=250)


def test_differences_of_the_likelihood_approach_the_exact_ones(trained):
    theta = draw_prior(PRIOR, 60, seed=8)
    data = simulate(SURVEY, theta, 1, seed=8)
    points = torch.stack([theta, draw_prior(PRIOR, 60, seed=9)], 1)
    exact = SummaryLikelihood(SURVEY, data, "conditional")(points).diff(dim=1)[:, 0]
    found = FlowLikelihood(trained, data)(points).diff(dim=1)[:, 0]
    near = exact.abs() < 10
    correlation = torch.stack([exact[near], found[near]]).corrcoef()[0, 1]
    assert int(near.sum()) > 20
    assert float(correlation) > 0.8


def test_surveys_are_taken_and_padding_counts_for_nothing(trained):
    theta = draw_prior(PRIOR, 3, seed=1)
    data = simulate(SURVEY, theta, 6, seed=1)
    likelihood = FlowLikelihood(trained, data)
    whole = likelihood(theta[:, None])
    # The flow is of single precision, and a batch of another size rounds otherwise.
    taken = likelihood.take(torch.tensor([2]))(theta[2:, None])
    torch.testing.assert_close(taken, whole[2:], rtol=1e-5, atol=1e-5)
    data.mask[:, 4:] = False
    part = FlowLikelihood(trained, data)(theta[:, None])
    data.data[:, 4:] = 1e3
    padded = FlowLikelihood(trained, data)(theta[:, None])
    torch.testing.assert_close(padded, part, rtol=1e-5, atol=1e-5)
    data.mask[:] = False
    with pytest.raises(ConfigError, match="no supernova"):
        FlowLikelihood(trained, data)


def test_a_folder_holds_the_whole_flow(trained, tmp_path):
    theta = draw_prior(PRIOR, 2, seed=1)
    data = simulate(SURVEY, theta, 3, seed=1)
    trained.save_pretrained(tmp_path / "flow")
    opened = SelectedFlow.from_pretrained(tmp_path / "flow")
    assert opened.survey == SURVEY
    assert opened.prior == PRIOR
    again = FlowLikelihood(opened, data)(theta[:, None])
    assert torch.equal(again, FlowLikelihood(trained, data)(theta[:, None]))


def test_a_gradient_reaches_every_parameter():
    flow = SelectedFlow(SURVEY, hidden=16)
    batch = next(iter(SelectedSupernovae(SURVEY, PRIOR, 256, 1, seed=0)))
    flow.standardise(batch)
    flow.log_prob(*batch).mean().backward()
    assert all(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in flow.parameters())


def test_batches_are_reproducible_and_their_own():
    def batches(seed):
        return list(SelectedSupernovae(SURVEY, PRIOR, 64, 2, seed))

    first, again, other = batches(0), batches(0), batches(1)
    assert all(
        torch.equal(a, b)
        for one, two in zip(first, again, strict=True)
        for a, b in zip(one, two, strict=True)
    )
    assert not torch.equal(first[0][1], first[1][1])
    assert not torch.equal(first[0][1], other[0][1])
    with pytest.raises(ConfigError, match="batches of 8"):
        SelectedSupernovae(SURVEY, PRIOR, 4, 1, seed=0)
