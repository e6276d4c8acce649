"""Fits in chunks: what a stop loses, and that chunks, processes and order change nothing."""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from fake_posterior import simulated, truth_of
from pandas.testing import assert_frame_equal

from sntorch.bayesn import survey
from sntorch.bayesn.fitting import SamplerSettings
from sntorch.bayesn.options import FitOptions
from sntorch.bayesn.posterior import Posterior
from sntorch.bayesn.preparation import Preparation, prepare
from sntorch.bayesn.products import write_products
from sntorch.bayesn.survey import Bar, SurveySettings, fit_survey, join
from sntorch.errors import ConfigError
from sntorch.physics.bandpasses import Bandpass, _registry, get_bandpass, register_bandpass

N = 5
OPTIONS = FitOptions()
LAPLACE = SamplerSettings("laplace", chains=2, draws=30)
TWO = SurveySettings(chunk=2, progress=False)


@pytest.fixture(scope="module")
def curves(t21):
    """Five supernovae that come shuffled in their numbers of observations and in bands."""
    found = list(simulated(t21, truth_of(N, seed=5), seed=6).to_light_curves())
    found[0] = found[0].keep(found[0].band != "ps1::g")
    found[2] = found[2].keep(found[2].band != "ps1::z")
    found[3] = replace(found[3].keep(np.arange(28) % 4 > 0), type="")
    return found


@pytest.fixture(scope="module")
def prepared(curves, t21):
    return prepare(curves, t21)


@pytest.fixture(scope="module")
def whole(prepared, t21):
    """Posterior of a run that nothing stopped."""
    return join(fit_survey(prepared, t21, OPTIONS, LAPLACE, TWO), prepared)


@pytest.fixture
def calls(monkeypatch):
    """Names of the supernovae of every chunk that is fitted; ``calls.fail_at`` makes one fail."""

    class Calls(list):
        fail_at = None

    made, real = Calls(), survey.fit_chunk

    def fit_chunk(sed, prepared, *rest):
        if len(made) == made.fail_at:
            raise RuntimeError("the machine went down")
        made.append([lc.object_id for lc in prepared.light_curves])
        return real(sed, prepared, *rest)

    monkeypatch.setattr(survey, "fit_chunk", fit_chunk)
    return made


def same(one: Posterior, other: Posterior) -> None:
    assert one.draws.keys() == other.draws.keys()
    for name, value in one.draws.items():
        assert value.dtype == other.draws[name].dtype, name
        assert torch.equal(value, other.draws[name]), name
    assert_frame_equal(one.statistics, other.statistics)
    assert_frame_equal(one.summary(), other.summary())
    assert one.batch.object_id == other.batch.object_id
    assert one.batch.bands == other.batch.bands
    assert one.epsilon_dropped == other.epsilon_dropped
    for name in ("time", "flux", "flux_err", "band", "mask", "redshift", "t_ref", "label"):
        assert torch.equal(getattr(one.batch, name), getattr(other.batch, name)), name


def test_results_are_in_the_order_of_the_input(whole, curves):
    assert whole.batch.object_id == [lc.object_id for lc in curves]
    assert whole.statistics["object_id"].tolist() == whole.batch.object_id
    assert whole.statistics["n_observations"].tolist() == [len(lc) for lc in curves]


def test_those_with_as_many_observations_are_fitted_together(prepared, t21, calls):
    parts = list(fit_survey(prepared, t21, OPTIONS, LAPLACE, TWO))
    assert calls == [["SN000", "SN002"], ["SN003", "SN001"], ["SN004"]]
    assert [places for places, _ in parts] == [[0, 2], [3, 1], [4]]


def test_each_chunk_is_what_it_is_alone(prepared, t21, whole):
    """The draws of the whole are those of the chunks, each with the seed of its number."""
    first = prepared.take([0, 2])
    alone = survey.fit_chunk(t21, first, OPTIONS, LAPLACE)
    for name in ("ds", "theta", "av", "tmax"):
        assert torch.equal(whole.draws[name][[0, 2]], alone.draws[name])


