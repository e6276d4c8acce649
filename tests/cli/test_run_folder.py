"""Trainings that were refused leave no folder behind, and nothing else is ever removed."""

from __future__ import annotations

import time

import pytest
from running import run_here

from sntorch.cli import train
from sntorch.cli.run_folder import NAMED, discard
from sntorch.testing import example_batch

NOW = time.strftime(NAMED)


def filled(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    return folder


BEGINNING = (".hydra/config.yaml", "train.log", "split.csv", "tensorboard/events.1")


def test_a_folder_of_this_run_without_results_is_removed(tmp_path):
    assert discard(filled(tmp_path / NOW, *BEGINNING))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "more"),
    [
        (NOW, "checkpoints/last.ckpt"),
        (NOW, "metrics.json"),
        (NOW, "notes.txt"),
        ("mine", "train.log"),
        ("2020-01-01_00-00-00", "train.log"),
    ],
    # The time in a name would differ between processes that run tests together.
    ids=["trained", "scored", "noted", "named", "older"],
)
def test_other_folders_stay(tmp_path, name, more):
    folder = filled(tmp_path / name, *BEGINNING, more)
    assert not discard(folder)
    assert all((folder / path).is_file() for path in (*BEGINNING, more))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["files=nowhere"], "nowhere: no such file"),
        (["files=sn.parquet", "model.start_from=nothing"], "nothing: no checkpoint there"),
        (["files=sn.parquet", "model.conditions=[colour]"], "condition 'colour'"),
        (["files=sn.parquet", "trainer.max_epochs=abc"], "trainer.max_epochs=abc: a whole number"),
        (["files=sn.parquet", "model.learning_rate=-1"], "model.learning_rate=-1: a positive"),
        (["files=sn.parquet", "model.learning_rate=x"], "model.learning_rate=x: a number"),
    ],
)
def test_refused_trainings(tmp_path, arguments, words, capsys):
    example_batch(40).to_light_curves().write(tmp_path / "sn.parquet")
    assert run_here(train, ["data=files", "task=mine", *arguments], tmp_path) == 2
    assert words in capsys.readouterr().err.splitlines()[-1]
    assert not list((tmp_path / "outputs" / "mine").iterdir())
