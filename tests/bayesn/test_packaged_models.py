"""The model trained here, beside the published one of the same supernovae."""

from __future__ import annotations

import pandas as pd
import pytest
import torch

from sntorch.bayesn import SEDModel
from sntorch.physics.standards import DATA

BANDS = ["ps1::g", "ps1::r", "ps1::i", "ps1::z"]
TABLE = DATA / "models" / "foundation-griz.csv"


@pytest.fixture(scope="module")
def ours():
    return SEDModel.from_name("foundation-griz")


def test_population_is_within_its_errors_of_the_published_one(ours, t21):
    table = pd.read_csv(TABLE, index_col=0)
    for name in ("rv", "tau_a", "sigma0"):
        assert getattr(ours, name) == pytest.approx(table.loc[name, "mean"], abs=2e-6)
        assert abs(getattr(ours, name) - getattr(t21, name)) < 0.5 * table.loc[name, "sd"]


def test_its_chains_converged():
    table = pd.read_csv(TABLE, index_col=0)
    assert (table["rhat"] < 1.05).all()
    assert (table["ess_bulk"] > 400).all()


@pytest.mark.parametrize("theta", [-1.0, 0.0, 1.0])
def test_light_curves_are_those_of_the_published_model(ours, t21, theta):
    phase = torch.linspace(-8, 38, 47)
    one, other = (
        sed.magnitude(phase, BANDS, theta=theta, redshift=0.03, av=0.2) for sed in (ours, t21)
    )
    assert float((one - other).abs().max()) < 0.05
    assert float((one - other).square().mean().sqrt()) < 0.015
