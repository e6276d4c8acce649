"""What a training leaves behind, from draws as a sampler would give them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
import xarray
from fake_hierarchy import coarse, model
from fake_training import fake_draws

from sntorch.bayesn.training import Trained, TrainingSettings
from sntorch.bayesn.training_products import (
    CHAINS,
    MOST_DIAGNOSED,
    REPORT,
    SUMMARY,
    YAML,
    summary,
    trained_model,
    write_training,
)
from sntorch.physics.sed import SEDModel

CHAIN, LENGTH = 4, 60
SETTINGS = TrainingSettings(chains=CHAIN, draws=LENGTH)


def trained(population="GlobalRV", settings=SETTINGS, divergences=0.0, **draws):
    """Draws around the coarse model, of all its twelve supernovae."""
    made = model(population, sed=coarse())
    found = fake_draws(coarse(), CHAIN, LENGTH)
    g = torch.Generator().manual_seed(1)
    found["epsilon"] = torch.randn(CHAIN, LENGTH, 12, 6, generator=g, dtype=torch.float64)
    energy = torch.randn(CHAIN, LENGTH, generator=g, dtype=torch.float64)
    each = torch.ones(CHAIN).double()
    sums = {
        "leapfrogs": 7.0 * LENGTH * each,
        "divergences": divergences * each,
        "accepted": 0.8 * LENGTH * each,
        "depths": 3.0 * LENGTH * each,
    }
    seconds = {"mode": (3.2, 6.1), "nuts": (61.0, 120.0)}
    return Trained(made, settings, {**found, **draws}, sums, energy, seconds=seconds)


@pytest.fixture(scope="module")
def good():
    return trained()


@pytest.fixture(scope="module")
def written(good, tmp_path_factory):
    """A folder, and the report's text."""
    folder = tmp_path_factory.mktemp("run") / "not" / "there"
    return folder, write_training(good, folder, ["from nowhere"])


def split():
    """A training of populations split by host mass: tau_a_low and so on."""
    found = trained("MassSplit")
    for name in ("tau_a", "sigma0"):
        values = found.draws.pop(name)
        found.draws |= {f"{name}_low": values, f"{name}_high": 2 * values}
    return found


# ---- BAYESN.YAML ----


def test_the_model_is_the_posterior_mean(good, written):
    sed = SEDModel.from_yaml(written[0] / YAML)
    mean = {k: v.mean((0, 1)) for k, v in good.draws.items()}
    factors = good.draws["sigma_epsilon"][..., None] * good.draws["l_omega"]
    factor = torch.linalg.cholesky((factors @ factors.mT).mean((0, 1)))
    for name, wanted in {"w0": mean["w0"], "w1": mean["w1"], "epsilon_cholesky": factor}.items():
        torch.testing.assert_close(getattr(sed, name), wanted, rtol=1e-12, atol=0)
    for name in ("tau_a", "sigma0", "rv"):
        assert getattr(sed, name) == pytest.approx(float(mean[name]), rel=1e-12)
    assert sed.m0 == coarse().m0
    assert sed.sigma_r == 0
    in_memory = trained_model(good)
    assert torch.equal(in_memory.w0, sed.w0)
    assert torch.equal(in_memory.wave_knots, coarse().wave_knots)


def test_its_header_says_where_it_comes_from(written):
    lines = (written[0] / YAML).read_text().split("M0:")[0]
    assert "# from nowhere" in lines
    assert "trained with sntorch on 12 supernovae, magnitudes: TrainedSED, GlobalRV(" in lines
    assert "NUTS: 4 chains of 500 + 60, 7 leapfrogs a trajectory" in lines
    assert "mode 3 s (6 CPU s); nuts 61 s (120 CPU s)" in lines


