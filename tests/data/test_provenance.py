"""Provenance survives in every format that promises so, and other tables stay as they were."""

from __future__ import annotations

from dataclasses import replace

import pyarrow.parquet as pq
import pytest

import sntorch
from sntorch.data.io import parquet
from sntorch.data.light_curve import LightCurves
from sntorch.data.provenance import PROVENANCE, is_synthetic, with_provenance
from sntorch.testing import example_batch

NEW = {
    "synthetic": True,
    "parent_model": 'Jitter(grey=0.3, "x"), sha256:00ff',
    "parent_object": "0012",
    "seed": 2**40,
}
FORMATS = ["a.parquet", "a.ecsv", "a.csv", "a.csv.gz"]


def mixed():
    real, new, other = example_batch(3).to_light_curves()
    return LightCurves(
        [
            with_provenance(real, synthetic=False),
            with_provenance(new, **NEW),
            with_provenance(other, synthetic=True, parent_model="GAN", seed=0),
        ]
    )


def provenance(lc):
    return {k: v for k, v in lc.meta.items() if k in PROVENANCE}


@pytest.mark.parametrize("name", FORMATS)
def test_entries_come_back_with_their_types(tmp_path, name):
    mixed().write(tmp_path / name)
    again = sntorch.read(tmp_path / name)
    assert list(again) == list(mixed())
    found = [provenance(lc) for lc in again]
    assert found == [
        {"synthetic": False},
        NEW,
        {"synthetic": True, "parent_model": "GAN", "seed": 0},
    ]
    assert [is_synthetic(lc) for lc in again] == [False, True, True]


@pytest.mark.parametrize("name", FORMATS)
def test_a_second_round_changes_nothing(tmp_path, name):
    mixed().write(tmp_path / name)
    sntorch.read(tmp_path / name).write(tmp_path / "second.parquet")
    again = sntorch.read(tmp_path / "second.parquet")
    assert [provenance(lc) for lc in again] == [provenance(lc) for lc in mixed()]


def test_tables_without_provenance_have_no_such_columns(tmp_path):
    plain = LightCurves(replace(lc, meta={"seed": 3}) for lc in example_batch(3).to_light_curves())
    plain.write(tmp_path / "a.parquet")
    plain.write(tmp_path / "a.csv")
    assert not set(PROVENANCE) & set(pq.read_schema(tmp_path / "a.parquet").names)
    assert "synthetic" not in (tmp_path / "a.csv").read_text()
    assert sntorch.read(tmp_path / "a.parquet")[0].meta == {"seed": 3}


@pytest.mark.parametrize("marked_first", [True, False])
def test_row_groups_have_the_same_columns(tmp_path, monkeypatch, marked_first):
    monkeypatch.setattr(parquet, "ROW_GROUP", 2)
    plain = [
        replace(lc, object_id=f"p{i}") for i, lc in enumerate(example_batch(3).to_light_curves())
    ]
    objects = [*mixed(), *plain] if marked_first else [*plain, *mixed()]
    LightCurves(objects).write(tmp_path / "a.parquet")
    again = sntorch.read(tmp_path / "a.parquet")
    assert [provenance(lc) for lc in again] == [provenance(lc) for lc in objects]
