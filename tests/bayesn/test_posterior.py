"""What follows from posterior draws: tables, light curves, files."""

from __future__ import annotations

import importlib

import numpy as np
import pandas as pd
import pytest
import torch
from fake_posterior import BANDS, fake_posterior

from sntorch.bayesn import posterior as module
from sntorch.bayesn.posterior import Posterior
from sntorch.errors import ConfigError, DataError
from sntorch.inference.diagnostics import ess_bulk, ess_tail, rhat

PHASES = torch.linspace(-8.0, 30.0, 5).double()
SAMPLED = ("ds", "theta", "av", "tmax")


@pytest.fixture(scope="module")
def posterior():
    return fake_posterior(4, length=60)


@pytest.fixture(scope="module")
def photometric():
    return fake_posterior(3, length=40, free_redshift=True)


def parameters(posterior, i, chain, draw):
    """Arguments of the SED model for one draw."""
    one = {name: float(posterior.draws[name][i, chain, draw]) for name in ("theta", "av", "rv")}
    standard = posterior.draws["epsilon"][i, chain, draw].double()
    return {**one, "epsilon": posterior.sed.epsilon_surface(standard)}


def photometry(posterior, i, chain, draw):
    return {
        **parameters(posterior, i, chain, draw),
        "tmax": float(posterior.draws["tmax"][i, chain, draw]),
        "distmod": float(posterior.draws["ds"][i, chain, draw]),
        "redshift": float(posterior.redshift[i, chain, draw]),
        "mwebv": float(posterior.batch.mwebv[i]),
    }


class TestSummary:
    @pytest.mark.parametrize("name", ["mu", *SAMPLED])
    def test_moments_and_quantiles(self, posterior, name):
        table = posterior.summary()
        for i, draws in enumerate(posterior.draws[name].flatten(1).numpy()):
            assert table[f"{name}_mean"][i] == pytest.approx(draws.mean(), rel=1e-12)
            assert table[f"{name}_sd"][i] == pytest.approx(draws.std(ddof=1), rel=1e-12)
            for q in (5, 16, 50, 84, 95):
                expected = np.quantile(draws, q / 100)
                assert table[f"{name}_q{q:02d}"][i] == pytest.approx(expected, rel=1e-12)

    def test_time_of_peak(self, posterior):
        table, batch = posterior.summary(), posterior.batch
        expected = batch.t_ref + posterior.draws["tmax"].mean((1, 2)) * (1 + batch.redshift)
        np.testing.assert_allclose(
            table["peak_mjd_mean"][:4].to_numpy(float), expected, rtol=1e-13
        )
        np.testing.assert_allclose(
            table["peak_mjd_sd"][:4].to_numpy(float),
            posterior.draws["tmax"].flatten(1).std(1) * (1 + batch.redshift),
            rtol=1e-6,
        )

    def test_worst_of_the_sampled_parameters(self, posterior):
        table = posterior.summary()
        values = [rhat(posterior.draws[name]) for name in SAMPLED]
        sizes = [f(posterior.draws[name]) for name in SAMPLED for f in (ess_bulk, ess_tail)]
        np.testing.assert_allclose(table["rhat_max"][:4], torch.stack(values).amax(0))
        np.testing.assert_allclose(table["ess_min"][:4], torch.stack(sizes).amin(0))
        assert table["rv_rhat"].isna().all()

    @pytest.mark.parametrize("rv", [2.61, 1 / 3, 2.7])
    def test_a_constant_has_no_spread(self, posterior, rv):
        draws = {**posterior.draws, "rv": torch.full_like(posterior.draws["rv"], rv)}
        table = Posterior(posterior.sed, posterior.batch, draws, posterior.statistics).summary()
        assert (table["rv_sd"] == 0).all()

    def test_free_rv_and_redshift_count(self, photometric):
        draws = dict(photometric.draws)
        for name in ("rv", "redshift"):
            worse = {**draws, name: draws[name].clone()}
            worse[name][:, 0] += 0.5
            worse[name][:, 1] += torch.randn(3, 40).double() * 0.1
            table = Posterior(
                photometric.sed, photometric.batch, worse, photometric.statistics
            ).summary()
            np.testing.assert_array_equal(table["rhat_max"], table[f"{name}_rhat"])
        assert "redshift_q50" in photometric.summary()

    def test_chains_that_are_not_finite_have_no_rhat_max(self, posterior):
        draws = {**posterior.draws, "theta": posterior.draws["theta"].clone()}
        draws["theta"][1, 0, 3] = torch.nan
        table = Posterior(posterior.sed, posterior.batch, draws, posterior.statistics).summary()
        assert table["rhat_max"].isna().tolist() == [False, True, False, False]
        assert table["ess_min"].isna().tolist() == [False, True, False, False]

    def test_statistics_and_failures(self, posterior):
        table = posterior.summary()
        assert table["object_id"].tolist() == ["SN000", "SN001", "SN002", "SN003", "SNbad"]
        assert table["flag"].tolist() == ["", "", "", "rhat", "not_fitted: 2 points, 5 are needed"]
        assert table["n_observations"].tolist()[:4] == [28] * 4
        assert table["dropped_bands"][0] == "bessellu"
        rest = table.loc[4].drop(["object_id", "flag"])
        assert rest.isna().all()

    def test_it_survives_a_file(self, posterior, tmp_path):
        posterior.write(tmp_path)
        back = pd.read_csv(tmp_path / "summary.csv")
        np.testing.assert_allclose(back["mu_mean"], posterior.summary()["mu_mean"])
        assert "28," in (tmp_path / "summary.csv").read_text()