def test_a_split_population_has_no_yaml_and_a_note(tmp_path):
    found = split()
    assert trained_model(found) is None
    text = write_training(found, tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {CHAINS, SUMMARY, REPORT}
    assert f"- no {YAML}: the population has " in text
    assert "tau_a_high" in text


# ---- chains.nc ----


def test_chains_in_arviz_layout(good, written):
    path = written[0] / CHAINS
    with xarray.open_dataset(path, group="posterior", engine="h5netcdf") as posterior:
        assert set(posterior.data_vars) == set(good.draws)
        for name, value in good.draws.items():
            column = posterior[name]
            assert column.dims[:2] == ("chain", "draw"), name
            assert column.shape == value.shape, name
            np.testing.assert_allclose(column.values, value, rtol=1e-6, atol=1e-6)
        assert posterior["w0"].dims[2:] == ("wave_knot", "time_knot")
        assert posterior["l_omega"].dims[2:] == ("epsilon_dim", "epsilon_column")
        assert posterior["epsilon"].dims[2:] == ("sn", "epsilon_dim")
        assert posterior["epsilon"].dtype == np.float32
        assert posterior["tau_a"].dtype == np.float64
        units = {name: posterior[name].attrs["units"] for name in ("av", "ds", "tau_a", "rv")}
        assert units == {"av": "mag", "ds": "mag", "tau_a": "mag", "rv": "1"}
        assert posterior["sn"].values.tolist() == good.model.sample.object_id
        assert posterior["wave_knot"].values.tolist() == [3500, 5000, 7000, 9500]
        assert posterior["time_knot"].values.tolist() == [-10, 10, 40]
        assert posterior.attrs["inference_library"] == "sntorch"
        assert posterior.attrs["population"].startswith("GlobalRV(")


def test_statistics_of_the_sampling(good, written):
    path = written[0] / CHAINS
    with xarray.open_dataset(path, group="sample_stats", engine="h5netcdf") as statistics:
        for name, value in good.sums.items():
            assert statistics[name].dims == ("chain",)
            np.testing.assert_array_equal(statistics[name], value)
        # As ArviZ has it: the Hamiltonian, not minus that.
        np.testing.assert_array_equal(statistics["energy"], -good.energy)
        assert statistics["energy"].dims == ("chain", "draw")


def test_dimensions_of_parameters_of_ones_own(tmp_path):
    found = trained(kinks=torch.zeros(CHAIN, LENGTH, 3, 2).double())
    write_training(found, tmp_path)
    with xarray.open_dataset(tmp_path / CHAINS, group="posterior", engine="h5netcdf") as posterior:
        assert posterior["kinks"].dims == ("chain", "draw", "kinks_0", "kinks_1")
        assert posterior["kinks"].attrs["units"] == "1"


# ---- summary.csv ----


def test_summary(good, written):
    table = pd.read_csv(written[0] / SUMMARY, index_col="component")
    assert float(table.loc["tau_a", "mean"]) == pytest.approx(float(good.draws["tau_a"].mean()))
    assert "theta[SN003]" in table.index
    assert not table["parameter"].eq("epsilon").any()
    assert set(table["kind"]) == {"population", "sed", "object"}


def test_many_supernovae_are_not_diagnosed_one_by_one(good, monkeypatch):
    from sntorch.bayesn import training_products

    assert MOST_DIAGNOSED > 1000
    monkeypatch.setattr(training_products, "MOST_DIAGNOSED", 11)
    assert set(summary(good)["kind"]) == {"population", "sed"}


# ---- report.md ----


def test_report_of_a_good_run(written):
    folder, text = written
    assert (folder / REPORT).read_text() == text + "\n"
    assert text.startswith("# Training\n")
    assert "WARNING" not in text
    for words in ("## Energy", "## Population", "| tau_a |", "## Notes", "61 s (120 CPU s)"):
        assert words in text


def test_report_of_a_bad_run_warns_first(tmp_path):
    apart = fake_draws(coarse(), CHAIN, LENGTH)["rv"] + torch.arange(CHAIN)[:, None]
    text = write_training(trained(divergences=5, rv=apart), tmp_path)
    assert text.startswith("# WARNING: do not use this training as it is")
    warning = text.split("# Training\n")[0]
    assert "20 of 240 (8.3%) trajectories diverged" in warning
    assert "Worst: rv (" in warning
    # What was made is kept all the same.
    assert (tmp_path / YAML).is_file()


def test_trajectories_that_are_cut_short(good, tmp_path):
    found = replace(good, sums={**good.sums, "depths": 7.5 * LENGTH * torch.ones(CHAIN)})
    warning = write_training(found, tmp_path).split("# Training\n")[0]
    assert "most trajectories were as long as they may be" in warning


def test_report_of_a_mode(tmp_path):
    settings = replace(SETTINGS, sampler="map")
    found = trained(settings=settings)
    one = Trained(found.model, settings, {k: v[:1, :1] for k, v in found.draws.items()})
    text = write_training(one, tmp_path)
    assert text.startswith("# Training: the mode alone, without uncertainties\n")
    assert f"- tau_a: {float(one.draws['tau_a']):.4g}\n" in text
    assert "WARNING" not in text
    assert float(SEDModel.from_yaml(tmp_path / YAML).rv) == pytest.approx(float(one.draws["rv"]))
    with xarray.open_dataset(tmp_path / CHAINS, group="sample_stats", engine="h5netcdf") as stats:
        assert not stats.data_vars


def test_report_of_a_variational_fit(tmp_path):
    settings = replace(SETTINGS, sampler="svi")
    found = trained(settings=settings)
    fit = Trained(found.model, settings, found.draws, elbo=torch.linspace(0, 9, 10).double())
    text = write_training(fit, tmp_path)
    assert "evidence lower bound of the variational fit 9.0" in text
    assert text.startswith("# Training: a variational fit, whose widths are approximate\n")
    assert f"- rv: {float(fit.draws['rv'].mean()):.4g} ± " in text
    # Independent draws agree, whatever they are drawn from.
    assert "R-hat" not in text
    assert "rhat" not in pd.read_csv(tmp_path / SUMMARY)
    assert "## Energy" not in text
