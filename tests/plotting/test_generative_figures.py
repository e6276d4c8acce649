"""Figures of generated beside real light curves show what they were given."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from sntorch.data.batch import LightCurveBatch
from sntorch.data.light_curve import LightCurve
from sntorch.plotting.generative import (
    band_colour,
    error_against_magnitude,
    example_grid,
    peak_histograms,
    population_fan,
)


def sample(n: int, seed: int, bands=("desg", "desr"), shift: float = 0.0) -> LightCurveBatch:
    rng = np.random.default_rng(seed)
    curves = []
    for i in range(n):
        phase = np.sort(rng.uniform(-15, 40, 8 * len(bands)))
        mag = 20 + shift + rng.normal(0, 0.3) + 0.002 * phase**2
        flux = 10 ** (0.4 * (27.5 - mag))
        band = np.resize(bands, phase.size)
        curves.append(
            LightCurve.from_arrays(f"sn{i}", phase, flux, 0.02 * flux, band, peak_mjd=0.0)
        )
    return LightCurveBatch.from_light_curves(curves, bands=bands)


REAL, GENERATED = sample(40, 1), sample(60, 2)


@pytest.mark.parametrize(
    "plot", [peak_histograms, population_fan, error_against_magnitude, example_grid]
)
def test_every_figure_can_be_written(plot, tmp_path):
    figure = plot(REAL, GENERATED)
    assert isinstance(figure, Figure)
    figure.savefig(tmp_path / "figure.png", dpi=40)
    assert (tmp_path / "figure.png").stat().st_size > 2000


def test_histograms_add_up_and_carry_notes():
    figure = peak_histograms(REAL, GENERATED, notes={"desg": "KS 0.05"})
    ax = figure.axes[0]
    bars = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    assert sum(bar.get_height() for bar in bars) == pytest.approx(1, abs=0.03)
    assert any(text.get_text() == "KS 0.05" for text in ax.texts)
    assert ax.xaxis_inverted()


def test_fan_follows_the_population():
    lines = population_fan(REAL, sample(60, 3, shift=1.0)).axes[0].lines
    real, brighter = (np.asarray(line.get_ydata(), dtype=float) for line in lines)
    assert np.median(brighter[:6] - real[:6]) == pytest.approx(1, abs=0.3)


def test_examples_are_real_on_the_left_and_generated_on_the_right():
    axes = np.array(example_grid(REAL, GENERATED, rows=2, columns=2).axes).reshape(2, 4)
    assert all(ax.get_title().startswith("held out") for ax in axes[:, :2].flat)
    assert all(ax.get_title().startswith("generated") for ax in axes[:, 2:].flat)


def test_many_bands_and_samples_without_detections():
    bands = tuple(f"band{k}" for k in range(6))
    faint = sample(5, 4, bands)
    faint.flux *= -1
    for plot in (peak_histograms, population_fan, error_against_magnitude, example_grid):
        assert len(plot(faint, faint).axes) >= 6


def test_colours_differ_between_bands():
    assert band_colour("desg", ("desg", "desr")) != band_colour("desr", ("desg", "desr"))
    both = ("ztfg", "desg")
    assert band_colour("ztfg", both) != band_colour("desg", both)