def test_chunks_have_numbers_of_their_own(prepared, t21):
    twice = prepared.take([1, 1])
    parts = fit_survey(twice, t21, OPTIONS, LAPLACE, replace(TWO, chunk=1))
    first, second = (posterior.draws["ds"] for _, posterior in parts)
    assert not torch.equal(first, second)


def test_chunks_with_other_bands_are_joined(whole, curves):
    assert whole.batch.bands == ("ps1::g", "ps1::i", "ps1::r", "ps1::z")
    assert whole.batch.classes == ("Ia",)
    for one, other in zip(whole.batch.to_light_curves(), curves, strict=True):
        order, there = np.lexsort((other.band, other.time)), np.lexsort((one.band, one.time))
        assert one.band[there].tolist() == other.band[order].tolist()
        np.testing.assert_array_equal(one.flux[there], other.flux[order])
        assert one.type == other.type


def test_a_chunk_whose_class_nobody_knows_is_joined(curves, t21):
    unknown = [replace(lc, type="") for lc in curves]
    found = prepare(unknown, t21)
    joined = join(fit_survey(found, t21, OPTIONS, LAPLACE, TWO), found)
    assert joined.batch.classes == ()
    assert joined.batch.label.tolist() == [-1] * N


def test_the_joined_posterior_gives_light_curves(whole, t21):
    flux = whole.light_curves([0.0, 10.0], ["ps1::r"], n=3)
    assert flux.shape == (N, 3, 1, 2)
    one = whole[[3]].light_curves([0.0, 10.0], ["ps1::r"], n=3)
    torch.testing.assert_close(flux[3:4], one)


def test_a_stopped_run_loses_no_finished_chunk(prepared, t21, whole, calls, tmp_path):
    calls.fail_at = 1
    run = fit_survey(prepared, t21, OPTIONS, LAPLACE, TWO, tmp_path)
    places, first = next(run)
    with pytest.raises(RuntimeError, match="went down"):
        next(run)
    assert places == [0, 2]
    assert [path.name for path in tmp_path.glob("*.safetensors")] == ["chunk_000000.safetensors"]
    calls.clear()
    calls.fail_at = None
    again = list(fit_survey(prepared, t21, OPTIONS, LAPLACE, TWO, tmp_path))
    assert calls == [["SN003", "SN001"], ["SN004"]]
    same(again[0][1], first)
    same(join(again, prepared), whole)


def test_a_finished_run_is_only_read(prepared, t21, whole, calls, tmp_path):
    for _ in range(2):
        same(join(fit_survey(prepared, t21, OPTIONS, LAPLACE, TWO, tmp_path), prepared), whole)
    assert len(calls) == 3


def test_a_deleted_chunk_is_fitted_again(prepared, t21, whole, calls, tmp_path):
    list(fit_survey(prepared, t21, OPTIONS, LAPLACE, TWO, tmp_path))
    (tmp_path / "chunk_000001.safetensors").unlink()
    calls.clear()
    same(join(fit_survey(prepared, t21, OPTIONS, LAPLACE, TWO, tmp_path), prepared), whole)
    assert calls == [["SN003", "SN001"]]


def test_failures_and_dropped_bands_survive_a_stop(curves, t21, tmp_path):
    lost = replace(curves[1], redshift=float("nan"))
    blue = replace(curves[4], bands=("ps1::g", "ps1::r", "ps1::i", "bessellux"))
    found = prepare([lost, blue, curves[2]], t21)
    runs = [join(fit_survey(found, t21, OPTIONS, LAPLACE, TWO, tmp_path), found) for _ in range(2)]
    same(*runs)
    for posterior in runs:
        assert posterior.failures["object_id"].tolist() == ["SN001"]
        assert posterior.statistics["dropped_bands"].tolist() == ["bessellux", ""]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"options": FitOptions(epsilon=False)}, "epsilon=True there, False now"),
        ({"settings": replace(LAPLACE, seed=1)}, "seed=0 there, 1 now"),
        ({"settings": replace(LAPLACE, sampler="vi")}, "sampler=laplace there, vi now"),
        ({"survey": replace(TWO, chunk=3)}, "chunk=2 there, 3 now"),
        ({"survey": replace(TWO, keep="scalars")}, "keep=all there, scalars now"),
    ],
)
def test_other_settings_are_refused_before_anything_is_fitted(
    prepared, t21, calls, tmp_path, change, words
):
    base = {"options": OPTIONS, "settings": LAPLACE, "survey": TWO}
    list(fit_survey(prepared, t21, **base, folder=tmp_path))
    calls.clear()
    with pytest.raises(ConfigError, match=rf"another run \({words}\)"):
        fit_survey(prepared, t21, **base | change, folder=tmp_path)
    assert not calls


