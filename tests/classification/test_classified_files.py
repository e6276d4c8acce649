"""Files of any size: streamed in, streamed out, complete or not there."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from small_classifiers import labelled, small

from sntorch.classification import Classifier, streaming
from sntorch.data.io import parquet, write
from sntorch.errors import ConfigError, DataError, SntorchWarning


@pytest.fixture(scope="module")
def classifier():
    return Classifier([small()])


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    """A Parquet file of twelve objects."""
    path = tmp_path_factory.mktemp("survey") / "sn.parquet"
    write(labelled().to_light_curves(), path)
    return path


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_a_file_has_what_predict_returns(suffix, classifier, survey, tmp_path, monkeypatch):
    monkeypatch.setattr(streaming, "ROWS", 10)
    seen = []
    out = tmp_path / f"p.{suffix}"
    options = {"epochs": [0, 10], "batch_size": 5}
    n = classifier.predict_files(
        survey, out, progress=lambda done, total: seen.append((done, total)), **options
    )
    assert n == 12
    assert seen == [(5, 12), (10, 12), (12, 12)]
    found = pd.read_parquet(out) if suffix == "parquet" else pd.read_csv(out)
    pd.testing.assert_frame_equal(found, classifier.predict(survey, **options), rtol=1e-6)


def test_memory_holds_a_chunk_of_objects_only(classifier, survey, tmp_path, monkeypatch):
    """Objects that were read stay no more than a batch and a group of rows ahead."""
    monkeypatch.setattr(parquet, "ROW_GROUP", 2)
    ahead, n_read = [], [0]
    original = parquet._group

    def counted(*arguments):
        for lc in original(*arguments):
            n_read[0] += 1
            yield lc

    monkeypatch.setattr(parquet, "_group", counted)
    classifier.predict_files(
        survey,
        tmp_path / "p.parquet",
        batch_size=3,
        progress=lambda done, _: ahead.append(n_read[0] - done),
    )
    assert ahead == [0, 0, 0, 0]


@pytest.mark.parametrize("error", [KeyboardInterrupt, DataError])
def test_an_interrupted_run_leaves_the_former_file_and_nothing_else(
    error, classifier, survey, tmp_path
):
    out = tmp_path / "p.parquet"
    out.write_text("former")

    def stop(done, total):
        raise error

    with pytest.raises(error):
        classifier.predict_files(survey, out, batch_size=5, progress=stop)
    assert out.read_text() == "former"
    assert [p.name for p in tmp_path.iterdir()] == ["p.parquet"]


def test_other_formats_and_options_of_reading(classifier, survey, tmp_path):
    light_curves = labelled(4).to_light_curves()
    light_curves.write(tmp_path / "sn.ecsv")
    bad = light_curves[0].keep(np.ones(len(light_curves[0]), dtype=bool))
    bad.flux_err[0] = -1.0
    write([bad, *light_curves[1:]], tmp_path / "bad.parquet")
    assert classifier.predict_files(tmp_path / "sn.ecsv", tmp_path / "a.csv") == 4
    with pytest.warns(SntorchWarning, match="left out 1 of 4"):
        n = classifier.predict_files(tmp_path / "bad.parquet", tmp_path / "b.csv")
    assert n == 3
    with pytest.raises(DataError, match="flux_err"):
        classifier.predict_files(tmp_path / "bad.parquet", tmp_path / "c.csv", strict=True)
    assert not (tmp_path / "c.csv").exists()


def test_what_cannot_be_written_or_read(classifier, survey, tmp_path):
    with pytest.raises(ConfigError, match=r"p.txt: a file ending in .parquet or .csv"):
        classifier.predict_files(survey, tmp_path / "p.txt")
    with pytest.raises(DataError, match="no such file"):
        classifier.predict_files(tmp_path / "none.parquet", tmp_path / "p.csv")
    write(labelled(3, ("ztfg", "ztfr", "ztfi")).to_light_curves(), tmp_path / "ztf.parquet")
    with pytest.raises(DataError, match="light curves in ztfg, ztfi, ztfr; this classifier"):
        classifier.predict_files(tmp_path / "ztf.parquet", tmp_path / "p.csv")
    assert not (tmp_path / "p.csv").exists()
