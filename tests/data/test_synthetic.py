"""Generated objects of a sample train, and leak nothing of what is held out."""

from __future__ import annotations

import warnings
from dataclasses import replace

import pytest

from sntorch.data.classes import GroupClasses
from sntorch.data.datamodule import LightCurveDataModule
from sntorch.data.light_curve import LightCurves
from sntorch.data.provenance import parents, with_provenance
from sntorch.data.splits import write_split
from sntorch.errors import SntorchWarning
from sntorch.testing import example_batch

HELD_OUT = ("val", "test")


def real(n=40):
    curves = example_batch(n).to_light_curves()
    return LightCurves(
        replace(lc, type="Ic" if i % 4 == 0 else "Ia") for i, lc in enumerate(curves)
    )


def copy(lc, name, **origin):
    entries = {"synthetic": True, "parent_model": "Jitter", "seed": 1, **origin}
    return with_provenance(replace(lc, object_id=name), **entries)


def augmented(sample, **origin):
    """Every object beside a copy of it, as a rare class would have them."""
    marked = [with_provenance(lc, synthetic=False) for lc in sample]
    named = (origin or {"parent_object": lc.object_id} for lc in sample)
    made = [copy(lc, f"new_{lc.object_id}", **o) for lc, o in zip(sample, named, strict=True)]
    return LightCurves([*marked, *made])