@pytest.mark.parametrize(
    "change",
    [
        {"peak_mjd": 57001.5},
        {"redshift": 0.05},
        {"redshift_err": 0.02},
        {"mwebv": 0.3},
        {"object_id": "SN999"},
        {"bands": ("ps1::g", "ps1::i", "ps1::r", "sdssz")},
        *({name: 1.0} for name in ("time", "flux", "flux_err")),
    ],
)
def test_other_light_curves_are_refused(curves, prepared, t21, tmp_path, change, monkeypatch):
    monkeypatch.setattr(survey, "_fit_chunks", lambda *_: iter(()))
    list(fit_survey(prepared, t21, OPTIONS, LAPLACE, TWO, tmp_path))
    columns = {k: getattr(curves[1], k) + v for k, v in change.items() if v == 1.0}
    other = prepare([curves[0], replace(curves[1], **change | columns), *curves[2:]], t21)
    assert len(other.light_curves) == N
    with pytest.raises(ConfigError, match=r"another run \(.*other light curves\)"):
        fit_survey(other, t21, OPTIONS, LAPLACE, TWO, tmp_path)


def test_another_bandpass_of_the_same_name_is_refused(prepared, t21, tmp_path, monkeypatch):
    monkeypatch.setattr(survey, "_fit_chunks", lambda *_: iter(()))
    fit_survey(prepared, t21, OPTIONS, LAPLACE, TWO, tmp_path)
    real = get_bandpass("ps1::r")
    try:
        register_bandpass(Bandpass("ps1::r", real.wave + 10, real.transmission))
        with pytest.raises(ConfigError, match="another run"):
            fit_survey(prepared, t21, OPTIONS, LAPLACE, TWO, tmp_path)
    finally:
        register_bandpass(real)


def test_scalars_keep_no_surface(prepared, t21, whole, tmp_path):
    settings = replace(TWO, keep="scalars")
    for _ in range(2):
        parts = fit_survey(prepared, t21, OPTIONS, LAPLACE, settings, tmp_path)
        found = join(parts, prepared)
        assert "epsilon" not in found.draws
        assert found.epsilon_dropped
        for name in found.draws:
            assert torch.equal(found.draws[name], whole.draws[name]), name
        with pytest.raises(ConfigError, match="ε were not kept"):
            found.light_curves([0.0], ["ps1::r"])
    held = join(fit_survey(prepared, t21, FitOptions(epsilon=False), LAPLACE, settings), prepared)
    assert not held.epsilon_dropped
    assert held.light_curves([0.0], ["ps1::r"], n=1).shape == (N, 1, 1, 1)


def test_draws_are_written_by_chunks_where_memory_would_not_hold_them(
    prepared, t21, whole, tmp_path
):
    for name, joined in (("small", N), ("large", N - 1)):
        parts = fit_survey(prepared, t21, OPTIONS, LAPLACE, TWO)
        summary, shown = write_products(parts, prepared, tmp_path / name, "out", joined)
        assert summary["object_id"].tolist() == whole.batch.object_id
        assert len(shown) == (N if name == "small" else 2)
    small, large = tmp_path / "small", tmp_path / "large"
    for file in ("summary.csv", "out.FITRES.TEXT"):
        assert (small / file).read_bytes() == (large / file).read_bytes()
    assert not (large / "posterior.nc").exists()
    files = sorted((large / "posterior").iterdir())
    assert [path.name for path in files] == [f"posterior_00000{i}.nc" for i in (0, 3, 4)]
    loaded = [Posterior.load(path) for path in files]
    assert [p.batch.object_id for p in loaded] == [
        ["SN000", "SN002"],
        ["SN003", "SN001"],
        ["SN004"],
    ]
    assert torch.equal(loaded[1].draws["ds"], whole.draws["ds"][[3, 1]])
    assert torch.equal(Posterior.load(small).draws["ds"], whole.draws["ds"])


