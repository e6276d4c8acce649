"""Figures of a training show its numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from sntorch.errors import ConfigError
from sntorch.physics.sed import SEDModel
from sntorch.plotting.chains import population_corner, trace
from sntorch.plotting.corner import label_of
from sntorch.plotting.training import mean_light_curves, residual_covariance, surfaces

BANDS = ["ps1::r", "ps1::i"]


def fake(*args, **options):
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[1] / "bayesn")
        from fake_training import fake_draws

        return fake_draws(*args, **options)


@pytest.fixture(scope="module")
def t21():
    return SEDModel.from_name("t21")


@pytest.fixture(scope="module")
def m20():
    return SEDModel.from_name("m20")


@pytest.fixture(scope="module")
def draws(t21):
    return fake(t21, length=50)


def saved(figure, tmp_path):
    figure.savefig(tmp_path / "figure.png", dpi=30)
    return (tmp_path / "figure.png").stat().st_size > 2000


def heat_maps(figure):
    """Values of the heat maps by title, shape (T, L)."""
    return [
        (axes.get_title(), axes.collections[0].get_array().reshape(76, 90))
        for axes in figure.axes
        if axes.get_title()
    ]


class TestSurfaces:
    def test_mean_and_width_at_the_corners(self, draws, t21, tmp_path):
        figure = surfaces(draws, t21)
        maps = heat_maps(figure)
        assert [title for title, _ in maps] == [
            "W0: mean (mag)",
            "standard deviation (mag)",
            "W1: mean (mag)",
            "standard deviation (mag)",
        ]
        # The grid's corners are knots.
        for (_, mean), (_, sd), name in ((*maps[:2], "w0"), (*maps[2:], "w1")):
            flat = draws[name].flatten(0, 1)
            assert mean[0, -1] == pytest.approx(float(flat[:, -1, 0].mean()))
            assert sd[-1, 0] == pytest.approx(float(flat[:, 0, -1].std()))
        assert saved(figure, tmp_path)

    def test_against_the_truth(self, draws, t21):
        z = [values for title, values in heat_maps(surfaces(draws, t21, t21)) if "rms" in title]
        # The mean of 200 draws is within a tenth of their width.
        assert all(np.abs(values).max() < 0.4 for values in z)

    def test_against_other_knots(self, draws, t21, m20, tmp_path):
        figure = surfaces(fake(m20, length=10), m20, t21)
        difference = heat_maps(figure)[2][1]
        wave = np.linspace(3000, 18500, 90)
        reached = (wave >= 3500) & (wave <= 9500)
        mask = np.ma.getmaskarray(difference) | ~np.isfinite(np.ma.getdata(difference))
        np.testing.assert_array_equal(~mask.any(0), reached)
        assert saved(figure, tmp_path)

    def test_what_cannot_be_drawn(self, draws, t21, m20):
        with pytest.raises(ConfigError, match="SED was held fixed"):
            surfaces({"tau_a": draws["tau_a"]}, t21)
        with pytest.raises(ConfigError, match=r"have \(6, 6\) knots"):
            surfaces(draws, m20)


class TestMeanLightCurves:
    def test_curves_are_the_model_s(self, draws, t21, tmp_path):
        figure = mean_light_curves(draws, t21, BANDS, reference=t21, n=30)
        panels = np.array(figure.axes).reshape(3, 2)
        mean, reference = panels[0, 1].lines
        phase = mean.get_xdata()
        expected = t21.magnitude(phase, BANDS)[1].numpy()
        np.testing.assert_allclose(reference.get_ydata(), expected)
        np.testing.assert_allclose(mean.get_ydata(), expected, atol=0.02)
        np.testing.assert_allclose(panels[1, 1].lines[0].get_ydata(), 0, atol=1e-12)
        assert panels[0, 0].yaxis_inverted()
        bright, _, faint = (line.get_ydata()[15] for line in panels[2, 0].lines[:3])
        assert bright < faint
        assert saved(figure, tmp_path)

    def test_bands_hold_their_share(self, t21, draws):
        figure = mean_light_curves(draws, t21, ["ps1::r"], n=200)
        wide, narrow = (
            np.ptp(c.get_paths()[0].vertices[:, 1]) for c in figure.axes[1].collections
        )
        # Of a normal distribution, 95 % lie within 1.96 and 68 % within 1 standard deviation.
        assert wide / narrow == pytest.approx(1.96, rel=0.25)

    def test_a_reference_that_lacks_a_band(self, t21, m20):
        figure = mean_light_curves(fake(m20, length=10), m20, ["ps1::r", "cspyd"], t21, n=10)
        assert [len(axes.lines) for axes in figure.axes[:2]] == [2, 1]

    def test_a_band_outside(self, draws, t21):
        with pytest.raises(ConfigError, match=r"cspyd: .*3500-9500 Å"):
            mean_light_curves(draws, t21, ["ps1::r", "cspyd"])
        with pytest.raises(ConfigError, match="bands none"):
            mean_light_curves(draws, t21, [])


def test_residuals(draws, t21, tmp_path):
    figure = residual_covariance(draws, t21)
    left, right = figure.axes[:2]
    sigma = draws["sigma_epsilon"].mean((0, 1)).view(6, 4)
    np.testing.assert_allclose(left.images[0].get_array(), sigma)
    assert left.texts[5].get_text().startswith(f"{float(sigma[1, 1]):.3f}\n±")
    correlation = right.images[0].get_array()
    np.testing.assert_allclose(np.diag(correlation), 1)
    np.testing.assert_allclose(correlation, correlation.T)
    assert [t.get_text() for t in right.get_xticklabels()[:5]] == [
        "4900",
        "6200",
        "7700",
        "8700",
        "4900",
    ]
    assert saved(figure, tmp_path)


class TestPopulationCorner:
    def test_all_numbers_that_vary(self, draws, tmp_path):
        fixed = {**draws, "eta": torch.zeros(4, 50)}
        figure = population_corner(fixed, truths={"rv": 2.61})
        labels = [axes.get_xlabel() for axes in figure.axes[-3:]]
        assert labels == [label_of(name) for name in ("sigma0", "tau_a", "rv")]
        rv = draws["rv"].flatten()
        text = figure.axes[-1].texts[0].get_text()
        assert text == f"{float(rv.mean()):.3f} ± {float(rv.std()):.3f}"
        assert saved(figure, tmp_path)

    def test_chosen_numbers_keep_their_order(self, draws):
        figure = population_corner(draws, ["rv", "tau_a"])
        assert figure.axes[2].get_xlabel() == label_of("rv")
        assert figure.axes[2].get_ylabel() == label_of("tau_a")

    def test_parts_of_a_population(self):
        assert label_of("tau_a_low") == r"$\tau_A$ (mag) low"
        assert label_of("my_slope") == "my_slope"

    def test_what_cannot_be_drawn(self, draws):
        with pytest.raises(ConfigError, match=r"theta: not a number .*accepted are sigma0, tau_a"):
            population_corner(draws, ["theta"])
        fixed = {"rv": torch.full((4, 50), 2.6)}
        with pytest.raises(ConfigError, match="rv did not vary"):
            population_corner(fixed, ["rv"])
        with pytest.raises(ConfigError, match="no number of the population varies"):
            population_corner(fixed)


class TestTrace:
    def test_chains_and_ranks(self, draws, tmp_path):
        apart = {**draws, "rv": draws["rv"].clone()}
        apart["rv"][0] += 10
        figure = trace(apart, ["rv", "tau_a"])
        left, right = figure.axes[:2]
        np.testing.assert_allclose(left.lines[0].get_ydata(), apart["rv"][0])
        shares = [patch.get_data().values for patch in right.patches if hasattr(patch, "get_data")]
        # All draws of the first chain are the highest; each chain's shares average to one.
        np.testing.assert_allclose(shares[0][:3], 0)
        np.testing.assert_allclose([s.mean() for s in shares], 1)
        np.testing.assert_allclose(np.mean(shares, 0), 1, atol=0.05)
        assert [t.get_text() for t in figure.legends[0].get_texts()] == [
            f"chain {c}" for c in range(4)
        ]
        assert saved(figure, tmp_path)

    def test_a_long_chain_is_thinned_and_a_fixed_number_drawn(self, tmp_path):
        draws = {"rv": torch.full((1, 5001), 2.6)}
        figure = trace(draws)
        assert len(figure.axes[0].lines[0].get_xdata()) == 1667
        assert saved(figure, tmp_path)

    def test_nothing_to_draw(self, draws):
        with pytest.raises(ConfigError, match="no number of the population"):
            trace({"theta": draws["theta"]})
