"""Figures of a posterior show its numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sntorch.errors import ConfigError, DataError
from sntorch.plotting.posterior import corner, hubble_diagram, light_curve_fit, rms_and_error


def fake(*args, **options):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[1] / "bayesn")
        from fake_posterior import fake_posterior

        return fake_posterior(*args, **options)


@pytest.fixture(scope="module")
def posterior():
    return fake(12, length=50)


def drawn(figure):
    return [axes for axes in figure.axes if axes.axison]


def lines(axes, marker="None"):
    return [line for line in axes.lines if line.get_marker() == marker]


def saved(figure, tmp_path):
    figure.savefig(tmp_path / "figure.png", dpi=40)
    return (tmp_path / "figure.png").stat().st_size > 2000


class TestLightCurveFit:
    def test_a_panel_and_residuals_for_every_band_blue_to_red(self, posterior, tmp_path):
        figure = light_curve_fit(posterior, "SN003", n=20)
        panels = drawn(figure)
        assert [axes.get_title() for axes in panels[:4]] == [
            "ps1::g",
            "ps1::r",
            "ps1::i",
            "ps1::z",
        ]
        assert len(panels) == 8
        assert saved(figure, tmp_path)

    def test_the_title_has_name_and_parameters(self, posterior):
        title = light_curve_fit(posterior, 3, n=5).get_suptitle()
        theta = posterior.draws["theta"][3]
        assert title.startswith("SN003")
        assert f"{float(theta.mean()):.2f} ± {float(theta.std()):.2f}" in title

    @pytest.mark.parametrize("magnitudes", [False, True])
    def test_the_line_is_the_median_model(self, posterior, magnitudes):
        axes = drawn(light_curve_fit(posterior, 2, magnitudes, n=20))[1]
        x, y = lines(axes)[0].get_data()
        model = posterior[2].magnitudes if magnitudes else posterior[2].light_curves
        expected = model(x, ["ps1::r"], 20, "observer")[0, :, 0].median(0).values
        # Of an even number torch's median is the lower middle one.
        upper = -(-model(x, ["ps1::r"], 20, "observer")[0, :, 0]).median(0).values
        np.testing.assert_allclose(y, (expected + upper) / 2, rtol=1e-6)
        assert axes.yaxis_inverted() == magnitudes

    def test_residuals_are_those_of_the_observations(self, posterior):
        one = posterior[1]
        light_curve = one.batch.to_light_curves()[0]
        red = light_curve.keep(light_curve.band == "ps1::r")
        model = one.light_curves(red.time - red.peak_mjd, ["ps1::r"], 20, "observer")[0, :, 0]
        expected = (red.flux - np.median(model.numpy(), axis=0)) / red.flux_err
        axes = drawn(light_curve_fit(posterior, 1, n=20))[5]
        x, y = lines(axes, "s")[0].get_data()
        np.testing.assert_allclose(y, expected, rtol=1e-6)
        np.testing.assert_allclose(x, red.time - red.peak_mjd)
        low, high = axes.get_ylim()
        assert low < min(expected)
        assert high > max(expected)

    def test_incomplete_rows_and_few_draws(self, posterior, tmp_path):
        figure = light_curve_fit(posterior, 0, columns=3, n=10**6)
        assert len(drawn(figure)) == 8
        assert saved(figure, tmp_path)


class TestHubbleDiagram:
    def test_residuals_and_their_rms(self, posterior, tmp_path):
        summary = posterior.summary()
        figure = hubble_diagram(summary)
        residual = (summary["mu_mean"] - summary["muhat"])[:12].to_numpy(float)
        shown = [c[0].get_ydata() for c in figure.axes[1].containers]
        np.testing.assert_allclose(np.sort(np.concatenate(shown)), np.sort(residual))
        rms, error = rms_and_error(residual)
        note = figure.axes[1].get_title(loc="left")
        assert note.startswith(f"RMS {rms:.3f} ± {error:.3f} mag")
        assert note.endswith("(N = 12, 1 flagged)")
        assert saved(figure, tmp_path)

    def test_flagged_objects_are_open(self, posterior):
        axes = hubble_diagram(posterior.summary()).axes[0]
        fills = {c[0].get_markerfacecolor(): len(c[0].get_xdata()) for c in axes.containers}
        assert fills == {"#0072B2": 11, "white": 1}

    def test_other_redshifts_and_distances(self, posterior):
        summary = posterior.summary()
        redshift, muhat = np.linspace(0.01, 0.1, 13), np.full(13, 35.0)
        figure = hubble_diagram(summary, redshift, muhat)
        x, y = figure.axes[1].containers[0][0].get_data()
        np.testing.assert_allclose(x, redshift[:11])
        np.testing.assert_allclose(y, summary["mu_mean"][:11].to_numpy(float) - 35)
        with pytest.raises(ConfigError, match="13 rows"):
            hubble_diagram(summary, redshift[:5])

    def test_nothing_fitted(self, posterior):
        with pytest.raises(DataError, match="no fitted supernova"):
            hubble_diagram(posterior.summary()[12:])

    def test_error_of_an_rms(self):
        residual = np.random.default_rng(1).normal(0, 0.13, 400)
        rms, error = rms_and_error(residual)
        assert rms == pytest.approx(np.sqrt(np.mean(residual**2)))
        assert error == pytest.approx(rms / np.sqrt(2 * 400), rel=0.15)


class TestCorner:
    def test_means_spreads_and_truth(self, posterior, tmp_path):
        figure = corner(posterior, "SN001", truth={"theta": 0.25})
        assert len(drawn(figure)) == 10
        for i, name in enumerate(("ds", "theta", "av")):
            draws = posterior.draws[name][1]
            (text,) = figure.axes[5 * i].texts
            assert text.get_text() == f"{float(draws.mean()):.3f} ± {float(draws.std()):.3f}"
        # The truth is a line in every panel that has the parameter, and in no other.
        marks = [sum(line.get_linestyle() == ":" for line in a.lines) for a in drawn(figure)]
        assert marks == [0, 1, 1, 0, 1, 0, 0, 1, 0, 0]
        assert saved(figure, tmp_path)

    @pytest.mark.parametrize("length", [1000, 20000])
    def test_contours_hold_their_share(self, length):
        tilted = fake(1, length=length, epsilon=False)
        tilted.draws["theta"] += 2 * (tilted.draws["ds"] - tilted.draws["ds"].mean())
        axes = corner(tilted, 0, ("ds", "theta")).axes[2]
        draws = torch.stack([tilted.draws[k].flatten() for k in ("ds", "theta")], 1).numpy()
        shares = [path.contains_points(draws).mean() for path in axes.collections[-1].get_paths()]
        # Smoothing widens the contours of few draws.
        assert shares == pytest.approx([0.95, 0.68], abs=0.05 if length == 1000 else 0.02)

    def test_extinction_begins_at_zero(self, posterior):
        figure = corner(posterior, 0, ("av", "theta"))
        assert figure.axes[0].get_xlim()[0] >= 0
        assert figure.axes[0].lines[0].get_xdata().min() > 0

    def test_two_fits_in_one_figure(self, posterior, tmp_path):
        other = posterior[["SN004", "SN001"]]
        other.draws["mu"] = other.draws["mu"] + 0.5
        figure = corner(posterior, "SN001", ("mu", "peak_mjd"), other=other, names=("NUTS", "VI"))
        assert [t.get_text() for t in figure.legends[0].get_texts()] == ["NUTS", "VI"]
        first, second = (float(t.get_text().split()[0]) for t in figure.axes[0].texts)
        assert second - first == pytest.approx(0.5, abs=0.002)
        peaks = [line.get_xdata()[line.get_ydata().argmax()] for line in figure.axes[0].lines]
        assert peaks[1] - peaks[0] == pytest.approx(0.5, abs=0.15)
        assert saved(figure, tmp_path)

    def test_what_cannot_be_drawn(self, posterior):
        with pytest.raises(ConfigError, match=r"rv was fixed at 2\.61"):
            corner(posterior, 0, ("ds", "rv"))
        with pytest.raises(ConfigError, match=r"accepted are .*tmax"):
            corner(posterior, 0, ("ds", "x1"))