def split_of(sample, **options):
    """Names by part, and the warnings that came with them."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", SntorchWarning)
        names = LightCurveDataModule(sample, **options).names()
    return names, [str(w.message) for w in told]


@pytest.mark.parametrize(
    "options",
    [
        {"split": (0.6, 0.2, 0.2), "seed": 3},
        {"split": (0.6, 0.2, 0.2), "stratify": False},
        {"fold": 1, "n_folds": 4},
        {"fold": 3, "n_folds": 4, "split": (0.7, 0.3, 0.0)},
    ],
)
def test_real_objects_are_split_as_if_alone_and_no_copy_of_a_held_out_one_trains(options):
    alone, _ = split_of(real(), **options)
    names, told = split_of(augmented(real()), **options)
    assert [names[part] for part in HELD_OUT] == [alone[part] for part in HELD_OUT]
    assert names["train"] == [*alone["train"], *(f"new_{name}" for name in alone["train"])]
    n = sum(len(alone[part]) for part in HELD_OUT)
    assert len(told) == 1
    assert told[0].startswith(f"{n} of 40 synthetic objects, new_sn")


def test_the_order_of_the_file_and_classes_of_copies_alone_change_nothing():
    options = {"split": (0.6, 0.2, 0.2), "seed": 3}
    sample = [replace(lc, type="Ib") if "new_" in lc.object_id else lc for lc in augmented(real())]
    alone, _ = split_of(real(), **options)
    names, _ = split_of(LightCurves(sample[40:] + sample[:40]), **options)
    assert [names[part] for part in HELD_OUT] == [alone[part] for part in HELD_OUT]


def test_a_split_file_is_kept_to_and_need_not_name_generated_objects(tmp_path):
    given = {"train": ["sn0", "sn3"], "val": ["sn1"], "test": ["sn2", "gone"]}
    write_split(tmp_path / "s.csv", given)
    sample = [*augmented(real(5)), copy(real(1)[0], "lost", parent_object="gone")]
    names, told = split_of(LightCurves(sample), split_file=tmp_path / "s.csv")
    # sn4 is for nothing, so that its copy is no leak.
    assert names["train"] == ["sn0", "sn3", "new_sn0", "new_sn3", "new_sn4"]
    assert (names["val"], names["test"]) == (["sn1"], ["sn2"])
    assert told[0].startswith("3 of 6 synthetic objects, new_sn1 the first, are left out")


def test_a_split_file_cannot_make_a_generated_object_a_test_object(tmp_path):
    write_split(tmp_path / "s.csv", {"train": ["sn0"], "val": [], "test": ["sn1", "new_sn0"]})
    names, told = split_of(augmented(real(2)), split_file=tmp_path / "s.csv")
    assert names == {"train": ["sn0"], "val": [], "test": ["sn1"]}
    assert told[0].startswith("2 of 2 synthetic objects")


def test_a_split_that_was_written_gives_the_same_parts_again(tmp_path):
    names, _ = split_of(augmented(real()), seed=5)
    write_split(tmp_path / "s.csv", names)
    assert split_of(augmented(real()), split_file=tmp_path / "s.csv")[0] == names


def test_one_of_several_parents_is_enough_also_by_way_of_another_copy(tmp_path):
    write_split(tmp_path / "s.csv", {"train": ["sn0", "sn1"], "val": [], "test": ["sn2"]})
    lc = real(1)[0]
    made = [
        copy(lc, "good", parent_object="sn0, sn1"),
        copy(lc, "bad", parent_object="sn0, sn2"),
        copy(lc, "worse", parent_object="bad;sn1"),
    ]
    names, told = split_of(LightCurves([*real(3), *made]), split_file=tmp_path / "s.csv")
    assert names["train"] == ["sn0", "sn1", "good"]
    assert told[0].startswith("2 of 3")


def test_parents_are_read_whole_and_one_by_one():
    lc = real(1)[0]
    assert parents(lc) == frozenset()
    assert parents(copy(lc, "a", parent_object="SN 2011fe")) == {"SN 2011fe"}
    assert parents(copy(lc, "a", parent_object="a;b, c")) == {"a;b, c", "a", "b", "c"}


def test_objects_of_unknown_parents_train_and_are_told_of(tmp_path):
    sample = augmented(real(), parent_model="GAN")
    names, told = split_of(sample, seed=1)
    assert len(names["train"]) == len(split_of(real(), seed=1)[0]["train"]) + 40
    assert len(told) == 1
    assert "40 of 40 synthetic objects, new_sn0 the first, do not say" in told[0]
    assert "data.split_file" in told[0]
    write_split(tmp_path / "s.csv", names)
    assert split_of(sample, split_file=tmp_path / "s.csv") == (names, [])
    assert split_of(sample, split=(1.0, 0.0, 0.0))[1] == []


def test_generated_objects_alone_are_split_as_real_ones_are():
    made = augmented(real())[40:]
    unmarked = made.map(lambda lc: replace(lc, meta={}))
    assert split_of(made, seed=2) == split_of(unmarked, seed=2)


def test_trained_on_generated_and_tested_on_real_ones():
    made = augmented(real())[40:]
    test = real()[:10]
    names, told = split_of(made, test=test, split=(1.0, 0.0, 0.0))
    assert names["train"] == [f"new_sn{i}" for i in range(10, 40)]
    assert names["test"] == [lc.object_id for lc in test]
    assert told[0].startswith("10 of 40 synthetic objects")
    # Real ones in the same file, all of them held out.
    names, _ = split_of(augmented(real(), parent_object="other"), split=(0.0, 0.5, 0.5))
    assert names["train"] == [lc.object_id for lc in made]


def test_a_separate_sample_for_scores_keeps_its_real_objects():
    options = {"split": (1.0, 0.0, 0.0)}
    names, told = split_of(real(20), test=augmented(real()[20:]), **options)
    assert names["test"] == [f"sn{i}" for i in range(20, 40)]
    assert told == [
        "test sample: 20 synthetic objects are left out; only the 20 real ones are scored on"
    ]
    # Trained on real, tested on generated.
    made = augmented(real())[40:]
    assert split_of(real(20), test=made, **options) == (
        {
            "train": [f"sn{i}" for i in range(20)],
            "val": [],
            "test": [lc.object_id for lc in made],
        },
        [],
    )


@pytest.mark.filterwarnings("ignore:.*synthetic objects:sntorch.errors.SntorchWarning")
def test_transforms_and_classes_are_the_same_for_both_kinds():
    groups = GroupClasses({"Ia": ["Ia"]}, unknown="drop")
    data = LightCurveDataModule(augmented(real()), transform=groups, seed=4)
    alone = LightCurveDataModule(real(), transform=groups, seed=4)
    assert data.test_batch().object_id == alone.test_batch().object_id
    train = data.train_batch()
    assert (train.classes, set(train.label.tolist())) == (("Ia",), {0})
    assert len(train) == 2 * len(alone.train_batch())
