import numpy as np
import pytest

from sntorch.data.classes import GroupClasses
from sntorch.data.datamodule import LightCurveDataModule
from sntorch.data.splits import fold_split, given_split, read_split, write_split
from sntorch.errors import ConfigError, DataError
from sntorch.simulation.testing import example_batch


def labelled(kinds):
    batch = example_batch(n=len(kinds))
    classes = tuple(sorted(set(kinds) - {""}))
    batch.classes = classes
    for i, kind in enumerate(kinds):
        batch.label[i] = classes.index(kind) if kind else -1
    return batch


def test_a_written_split_is_read_back(tmp_path):
    names = {"train": ["a", "b"], "val": ["c"], "test": ["d"]}
    write_split(tmp_path / "split.csv", names)
    parts = read_split(tmp_path / "split.csv")
    assert parts == {"a": "train", "b": "train", "c": "val", "d": "test"}
    pieces = given_split(["d", "x", "a", "c"], parts, "split.csv")
    assert [piece.tolist() for piece in pieces] == [[2], [3], [0]]


def test_words_of_another_program(tmp_path):
    path = tmp_path / "their.csv"
    path.write_text("SNID,part\n7,0\n8,2\n9,-1\n")
    parts = read_split(path, "SNID", "part", {"train": [0], "val": [1], "test": [2]})
    assert parts == {"7": "train", "8": "test"}


def test_split_files_that_are_none(tmp_path):
    path = tmp_path / "split.csv"
    path.write_text("object_id,part\na,train\na,test\n")
    with pytest.raises(DataError, match="a stands in it more than once"):
        read_split(path)
    with pytest.raises(DataError, match="no column SNID; found object_id, part"):
        read_split(path, "SNID")
    with pytest.raises(DataError, match="not readable"):
        read_split(tmp_path / "missing.csv")
    with pytest.raises(DataError, match="none of the 1 objects"):
        given_split(["z"], {"a": "train"}, "split.csv")
    with pytest.raises(DataError, match="same name"):
        given_split(["a", "a"], {"a": "train"}, "split.csv")


def test_folds_hold_every_object_once_and_every_class():
    label = np.repeat([0, 1, 2], [40, 11, 5])
    tests = []
    for fold in range(5):
        train, val, test = fold_split(label, fold, 5, 0.1, seed=3)
        assert sorted([*train, *val, *test]) == list(range(len(label)))
        assert set(label[test]) == {0, 1, 2}
        tests += test.tolist()
    assert sorted(tests) == list(range(len(label)))
    with pytest.raises(ConfigError, match="fold 5 of 5"):
        fold_split(label, 5, 5, 0.1, seed=3)


def test_a_data_module_keeps_to_a_given_split(tmp_path):
    batch = labelled(["Ia", "IIP"] * 6)
    names = {"train": ["sn0", "sn3"], "val": ["sn1"], "test": ["sn2", "sn5"]}
    write_split(tmp_path / "s.csv", names)
    data = LightCurveDataModule(batch, split_file=tmp_path / "s.csv")
    assert data.names() == names
    assert len(LightCurveDataModule(batch, fold=1, n_folds=3).test_batch()) == 4
    with pytest.raises(ConfigError, match="two ways to split"):
        LightCurveDataModule(batch, split_file=tmp_path / "s.csv", fold=0)


def test_classes_are_joined_along_the_tree():
    batch = labelled(["Ia", "IIP", "Ib", "Ia-91bg", "TDE", ""] * 2)
    groups = {"SN Ia": ["Ia"], "core collapse": ["CC"]}
    with pytest.raises(DataError, match=r"4 objects .* \(none\), TDE .* unknown=drop"):
        GroupClasses(groups)(batch)
    joined = GroupClasses(groups, unknown="drop")(batch)
    assert joined.classes == ("SN Ia", "core collapse")
    assert joined.label.tolist() == [0, 1, 1, 0] * 2
    assert joined.object_id[:4] == ["sn0", "sn1", "sn2", "sn3"]
    rest = GroupClasses({"normal": ["Ia"], "other": ["*"]}, unknown="drop")(batch)
    assert rest.label.tolist() == [0, 1, 1, 0, 1] * 2


def test_groups_that_are_none():
    with pytest.raises(ConfigError, match="one group only"):
        GroupClasses({"a": ["*"], "b": ["*"]})
    with pytest.raises(ConfigError, match="refuse or drop"):
        GroupClasses({"a": ["Ia"]}, unknown="keep")