class TestLightCurves:
    def test_every_draw_is_the_model_of_its_parameters(self, posterior):
        curves = posterior.light_curves(PHASES, BANDS)
        assert curves.shape == (4, 240, 4, 5)
        for i, chain, draw in ((0, 0, 0), (3, 2, 17), (1, 3, 59)):
            expected = posterior.sed.flux(PHASES, BANDS, **photometry(posterior, i, chain, draw))
            assert torch.allclose(curves[i, 60 * chain + draw], expected, rtol=1e-10)

    def test_magnitudes_are_those_of_the_fluxes(self, posterior):
        flux = posterior.light_curves(PHASES, BANDS, n=7)
        magnitude = posterior.magnitudes(PHASES, BANDS, n=7)
        assert torch.allclose(magnitude, 27.5 - 2.5 * flux.log10())

    def test_free_redshift_stretches_the_observer_frame(self, photometric):
        time = 1.05 * PHASES
        curves = photometric.light_curves(time, BANDS, frame="observer")
        for i, chain, draw in ((0, 0, 0), (2, 3, 39)):
            arguments = photometry(photometric, i, chain, draw)
            phase = time / (1 + arguments["redshift"])
            expected = photometric.sed.flux(phase, BANDS, **arguments)
            assert torch.allclose(curves[i, 40 * chain + draw], expected, rtol=1e-10)

    def test_phases_of_each_object(self, posterior):
        phases = PHASES + torch.arange(4.0).double()[:, None]
        curves = posterior.light_curves(phases, ["ps1::r"], n=3)
        assert torch.allclose(curves[2], posterior.light_curves(phases[2], ["ps1::r"], n=3)[2])

    def test_spectra_see_the_time_of_maximum(self, posterior):
        wave = np.linspace(4000.0, 8000.0, 30)
        spectra = posterior.spectra(PHASES, wave)
        assert spectra.shape == (4, 240, 5, 30)
        for i, chain, draw in ((0, 0, 0), (3, 2, 17)):
            phase = PHASES - posterior.draws["tmax"][i, chain, draw]
            expected = posterior.sed.spectrum(phase, wave, **parameters(posterior, i, chain, draw))
            assert torch.allclose(spectra[i, 60 * chain + draw], expected, rtol=1e-10, atol=0)

    def test_without_epsilon_it_is_zero(self):
        plain = fake_posterior(2, length=20, epsilon=False)
        arguments = {k: plain.draws[k][:, 0, 0] for k in ("theta", "av", "rv", "tmax")}
        expected = plain.sed.flux(
            PHASES,
            BANDS,
            distmod=plain.draws["ds"][:, 0, 0],
            redshift=plain.batch.redshift,
            mwebv=plain.batch.mwebv,
            **arguments,
        )
        assert torch.allclose(plain.light_curves(PHASES, BANDS)[:, 0], expected, rtol=1e-10)

    def test_draws_come_from_every_chain(self, posterior):
        draws = {k: v.clone() for k, v in posterior.draws.items() if k != "epsilon"}
        for chain in range(4):
            draws["ds"][:, chain] = 30.0 + chain
        split = Posterior(posterior.sed, posterior.batch, draws, posterior.statistics)
        draws["theta"][:], draws["av"][:], draws["tmax"][:] = 0.0, 0.0, 0.0
        levels = split.magnitudes([0.0], ["ps1::r"], n=8)[0, :, 0, 0]
        assert torch.allclose(
            levels - levels[0], torch.tensor([0.0, 0, 1, 1, 2, 2, 3, 3]).double()
        )

    def test_the_chunk_changes_nothing(self, posterior, monkeypatch):
        whole = posterior.light_curves(PHASES, BANDS, n=9)
        monkeypatch.setattr(module, "CHUNK", 7)
        assert torch.allclose(posterior.light_curves(PHASES, BANDS, n=9), whole, rtol=1e-12)

    def test_what_is_refused(self, posterior):
        with pytest.raises(ConfigError, match="1 to 240"):
            posterior.light_curves(PHASES, BANDS, n=241)
        with pytest.raises(ConfigError, match="rest, observer"):
            posterior.light_curves(PHASES, BANDS, frame="cmb")
        kept = {k: v for k, v in posterior.draws.items() if k != "epsilon"}
        dropped = Posterior(
            posterior.sed, posterior.batch, kept, posterior.statistics, epsilon_dropped=True
        )
        with pytest.raises(ConfigError, match="not kept"):
            dropped[:2].spectra(PHASES, [5000.0])