@pytest.mark.parametrize(
    "settings",
    [{"chunk": 0}, {"chunk": 2.5}, {"chunk": "many"}, {"workers": 0}, {"keep": "nothing"}],
)
def test_settings_that_are_not_accepted(settings):
    ((name, value),) = settings.items()
    with pytest.raises(ConfigError, match=rf"{name}={value}: .*accepted"):
        SurveySettings(**settings)


def test_more_workers_make_smaller_chunks(prepared):
    assert [len(c) for c in survey._chunks(prepared, 256, 1)] == [5]
    assert [len(c) for c in survey._chunks(prepared, 256, 2)] == [3, 2]
    assert [len(c) for c in survey._chunks(prepared, 1, 2)] == [1] * 5


def test_progress_counts_what_an_earlier_run_has_done(monkeypatch):
    lines = io.StringIO()
    monkeypatch.setattr(survey.sys, "stderr", lines)
    clock = iter(range(0, 1000, 20))
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    bar = Bar([4, 4, 2], shown=True)
    bar.skip(0)
    with bar:
        bar.update(1, 0.5)
        bar.done(1)
        bar.done(2)
    said = lines.getvalue().splitlines()
    assert said[0].startswith("fitted 6 of 10, ")
    assert said[-1] == "fitted 10 of 10, 0 s left"


def test_progress_can_be_silent(prepared, t21, capfd):
    list(fit_survey(prepared.take([0]), t21, OPTIONS, LAPLACE, TWO))
    assert capfd.readouterr().err == ""


def test_processes_give_the_same_draws(curves, t21, tmp_path, monkeypatch):
    """Also where a band and its magnitude system are known in this process only."""
    from sntorch.physics.standards import register_standard

    real = get_bandpass("ps1::i")
    wave = np.linspace(3000.0, 20000.0, 500)
    register_standard("flat_test_standard", wave, np.full(500, 1e-9))
    own = Bandpass("own::i", real.wave + 5.0, real.transmission, "flat_test_standard", 1.0)
    monkeypatch.setitem(_registry().bands, own.name, own)
    fourth = replace(curves[4], bands=("ps1::g", "own::i", "ps1::r", "ps1::z"))
    found = prepare([*curves[:4], fourth], t21, Preparation(min_observations=3))
    sizes = {1: survey._chunks(found, 3, 1), 2: survey._chunks(found, 256, 2)}
    assert sizes[1] == sizes[2]
    runs = [
        join(fit_survey(found, t21, OPTIONS, LAPLACE, settings, folder), found)
        for settings, folder in (
            (SurveySettings(chunk=3, progress=False), tmp_path / "one"),
            (SurveySettings(workers=2, progress=False), tmp_path / "two"),
        )
    ]
    same(*runs)
    signatures = [
        json.loads((tmp_path / k / "signature.json").read_text()) for k in ("one", "two")
    ]
    assert signatures[0] == signatures[1]


class Deadly:
    """Ends the process that unpickles it."""

    def __reduce__(self):
        return os._exit, (1,)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("thing", "error", "words"),
    [(None, AttributeError, "light_curves"), (Deadly(), ConfigError, "finished chunks are kept")],
)
def test_an_error_in_a_process_loses_no_finished_chunk(
    prepared, t21, whole, tmp_path, monkeypatch, thing, error, words
):
    real = survey._task

    def task(sed, prepared, options, settings, number):
        made = real(sed, prepared, options, settings, number)
        return replace(made, prepared=thing) if number == 2 else made

    bystander = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(100,))
    bystander.start()
    settings = replace(TWO, workers=2)
    with monkeypatch.context() as patch:
        patch.setattr(survey, "_task", task)
        with pytest.raises(error, match=words):
            list(fit_survey(prepared, t21, OPTIONS, LAPLACE, settings, tmp_path))
    assert bystander.is_alive()
    bystander.terminate()
    bystander.join()
    assert len(list(tmp_path.glob("chunk_*.safetensors"))) >= 1
    same(join(fit_survey(prepared, t21, OPTIONS, LAPLACE, settings, tmp_path), prepared), whole)
