"""Estimator C: a likelihood with a selection that was learnt from injections."""

import pytest
import torch

from sntorch.inference.efficiency import EfficiencyModule, fit_efficiency
from sntorch.sbi import SummaryLikelihood, SummarySurvey, draw_prior, simulate
from sntorch.sbi.selected import LearntSelection, inject
from sntorch.sbi.summary import FIDUCIAL, FLOWSN, PRIOR


class KnownEfficiency(EfficiencyModule):
    """That of a survey whose limit is on the magnitude alone."""

    def __init__(self, survey):
        super().__init__(2)
        self.survey = survey

    def logit(self, latents):
        seen, z = latents.unbind(-1)
        sd = (self.survey.sigma_limit**2 + self.survey.noise_sd(z)[0] ** 2).sqrt()
        t = (self.survey.m_limit - seen) / sd
        return torch.special.log_ndtr(t) - torch.special.log_ndtr(-t)


def test_quadrature_and_table_are_exact():
    survey, theta = SummarySurvey(), draw_prior(PRIOR, 30, seed=1)[None]
    learnt = LearntSelection(survey, KnownEfficiency(survey))
    for z in (survey.nodes[0], torch.linspace(0.05, 0.8, 7, dtype=torch.float64)[None]):
        found, expected = learnt(z, theta), survey.log_selection(z, theta)
        assert found.shape == expected.shape
        torch.testing.assert_close(found.exp(), expected.exp(), rtol=0, atol=2e-5)


@pytest.mark.parametrize("survey", [SummarySurvey(), FLOWSN], ids=["plain", "flowsn"])
def test_what_is_learnt_takes_the_place_of_the_exact_selection(survey):
    module = fit_efficiency(*inject(survey, 5_000, seed=0))
    theta = torch.tensor([FIDUCIAL], dtype=torch.float64) + 0.02 * torch.randn(
        20, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    data = simulate(survey, theta[:1], 5, seed=0)
    learnt = SummaryLikelihood(survey, data, log_selection=LearntSelection(survey, module))
    exact = SummaryLikelihood(survey, data)
    off = (learnt.log_detectable(theta[None]) - exact.log_detectable(theta[None])).detach()
    assert float(off.std()) < 1e-3
    assert float(off.abs().max()) < 5e-3


def test_injections_are_efficiencies():
    latents, kept = inject(SummarySurvey(), 500, seed=3)
    assert latents.shape == (500, 2)
    assert bool(((kept >= 0) & (kept <= 1)).all())
    bright = latents[:, 0] < latents[:, 0].median()
    assert float(kept[bright].mean()) > 0.9 > 0.1 > float(kept[~bright].mean())
    again = inject(SummarySurvey(), 500, seed=3)
    assert torch.equal(again[1], kept)


def test_held_out_injections_are_counted_as_the_exact_efficiency_says():
    survey = SummarySurvey()
    counted, exact = LearntSelection(survey, KnownEfficiency(survey)).held_out(40_000, 10, seed=0)
    assert counted.n.sum() == exact.n.sum() == 40_000
    off = (counted.share - exact.share) / exact.error
    assert abs(off).max() < 4
    again, _ = LearntSelection(survey, KnownEfficiency(survey)).held_out(40_000, 10, seed=1)
    assert (again.kept != counted.kept).any()