class TestChoice:
    def test_by_place_name_slice_and_list(self, posterior):
        for index, expected in (
            (2, ["SN002"]),
            (-1, ["SN003"]),
            (np.int64(1), ["SN001"]),
            ("SN001", ["SN001"]),
            (slice(1, 3), ["SN001", "SN002"]),
            ([3, 0], ["SN003", "SN000"]),
            (["SN003", "SN000"], ["SN003", "SN000"]),
        ):
            chosen = posterior[index]
            assert chosen.batch.object_id == expected
            assert chosen.statistics["object_id"].tolist() == expected
            row = posterior.index(expected[0])
            assert torch.equal(chosen.draws["epsilon"][0], posterior.draws["epsilon"][row])

    def test_a_wrong_name_is_answered_with_near_ones(self, posterior):
        with pytest.raises(DataError, match="nearest are SN00"):
            posterior["SN0O2"]
        with pytest.raises(DataError, match="SNbad was not fitted: 2 points"):
            posterior["SNbad"]
        with pytest.raises(DataError, match="there are 4"):
            posterior[4]

    def test_printing_says_how_many(self, posterior):
        assert repr(posterior) == "Posterior(4 supernovae, 1 not fitted, 4 chains × 60 draws)"

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda d: d.pop("mu"), "missing mu"),
            (lambda d: d.update(x1=d["mu"]), "unknown x1"),
            (lambda d: d.update(mu=d["mu"][:2]), "shapes"),
        ],
    )
    def test_draws_are_checked(self, posterior, change, message):
        draws = dict(posterior.draws)
        change(draws)
        with pytest.raises(DataError, match=message):
            Posterior(posterior.sed, posterior.batch, draws, posterior.statistics)


