import numpy as np
import pytest

from sntorch.data.light_curve import LightCurve, LightCurves
from sntorch.plotting.light_curves import light_curve_grid


def example(i=0):
    time = np.arange(57000.0, 57012.0)
    flux = np.where(np.arange(12) < 9, 100.0 + 10 * i, -5.0)
    limit = np.arange(12) == 10
    return LightCurve.from_arrays(
        f"SN{i}",
        time,
        np.where(limit, 30.0, flux),
        np.full(12, 10.0),
        np.tile(["desg", "desr", "desz"], 4),
        peak_mjd=57005.0,
        redshift=0.1,
        type="Ia",
        upper_limit=limit,
    )


@pytest.mark.parametrize("magnitudes", [False, True])
@pytest.mark.parametrize("n", [1, 4, 5])
def test_one_panel_an_object(tmp_path, magnitudes, n):
    figure = light_curve_grid(LightCurves(example(i) for i in range(5)), n, magnitudes=magnitudes)
    drawn = [axes for axes in figure.axes if axes.axison]
    assert len(drawn) == n
    assert drawn[0].get_title() == "Ia  SN0, z = 0.100"
    figure.savefig(tmp_path / "figure.png")
    assert (tmp_path / "figure.png").stat().st_size > 1000


def test_fluxes_have_a_zero_line_error_bars_and_limits():
    axes = light_curve_grid([example()]).axes[0]
    assert any(np.allclose(line.get_ydata(), 0) for line in axes.lines)
    bars = axes.containers
    assert [bar.get_label() for bar in bars] == ["desg", "desr", "desz"]
    values = np.concatenate([np.asarray(bar[0].get_ydata()) for bar in bars])
    assert sorted(values) == [-5.0, -5.0] + [100.0] * 9
    limits = [
        line for line in axes.lines if line.get_marker() == "v" and line.get_fillstyle() == "none"
    ]
    assert sum(len(np.asarray(line.get_xdata())) for line in limits) == 1


def test_magnitudes_grow_downwards_and_faint_points_become_limits():
    axes = light_curve_grid([example()], magnitudes=True).axes[0]
    assert axes.yaxis_inverted()
    limits = [
        line for line in axes.lines if line.get_marker() == "v" and line.get_fillstyle() == "none"
    ]
    values = np.concatenate([np.asarray(line.get_ydata()) for line in limits])
    expected = 27.5 - 2.5 * np.log10(30.0)
    np.testing.assert_allclose(values, [expected] * 3)


def test_bands_are_in_the_order_of_wavelength():
    legend = light_curve_grid([example()]).legends[0]
    assert [text.get_text() for text in legend.get_texts()] == ["desg", "desr", "desz"]


def test_a_batch_is_drawn_as_its_light_curves():
    batch = LightCurves(example(i) for i in range(3)).to_batch()
    assert len([a for a in light_curve_grid(batch, 2).axes if a.axison]) == 2
