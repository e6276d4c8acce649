"""Boxes of parameters: what they hold, and how they are told apart."""

from dataclasses import replace

import pytest
import torch

from sntorch.errors import ConfigError
from sntorch.sbi.prior import BoxPrior, around

PRIOR = BoxPrior(("m0", "alpha"), (-20.0, 0.05), (-19.0, 0.25))


def test_other_ranges_are_told_by_parameter():
    other = replace(PRIOR, high=(-19.0, 0.3))
    assert other.told_from(PRIOR) == "has alpha from 0.05 to 0.3 (here 0.05 to 0.25)"
    both = replace(other, low=(-21.0, 0.05))
    assert both.told_from(PRIOR) == (
        "has m0 from -21 to -19 (here -20 to -19), alpha from 0.05 to 0.3 (here 0.05 to 0.25)"
    )


def test_other_parameters_are_told_by_name():
    other = BoxPrior(("m0", "beta"), PRIOR.low, PRIOR.high)
    assert other.told_from(PRIOR) == "has the parameters m0, beta; here m0, alpha"


def test_a_network_of_another_prior_is_refused():
    PRIOR.check_network("a.ckpt", replace(PRIOR), "the same is accepted")
    told = "a.ckpt: its prior has alpha from 0.05 to 0.2 .*; the same is accepted"
    with pytest.raises(ConfigError, match=told):
        PRIOR.check_network("a.ckpt", replace(PRIOR, high=(-19.0, 0.2)), "the same is accepted")


def test_a_box_in_a_box():
    part = around(torch.tensor([-19.5, 0.2]), torch.tensor([0.2, 0.1]), PRIOR)
    torch.testing.assert_close(torch.tensor(part.low), torch.tensor([-19.7, 0.1]))
    torch.testing.assert_close(torch.tensor(part.high), torch.tensor([-19.3, 0.25]))
    assert PRIOR.contains(part)
    assert not part.contains(PRIOR)
    assert not PRIOR.contains(replace(PRIOR, names=("m0", "beta")))


def test_settings_lead_back():
    assert BoxPrior.of(PRIOR.settings()) == PRIOR
    with pytest.raises(ConfigError, match="prior of alpha: low < high is accepted"):
        replace(PRIOR, low=(-20.0, 0.25))
