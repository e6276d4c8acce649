"""Figures of what a selection keeps show its counts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr

from sntorch.errors import ConfigError
from sntorch.plotting.efficiency import (
    LEAST,
    cut_flow_figure,
    efficiency_map_figure,
    kept_figure,
)
from sntorch.simulation import CutFlow, DetectionsAroundPeak, MinDetections
from sntorch.statistics.shares import binned_shares

EDGES = np.linspace(0, 1, 9), np.linspace(21, 24, 11)


def saved(figure, tmp_path):
    figure.savefig(tmp_path / "figure.png", dpi=40)
    return (tmp_path / "figure.png").stat().st_size > 2000


@pytest.fixture(scope="module")
def injections():
    rng = np.random.default_rng(1)
    x, y = rng.random(20_000), rng.uniform(21, 24, 20_000)
    probability = ndtr((22 + x - y) / 0.3)
    return x, y, probability, rng.random(20_000) < probability


def panels(figure):
    return [axes for axes in figure.axes if axes.get_label() != "<colorbar>"]


def image(axes):
    return axes.collections[0].get_array()


def test_a_bar_a_cut_with_number_and_share(tmp_path):
    long = str(MinDetections(5, 5.0, per_band=True) & ~DetectionsAroundPeak(1, 2, 5.0))
    figure = cut_flow_figure(
        CutFlow(["simulated", "five_per_band", long], [8000, 2000, 1]).to_dict()
    )
    (axes,) = figure.axes
    assert [bar.get_width() for bar in axes.patches] == [8000, 2000, 1]
    texts = [text.get_text() for text in axes.texts]
    assert texts == ["8,000  100%", "2,000  25%", "1  0.0125%"]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels[:2] == ["simulated", "five per band"]
    assert labels[2].startswith("(MinDetections(n=5, snr=5.0,\n")
    assert labels[2].endswith("…")
    assert axes.yaxis_inverted()
    assert saved(figure, tmp_path)


def test_a_map_of_counts_alone(injections, tmp_path):
    x, y, _, kept = injections
    counted = binned_shares(x, y, kept, *EDGES)
    figure = efficiency_map_figure(counted, ("redshift", "magnitude"))
    (axes,) = panels(figure)
    np.testing.assert_array_equal(image(axes), counted.share.T)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("$z$", "magnitude")
    # The contour of a half is where the efficiency is one half, within a bin.
    half = axes.collections[1].get_paths()[1].vertices
    assert np.abs(half[:, 1] - (22 + half[:, 0])).max() < 0.3
    assert saved(figure, tmp_path)


def test_a_model_beside_the_counts_and_their_difference(injections, tmp_path):
    x, y, probability, kept = injections
    counted = binned_shares(x, y, kept, *EDGES)
    model = binned_shares(x, y, probability, *EDGES).share
    figure = efficiency_map_figure(counted, ("redshift", "magnitude"), model, ("counted", "exact"))
    first, second, third = panels(figure)
    assert [first.get_title(), second.get_title()] == ["counted", "exact"]
    np.testing.assert_array_equal(image(second), model.T)
    pull = image(third).filled(np.nan).T
    binomial = np.sqrt(model * (1 - model) / counted.n)
    edge = (model * counted.n > 1) & ((1 - model) * counted.n > 1)
    # Wilson's error differs from the binomial one where few are expected.
    many = (model > 0.1) & (model < 0.9)
    np.testing.assert_allclose(pull[many], ((model - counted.share) / binomial)[many], rtol=0.02)
    assert third.get_title() == (
        f"exact - counted: rms {np.sqrt(np.mean(pull[edge] ** 2)):.2f} at the edge"
    )
    assert 0.7 < np.sqrt(np.mean(pull[edge] ** 2)) < 1.3
    assert saved(figure, tmp_path)


def test_bins_of_few_are_left_out(injections, tmp_path):
    x, y, _, kept = injections
    counted = binned_shares(x[:800], y[:800], kept[:800], *EDGES)
    figure = efficiency_map_figure(counted, ("redshift", "magnitude"))
    few = np.ma.getmaskarray(image(panels(figure)[0]))
    np.testing.assert_array_equal(few, (counted.n < LEAST).T)
    assert saved(figure, tmp_path)
    with pytest.raises(ConfigError, match="no bin holds 10 injections"):
        efficiency_map_figure(binned_shares([0.5], [22], [1], *EDGES), ("redshift", "magnitude"))


def test_a_function_alone(tmp_path):
    centres = np.meshgrid(*((edges[1:] + edges[:-1]) / 2 for edges in EDGES), indexing="ij")
    values = ndtr((22 + centres[0] - centres[1]) / 0.3)
    points = (a.ravel() for a in (*centres, values))
    figure = efficiency_map_figure(binned_shares(*points, *EDGES), ("x1", "c"), least=1)
    np.testing.assert_allclose(image(panels(figure)[0]), values.T)
    assert saved(figure, tmp_path)


def test_all_alike_in_one_bin(tmp_path):
    counted = binned_shares([0.1] * 20, [22.0] * 20, [1] * 20, [0, 1], [21, 24])
    assert saved(efficiency_map_figure(counted, ("redshift", "magnitude")), tmp_path)


def test_what_is_kept_by_magnitude_and_redshift(tmp_path):
    """All below 22 mag are kept, of the others none."""
    rng = np.random.default_rng(2)
    magnitude = rng.uniform(20, 24, (500, 40))
    redshift = np.linspace(0.1, 0.5, 40)
    # The last supernova is never kept at its redshift.
    magnitude[:, -1] = 23.5
    kept = (magnitude < 22).astype(float)
    figure = kept_figure(magnitude, kept, rng.uniform(20, 22, 40), redshift)
    share, by_redshift, counts, _ = figure.axes
    m, p = share.lines[0].get_data()
    half = (m[1] - m[0]) / 2
    assert set(p[m < 22 - half]) == {1.0}
    assert set(p[m > 22 + half]) == {0.0}
    np.testing.assert_array_equal(by_redshift.lines[0].get_xdata(), redshift)
    np.testing.assert_allclose(by_redshift.lines[0].get_ydata(), kept.mean(0))
    expected, before = (line.get_data().values for line in counts.patches[-2:])
    assert sum(bar.get_height() for bar in counts.patches[:-2]) == 40
    # Each supernova that can be kept counts once; next to none lie beyond the bins.
    assert expected.sum() == pytest.approx(39, rel=0.01)
    assert before.sum() == pytest.approx(40, rel=0.01)
    assert not expected[counts.patches[-1].get_data().edges[:-1] > 22].any()
    assert saved(figure, tmp_path)
