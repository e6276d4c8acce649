"""Predictions are checked, chosen from, written and read back."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from judged import judged

from sntorch.classification.predictions import Predictions
from sntorch.errors import DataError
from sntorch.testing import example_batch


def test_written_and_read_back(tmp_path):
    rng = np.random.default_rng(0)
    given = judged(
        30, redshift=rng.random(30), n_observations=rng.integers(9, size=30), type=["IIP"] * 30
    )
    given.write(tmp_path / "new" / "predictions.parquet")
    found = Predictions.read(tmp_path / "new" / "predictions.parquet")
    assert list(found.object_id) == list(given.object_id)
    assert found.classes == given.classes
    assert found.snr is None
    assert found.type == ["IIP"] * 30
    np.testing.assert_array_equal(found.label, given.label)
    np.testing.assert_array_equal(found.redshift, given.redshift)
    np.testing.assert_allclose(found.probabilities, given.probabilities, rtol=1e-15)


def test_rows_are_brought_to_one_and_chosen_together():
    given = Predictions(
        ["a", "b", "c"], [[2, 2], [1, 3], [0, 5]], [0, -1, 1], ("Ia", "CC"), snr=[1, 2, 3]
    )
    np.testing.assert_allclose(given.probabilities.sum(1), 1)
    known = given.labelled()
    assert list(known.object_id) == ["a", "c"]
    assert known.snr.tolist() == [1, 3]
    assert given.counts.tolist() == [1, 1]
    assert given.score("CC").tolist() == [0.5, 0.75, 1]


def test_a_batch_gives_labels_in_the_classifiers_order():
    batch = example_batch()
    batch.classes, batch.label = ("II", "Ia"), torch.arange(len(batch)) % 2
    p = np.tile([0.7, 0.3], (len(batch), 1))
    found = Predictions.of(batch, p, ("Ia", "II"))
    assert found.label.tolist()[:2] == [1, 0]
    assert found.n_observations.tolist() == batch.n_observations.tolist()
    with pytest.raises(DataError, match="class II of the objects"):
        Predictions.of(batch, p, ("Ia", "Ibc"))


@pytest.mark.parametrize(
    ("probabilities", "label", "message"),
    [
        ([[0.5, 0.5]], [0, 1], "2 objects"),
        ([[0.5, np.nan], [1, 0]], [0, 1], "a: probabilities"),
        ([[0.5, 0.5], [0, 0]], [0, 1], "b: probabilities"),
        ([[0.5, 0.5], [1, 0]], [0, 2], "labels from 0 to 2"),
        ([[0.5, 0.5], [1, 0]], [0], "1 values of label"),
    ],
)
def test_what_cannot_be_is_refused(probabilities, label, message):
    with pytest.raises(DataError, match=message):
        Predictions(["a", "b"], np.array(probabilities), np.array(label), ("Ia", "CC"))


def test_another_file_is_refused_in_one_line(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"x": [1]}), tmp_path / "x.parquet")
    (tmp_path / "y.parquet").write_text("no")
    for name, message in (("x", "no table of predictions"), ("y", "not a readable")):
        with pytest.raises(DataError, match=message):
            Predictions.read(tmp_path / f"{name}.parquet")
