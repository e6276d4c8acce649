"""Efficiencies that are learnt, and the factor that puts them into a model."""

import pyro
import pytest
import torch
from torch.distributions import Normal

from sntorch.errors import ConfigError
from sntorch.inference.efficiency import fit_efficiency
from sntorch.inference.selected import selection_factor


def test_what_all_injections_share_is_no_division_by_zero():
    """One redshift for all, say."""
    brightness = torch.linspace(-2, 2, 100, dtype=torch.float64)
    latents = torch.stack([brightness, torch.ones_like(brightness)], -1)
    kept = torch.special.ndtr(brightness)
    module = fit_efficiency(latents, kept)
    torch.testing.assert_close(module(latents).exp(), kept, rtol=0, atol=2e-3)


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        (torch.tensor([0.2, 1.2]), r"lies in \[0, 1\]"),
        (torch.tensor([0.0, 0.0]), "some must be kept and some must not"),
        (torch.tensor([1.0, 1.0]), "some must be kept and some must not"),
        (torch.tensor([1.0]), "as many probabilities"),
    ],
)
def test_impossible_injections_are_refused(kept, message):
    with pytest.raises(ConfigError, match=message):
        fit_efficiency(torch.randn(2, 3), kept)


def test_selection_factor_corrects_a_pyro_model():
    """The log-density of a truncated normal: only what exceeds zero is seen."""
    data = torch.tensor([0.3, 1.0, 2.0])

    def model(mean):
        with pyro.plate("objects", 3):
            pyro.sample("x", pyro.distributions.Normal(mean, 1.0), obs=data)
            selection_factor("selection", torch.special.log_ndtr(mean).expand(3))

    mean = torch.tensor(0.5)
    found = pyro.poutine.trace(model).get_trace(mean).log_prob_sum()
    expected = (Normal(mean, 1.0).log_prob(data) - torch.special.log_ndtr(mean)).sum()
    torch.testing.assert_close(found, expected)


def test_a_probability_above_one_is_refused():
    with pytest.raises(ConfigError, match="selection factor s: ln of a probability is at most 0"):
        selection_factor("s", torch.tensor([0.1]))
