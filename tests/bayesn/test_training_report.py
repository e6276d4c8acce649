"""The report says first what is wrong, and names it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fake_training import fake_draws

from sntorch.bayesn.training_report import COLUMNS, diagnostics_table, ebfmi, report
from sntorch.errors import DataError
from sntorch.inference.diagnostics import diagnose
from sntorch.physics.sed import SEDModel

T21 = SEDModel.from_name("t21")


@pytest.fixture(scope="module")
def draws():
    return fake_draws(T21, objects=3)


@pytest.fixture(scope="module")
def table(draws):
    return diagnostics_table(draws, T21, ["a", "b", "c"])


class TestTable:
    def test_a_row_for_everything_that_varies(self, table):
        counts = table["parameter"].value_counts()
        expected = {"w0": 36, "w1": 36, "sigma_epsilon": 24, "l_omega": 276, "theta": 3, "rv": 1}
        assert {name: counts[name] for name in expected} == expected
        assert table.index.is_unique
        assert not table.isna().any(axis=None)
        assert set(table.loc[table["kind"] == "population"].index) == {"sigma0", "tau_a", "rv"}

    @pytest.mark.parametrize(
        ("component", "name", "place"),
        [
            ("tau_a", "tau_a", ()),
            ("w0[4900 Å, 10 d]", "w0", (1, 2)),
            ("w1[9500 Å, -10 d]", "w1", (5, 0)),
            ("sigma_epsilon[6200 Å, 0 d]", "sigma_epsilon", (5,)),
            ("l_omega[8700 Å, 0 d; 4900 Å, -10 d]", "l_omega", (7, 0)),
            ("theta[b]", "theta", (1,)),
        ],
    )
    def test_numbers_are_those_of_the_component(self, table, draws, component, name, place):
        one = draws[name][(slice(None), slice(None), *place)]
        found = diagnose(one)
        quantiles = np.quantile(one.numpy(), [0.05, 0.5, 0.95])
        expected = [
            float(one.mean()),
            float(one.std(correction=0)),
            *quantiles,
            *(float(v) for v in (found.rhat, found.ess_bulk, found.ess_tail)),
        ]
        np.testing.assert_allclose(table.loc[component, list(COLUMNS)].tolist(), expected)

    def test_other_arrays(self):
        draws = {
            "epsilon": torch.randn(2, 8, 2, 24),
            "delta_w0_low": torch.randn(2, 8, 6, 6),
            "step": torch.randn(2, 8, 2, 2),
        }
        table = diagnostics_table(draws, T21)
        assert len(table) == 48 + 36 + 4
        for name in ("epsilon[1, 8700 Å, 40 d]", "delta_w0_low[3500 Å, 0 d]", "step[1, 0]"):
            assert name in table.index
        assert table.loc["step[1, 0]", "mean"] == pytest.approx(
            float(draws["step"][..., 1, 0].mean())
        )

    def test_names_of_other_supernovae(self, draws):
        with pytest.raises(DataError, match="2 names for 3 supernovae"):
            diagnostics_table(draws, T21, ["a", "b"])


def test_energy_of_independent_draws_and_of_a_slow_chain():
    noise = torch.randn(2, 20000, generator=torch.Generator().manual_seed(1)).double()
    energy = torch.stack([noise[0], noise[1].cumsum(0)])
    fraction = ebfmi(energy)
    assert float(fraction[0]) == pytest.approx(2, abs=0.05)
    assert float(fraction[1]) < 0.01


class TestReport:
    def test_a_good_run(self, table):
        energy = torch.randn(4, 100, generator=torch.Generator().manual_seed(2))
        text = report(table, 4, 400, energy, ["157 supernovae"])
        assert text.startswith("# Training\n")
        assert "WARNING" not in text
        assert "4 of 400 (1.0%)" in text
        assert text.count("E-BFMI") == 4
        row = next(line for line in text.splitlines() if line.startswith("| tau_a"))
        assert f"{table.loc['tau_a', 'mean']:.4g}" in row
        assert text.endswith("## Notes\n\n- 157 supernovae\n")

    def test_divergences_are_the_first_thing_said(self, table):
        lines = report(table, 5, 400).splitlines()
        assert lines[0].startswith("# WARNING")
        assert "5 of 400 (1.2%)" in lines[2]
        assert "training.target_accept=0.9" in lines[2]

    def test_worst_components_are_named_one_a_parameter(self, draws):
        apart = {**draws, "w1": draws["w1"].clone(), "rv": draws["rv"].clone()}
        apart["w1"][0] += 0.03
        apart["w1"][0, :, 2, 3] += 5.0
        apart["rv"][1] += 0.3
        text = report(diagnostics_table(apart, T21), 0, 400)
        assert text.startswith("# WARNING")
        warning = text.splitlines()[2]
        assert "37 of" in warning
        assert warning.index("w1[6200 Å, 20 d] (") < warning.index("rv (")
        assert warning.count("w1[") == 1

    def test_few_effective_draws(self, draws):
        slow = {**draws, "rv": draws["rv"][:, :1] + draws["rv"].cumsum(1) / 10}
        warning = report(diagnostics_table(slow, T21), 0, 400).split("# Training\n")[0]
        assert "bulk effective sample size is below 100 for 1 of" in warning

    def test_draws_that_are_no_numbers(self, draws):
        lost = {**draws, "rv": torch.full((4, 100), 2.6), "tau_a": draws["tau_a"].clone()}
        lost["tau_a"][0, 3] = torch.nan
        warning = report(diagnostics_table(lost, T21), 0, 400).splitlines()[2]
        assert "2 components have no R-hat (tau_a, rv)" in warning

    def test_low_energy_and_a_fixed_population(self, draws):
        table = diagnostics_table({"theta": draws["theta"]}, T21)
        energy = torch.randn(1, 500, generator=torch.Generator().manual_seed(3)).cumsum(1)
        text = report(table, 0, 500, energy)
        assert text.startswith("# WARNING")
        assert "E-BFMI is below 0.3 in chain 0" in text.split("# Training\n")[0]
        assert "## Population\n\n- held fixed" in text
