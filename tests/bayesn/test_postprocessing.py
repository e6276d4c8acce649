"""Draws of a training get one sign and one scale of θ, and become a model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from fake_training import fake_draws
from hypothesis import given, settings
from hypothesis import strategies as st

from sntorch.bayesn.postprocessing import aligned, parameters_of
from sntorch.errors import DataError
from sntorch.physics.parameters import SEDParameters
from sntorch.physics.sed import SEDModel
from sntorch.physics.splines import spline_matrix

T21 = SEDModel.from_name("t21")


def at(sed, w1, wave, day):
    rows = [
        spline_matrix(knots, torch.tensor([x], dtype=torch.float64))[0]
        for knots, x in ((sed.wave_knots, wave), (sed.time_knots, day))
    ]
    return torch.einsum("l,...lt,t->...", rows[0], w1, rows[1])


def with_knots(wave, days):
    """T21 at other knots; its numbers at them do not matter."""
    k_l, k_t = len(wave), len(days)
    n = (k_l - 2) * k_t
    w1 = np.random.default_rng(k_l).normal(size=(k_l, k_t))
    return SEDModel(
        replace(
            SEDParameters.from_name("t21"),
            wave_knots=np.array(wave, float),
            time_knots=np.array(days, float),
            w0=np.zeros((k_l, k_t)),
            w1=w1,
            epsilon_cholesky=0.1 * np.eye(n),
        )
    )


class TestAligned:
    def test_chains_of_either_sign_and_any_scale_agree(self):
        draws = fake_draws(T21)
        theirs = aligned(draws, T21)
        mirrored = dict(draws)
        factor = torch.tensor([-1.0, 2.0, -0.3, 1.0])
        mirrored["theta"] = draws["theta"] * factor[:, None, None]
        mirrored["w1"] = draws["w1"] / factor[:, None, None, None]
        ours = aligned(mirrored, T21)
        for name in draws:
            torch.testing.assert_close(ours[name], theirs[name], rtol=1e-5, atol=1e-7)

    def test_convention(self):
        draws = fake_draws(T21)
        draws["w1"][2] *= -1
        draws["theta"][2] *= -1
        result = aligned(draws, T21)
        np.testing.assert_allclose(result["theta"].numpy().std(-1), 1)
        mean = result["w1"].mean(1)
        assert (at(T21, mean, 6200.0, 10.0) > at(T21, mean, 6200.0, 0.0)).all()
        again = aligned(result, T21)
        torch.testing.assert_close(again["w1"], result["w1"], rtol=1e-10, atol=0)

    @settings(max_examples=25, deadline=None)
    @given(seed=st.integers(0, 10**6), scale=st.floats(0.01, 100), objects=st.integers(2, 5))
    def test_the_model_of_every_draw_stays(self, seed, scale, objects):
        g = torch.Generator().manual_seed(seed)
        draws = {
            "theta": scale * torch.randn(2, 3, objects, generator=g, dtype=torch.float64),
            "w1": torch.randn(2, 3, 6, 6, generator=g, dtype=torch.float64),
            "tau_a": torch.rand(2, 3, generator=g, dtype=torch.float64),
        }
        result = aligned(draws, T21)
        before, after = (
            torch.einsum("csb,cslt->csblt", d["theta"], d["w1"]) for d in (draws, result)
        )
        torch.testing.assert_close(after, before, rtol=1e-10, atol=1e-12 * scale)
        assert result["tau_a"] is draws["tau_a"]

    def test_magnitudes_stay(self):
        draws = {k: v[:, :2] for k, v in fake_draws(T21).items()}
        draws["theta"], draws["w1"] = -3 * draws["theta"], -draws["w1"] / 3
        result = aligned(draws, T21)

        def magnitudes(d):
            warp = d["theta"][..., None, None] * d["w1"][:, :, None]
            return T21.magnitude([0.0, 15.0], ["ps1::r"], epsilon=warp.flatten(0, 2))

        torch.testing.assert_close(magnitudes(result), magnitudes(draws), rtol=1e-11, atol=0)

    @pytest.mark.parametrize(
        ("wave", "days", "at_wave", "early", "late"),
        [
            ([3500, 5000, 6000], [-10, 0, 20], 6000, 0, 10),
            ([7000, 9000, 11000, 13000], [-5, 0, 5], 7000, 0, 5),
            ([3000, 6000, 9000], [5, 10, 30], 6200, 5, 15),
            ([3000, 6000, 9000], [-15, -10, -3], 6200, -13, -3),
            ([3000, 6000, 9000], [-6, -4, -2], 6200, -6, -2),
        ],
    )
    def test_knots_that_do_not_reach_the_reference(self, wave, days, at_wave, early, late):
        sed = with_knots(wave, days)
        g = torch.Generator().manual_seed(1)
        w1 = torch.randn(6, 1, *sed.w0.shape, generator=g, dtype=torch.float64)
        theta = torch.randn(6, 1, 4, generator=g, dtype=torch.float64)
        result = aligned({"w1": w1, "theta": theta}, sed)["w1"]
        assert (at(sed, result, at_wave, late) > at(sed, result, at_wave, early)).all()

    def test_a_fixed_sed_is_left_alone(self):
        draws = {k: v for k, v in fake_draws(T21).items() if k in ("theta", "tau_a")}
        assert aligned(draws, T21) == draws

    def test_what_cannot_be_aligned(self):
        draws = fake_draws(T21, objects=1)
        with pytest.raises(DataError, match="two or more"):
            aligned(draws, T21)
        with pytest.raises(DataError, match=r"w0 have shape .*\(9, 6\)"):
            aligned(draws, SEDModel.from_name("m20"))


class TestParametersOf:
    def test_means_in_the_reference_s_form(self):
        draws = fake_draws(T21)
        found = parameters_of(draws, T21)
        mean = {name: value.mean((0, 1)).numpy() for name, value in draws.items()}
        np.testing.assert_allclose(found.w0, mean["w0"])
        np.testing.assert_allclose(found.w1, mean["w1"])
        factors = (draws["sigma_epsilon"][..., None] * draws["l_omega"]).numpy()
        expected = np.linalg.cholesky((factors @ factors.swapaxes(-1, -2)).mean((0, 1)))
        np.testing.assert_allclose(found.epsilon_cholesky, expected)
        assert found.sigma0 == pytest.approx(mean["sigma0"])
        assert found.tau_a == pytest.approx(mean["tau_a"])
        assert (found.rv, found.sigma_r) == (pytest.approx(mean["rv"]), 0.0)
        assert found.m0 == -19.5

    def test_it_is_a_model_that_files_keep(self, tmp_path):
        parameters_of(fake_draws(T21), T21).to_yaml(tmp_path / "BAYESN.YAML")
        model = SEDModel.from_yaml(tmp_path / "BAYESN.YAML")
        ours, theirs = (m.magnitude([0.0], ["ps1::g"], theta=1.0) for m in (model, T21))
        assert float((ours - theirs).abs()) < 0.02

    def test_population_of_rv(self):
        draws = fake_draws(T21)
        draws["mu_r"], draws["sigma_r"] = draws.pop("rv"), draws["tau_a"] * 2
        found = parameters_of(draws, T21)
        assert found.rv == pytest.approx(float(draws["mu_r"].mean()))
        assert found.sigma_r == pytest.approx(float(draws["sigma_r"].mean()))

    def test_a_fixed_sed_and_fixed_numbers_come_from_the_model(self):
        draws = fake_draws(T21)
        found = parameters_of({"tau_a": draws["tau_a"], "rv_sn": draws["av"]}, T21)
        packaged = SEDParameters.from_name("t21")
        for name in ("w0", "w1", "epsilon_cholesky", "sigma0", "rv", "sigma_r", "wave_knots"):
            np.testing.assert_array_equal(getattr(found, name), getattr(packaged, name))
        assert found.tau_a == pytest.approx(float(draws["tau_a"].mean()))

    def test_what_one_model_cannot_hold(self):
        draws = fake_draws(T21)
        draws["tau_a_low"] = draws["tau_a_high"] = draws.pop("tau_a")
        with pytest.raises(DataError, match="tau_a_low, tau_a_high and no tau_a"):
            parameters_of(draws, T21)
        with pytest.raises(DataError, match="without l_omega"):
            parameters_of({k: draws[k] for k in ("w0", "w1", "sigma_epsilon")}, T21)
