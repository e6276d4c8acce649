"""The callback that draws figures while a generator trains."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import torch
from astropy.cosmology import FlatLambdaCDM

from sntorch.callbacks.figures import (
    GeneratorFigures,
    absolute_magnitudes,
    diagnostic_figures,
    generator_figures,
)
from sntorch.data.batch import LightCurveBatch
from sntorch.data.light_curve import LightCurve
from sntorch.generative.base import GenerativeModel
from sntorch.generative.evaluate import peak_magnitudes

NAMES = {"examples", "peak_magnitudes", "population", "errors"}


def sample(n: int, seed: int) -> LightCurveBatch:
    rng = np.random.default_rng(seed)
    curves = []
    for i in range(n):
        flux = 10 ** rng.uniform(2, 3) * np.array([0.4, 1.0, 0.8, 0.5])
        columns = np.array([-5.0, 0.0, 5.0, 10.0]), flux, 0.02 * flux
        curves.append(LightCurve.from_arrays(f"sn{i}", *columns, ["desg"] * 4, peak_mjd=0.0))
    return LightCurveBatch.from_light_curves(curves)


class Model(GenerativeModel):
    bands = ("desg",)

    def __init__(self):
        self.asked = []

    def sample(
        self, n, lengths=None, condition=None, cadence=None, seed=None, temperature=1.0
    ) -> LightCurveBatch:
        self.asked.append((n, seed))
        return sample(n, 1)


class Writer:
    def __init__(self):
        self.figures = []

    def add_figure(self, tag, figure, global_step):
        self.figures.append((tag, global_step))


def run(callback, held_out, epochs, writer=True):
    board, model = Writer(), Model()
    data = SimpleNamespace(val_batch=lambda: held_out, train_batch=lambda: sample(12, 3))
    trainer = SimpleNamespace(
        current_epoch=0,
        is_global_zero=True,
        logger=SimpleNamespace(experiment=board) if writer else None,
        datamodule=data,
        global_step=7,
    )
    for trainer.current_epoch in range(epochs):
        callback.on_train_epoch_end(trainer, model)
    return board, model


def test_writes_every_figure_at_every_second_epoch():
    callback = GeneratorFigures(every_n_epochs=2, n=15, seed=4)
    board, model = run(callback, sample(10, 2), epochs=4)
    assert {tag for tag, _ in board.figures} == {f"generated/{name}" for name in NAMES}
    assert len(board.figures) == 2 * len(NAMES)
    assert model.asked == [(15, 4)] * 2


def test_training_objects_stand_in_for_missing_held_out_ones():
    nothing = sample(10, 2)[torch.zeros(0, dtype=torch.int64)]
    board, _ = run(GeneratorFigures(every_n_epochs=1, n=5), nothing, epochs=1)
    assert len(board.figures) == len(NAMES)


def test_draws_nothing_without_a_board():
    assert not run(GeneratorFigures(every_n_epochs=1), sample(5, 2), 1, writer=False)[1].asked


def test_figures_name_the_distance():
    figure = generator_figures(sample(50, 1), sample(50, 1))["peak_magnitudes"]
    assert any("KS 0.000" in text.get_text() for text in figure.axes[0].texts)


def two_bands(n: int, seed: int, redshift: float | None = None) -> LightCurveBatch:
    rng = np.random.default_rng(seed)
    curves = []
    for i in range(n):
        when = np.repeat(np.arange(-10.0, 31.0, 5.0), 2)
        mag = 20 + rng.normal(0, 0.5) + rng.normal(0.03, 0.01) * np.abs(when) ** 1.2
        mag[1::2] += rng.normal(0.2, 0.1)
        flux = 10 ** (0.4 * (27.5 - mag))
        one = LightCurve.from_arrays(
            f"sn{i}", when, flux, 0.02 * flux, ["desg", "desr"] * 9, peak_mjd=0.0
        )
        curves.append(one if redshift is None else replace(one, redshift=redshift * rng.uniform()))
    return LightCurveBatch.from_light_curves(curves)


def test_absolute_magnitudes_are_those_of_astropys_distances():
    batch = two_bands(3, 5, redshift=0.3)
    batch.redshift[0] = torch.nan
    apparent, absolute = peak_magnitudes(batch)["desg"], absolute_magnitudes(batch)["desg"]
    distmod = FlatLambdaCDM(73.24, 0.28).distmod(batch.redshift[1:].numpy()).value
    assert np.isnan(absolute[0])
    np.testing.assert_allclose(apparent[1:] - absolute[1:], distmod, atol=0.02)


def test_diagnostic_figures_are_those_that_the_samples_allow():
    some = {"dm15", "rise", "colour", "corner", "embedding"}
    ours, real = two_bands(40, 1), two_bands(45, 2, redshift=0.3)
    figures = diagnostic_figures(ours, real)
    assert set(figures) == some
    assert figures["colour"].axes[0].get_title() == "desg - desr"
    more = diagnostic_figures(two_bands(40, 3, redshift=0.3), real)
    assert set(more) == some | {"redshift", "absolute_magnitudes"}
    assert [ax.get_title() for ax in more["absolute_magnitudes"].axes] == ["desg", "desr"]
    assert "corner" not in diagnostic_figures(sample(4, 1), sample(4, 2))