class TestFiles:
    @pytest.mark.parametrize("name", ["posterior", "photometric"])
    def test_a_written_posterior_comes_back(self, request, name, tmp_path):
        pytest.importorskip("h5netcdf")
        ours = request.getfixturevalue(name)
        ours.write(tmp_path, prefix="run")
        assert sorted(p.name for p in tmp_path.iterdir()) == [
            "posterior.nc",
            "run.FITRES.TEXT",
            "summary.csv",
        ]
        back = Posterior.load(tmp_path)
        assert back.draws.keys() == ours.draws.keys()
        for key, values in ours.draws.items():
            assert torch.equal(back.draws[key], values), key
        pd.testing.assert_frame_equal(back.statistics, ours.statistics)
        pd.testing.assert_frame_equal(back.failures, ours.failures)
        for a, b in zip(back.batch.to_light_curves(), ours.batch.to_light_curves(), strict=True):
            assert a == b
        assert torch.equal(
            back.light_curves(PHASES, BANDS, n=5), ours.light_curves(PHASES, BANDS, n=5)
        )
        pd.testing.assert_frame_equal(back.summary(), ours.summary())

    def test_what_is_special_comes_back(self, posterior, tmp_path):
        pytest.importorskip("h5netcdf")
        batch = posterior.batch[:]
        batch.host = torch.rand(4, 2).double()
        batch.upper_limit[0, 1] = True
        sed = type(posterior.sed).from_name("w22")
        draws = {k: v for k, v in posterior.draws.items() if k != "epsilon"}
        draws["epsilon"] = torch.rand(4, 4, 60, len(sed.epsilon_cholesky)).double()
        given = Posterior(sed, batch, draws, posterior.statistics, epsilon_dropped=True)
        given.write(tmp_path)
        back = Posterior.load(tmp_path / "posterior.nc")
        assert torch.equal(back.batch.host, batch.host)
        assert torch.equal(back.batch.upper_limit, batch.upper_limit)
        assert back.batch.mask.dtype == torch.bool
        assert back.epsilon_dropped
        assert back.failures.empty
        assert str(back.sed) == str(sed)
        assert back.sed.n_nodes == sed.n_nodes
        assert torch.equal(back.draws["epsilon"], draws["epsilon"].float())

    def test_writing_again_replaces(self, posterior, photometric, tmp_path):
        pytest.importorskip("h5netcdf")
        photometric.write(tmp_path)
        posterior.write(tmp_path)
        assert len(Posterior.load(tmp_path)) == 4

    def test_what_cannot_be_loaded(self, tmp_path):
        pytest.importorskip("h5netcdf")
        with pytest.raises(DataError, match="no such file"):
            Posterior.load(tmp_path)
        (tmp_path / "posterior.nc").write_text("not a netCDF file")
        with pytest.raises(DataError, match="not a posterior of sntorch"):
            Posterior.load(tmp_path)

    def test_a_netcdf_file_of_something_else(self, tmp_path):
        pytest.importorskip("h5netcdf")
        import xarray

        xarray.Dataset({"x": ("t", [1.0])}).to_netcdf(tmp_path / "posterior.nc", engine="h5netcdf")
        with pytest.raises(DataError, match="not a posterior of sntorch"):
            Posterior.load(tmp_path)

    @pytest.mark.parametrize("absent", ["xarray", "h5netcdf", "h5py"])
    def test_without_the_extra_the_tables_are_written(
        self, posterior, tmp_path, monkeypatch, absent
    ):
        real = importlib.import_module

        def missing(name, *rest):
            if name == absent:
                raise ImportError(name)
            return real(name, *rest)

        monkeypatch.setattr(importlib, "import_module", missing)
        with pytest.raises(ConfigError, match=r"pip install sntorch\[arviz\]"):
            posterior.write(tmp_path)
        assert sorted(p.suffix for p in tmp_path.iterdir()) == [".TEXT", ".csv"]


class TestArviz:
    def test_dimensions_and_values(self, posterior):
        pytest.importorskip("arviz")
        data = posterior.to_arviz()
        theta = data["posterior"]["theta"]
        assert theta.dims == ("chain", "draw", "object")
        assert theta.sel(object="SN002", chain=1).values.tolist() == (
            posterior.draws["theta"][2, 1].tolist()
        )
        assert data["posterior"]["epsilon"].dims == ("chain", "draw", "object", "epsilon_dim")
        assert data["observed_data"]["flux"].dims == ("object", "observation")

    def test_arviz_summarises_it_as_we_do(self, posterior, tmp_path):
        arviz = pytest.importorskip("arviz")
        posterior.write(tmp_path)
        data = arviz.from_netcdf(str(tmp_path / "posterior.nc"))
        theirs = arviz.summary(data, var_names=["theta", "ds"], round_to="none")
        ours = posterior.summary()
        for name in ("theta", "ds"):
            rows = theirs.loc[[f"{name}[{sn}]" for sn in posterior.batch.object_id]]
            for column, name_there in (("mean", "mean"), ("sd", "sd"), ("rhat", "r_hat")):
                expected = ours[f"{name}_{column}"][:4].to_numpy(float)
                np.testing.assert_allclose(rows[name_there].to_numpy(float), expected, rtol=1e-6)
