"""The verb ``classify``, and ``train`` and ``publish`` for classifiers."""

from __future__ import annotations

import json
import signal
import time
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import running
import torch

from sntorch.classification import Classifier, ClassifierModule
from sntorch.classification.early import WHOLE
from sntorch.classification.evaluate.report import evaluate_classifier
from sntorch.classification.predictions import Predictions
from sntorch.cli import classify as verb
from sntorch.cli import publish, train
from sntorch.data.io import write
from sntorch.data.light_curve import LightCurves
from sntorch.data.splits import read_split
from sntorch.pretrained import model_sha256
from sntorch.simulation.testing import example_batch

run_here = partial(running.run_here, verb)
BANDS = ("desg", "desr", "desi")


def two_classes(n=40, bands=BANDS):
    light_curves = example_batch(n=n, bands=bands).to_light_curves()
    for i, lc in enumerate(light_curves):
        lc.type = ("Ia", "IIP")[i % 2]
    return light_curves


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with light curves and a run of one epoch on them."""
    folder = tmp_path_factory.mktemp("classify")
    write(two_classes(), folder / "sn.parquet")
    size = ["model.network.width=16", "model.network.n_layers=1", "model.network.n_heads=2"]
    arguments = ["data=files", "model=classifier/transformer", "callbacks=classifier"]
    arguments += ["files=sn.parquet", "task=small", "debug=tiny", *size]
    assert running.run_here(train, arguments, folder) == 0
    return folder


def error_of(capsys):
    lines = [line for line in capsys.readouterr().err.splitlines() if line]
    assert len(lines) == 1, lines
    return lines[0]


def test_training_writes_its_split_and_its_scores(trained):
    (run,) = (trained / "outputs" / "small").iterdir()
    parts = read_split(run / "split.csv")
    assert {*parts.values()} == {"train", "val", "test"}
    assert {*parts} == {lc.object_id for lc in two_classes()}
    metrics = json.loads((run / "metrics.json").read_text())
    assert {"val/loss", "val/accuracy", "val/auc"} <= {*metrics}


def test_a_split_of_another_run_and_a_fold_and_joined_classes(trained, tmp_path):
    (run,) = (trained / "outputs" / "small").iterdir()
    common = ["data=files", "model=classifier/transformer", "callbacks=classifier", "debug=tiny"]
    common += [f"files={trained / 'sn.parquet'}"]
    group = "data.transform._target_=sntorch.data.classes.GroupClasses"
    joined = [f"+{group}", "+data.transform.groups={Ia:[Ia],other:['*']}"]
    given = [*common, *joined, "task=given", f"data.split_file={run / 'split.csv'}"]
    assert running.run_here(train, given, tmp_path) == 0
    (again,) = (tmp_path / "outputs" / "given").iterdir()
    assert read_split(again / "split.csv") == read_split(run / "split.csv")
    assert Classifier.from_pretrained(again).classes == ("Ia", "other")
    assert running.run_here(train, [*common, "task=fold", "data.fold=1"], tmp_path) == 0
    (fold,) = (tmp_path / "outputs" / "fold").iterdir()
    assert list(read_split(fold / "split.csv").values()).count("test") == 8


def test_probabilities_of_files(trained, tmp_path, capsys):
    common = f"ckpt={trained / 'outputs'}", f"files={trained / 'sn.parquet'}"
    assert run_here([*common, "out=p.parquet"], tmp_path) == 0
    assert "p.parquet: 40 light curves as IIP, Ia, classified in" in capsys.readouterr().out
    found = pd.read_parquet(tmp_path / "p.parquet")
    classifier = Classifier.from_pretrained(trained / "outputs")
    pd.testing.assert_frame_equal(found, classifier.predict(two_classes()), rtol=1e-5)
    options = ["epochs=[0,10]", "samples=3", "seed=4", "out=p.csv", "batch_size=64"]
    assert run_here([*common, *options], tmp_path) == 0
    found = pd.read_csv(tmp_path / "p.csv")
    want = classifier.predict(two_classes(), [0, 10], samples=3, seed=4)
    pd.testing.assert_frame_equal(found, want, rtol=1e-5)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["p.csv", "p.parquet"]


@pytest.mark.parametrize("kind", ["snana", "sncosmo", "csv", "snana_fits"])
def test_formats_that_are_read(kind, trained, tmp_path):
    name = {"snana": "sn", "sncosmo": "sn.ecsv", "csv": "sn.csv", "snana_fits": "sn_HEAD.FITS"}
    light_curves = two_classes(4)
    for lc in light_curves:
        lc.survey = "DES"
    write(light_curves, tmp_path / name[kind], format=kind)
    common = f"ckpt={trained / 'outputs'}", f"files={name[kind]}", "out=p.csv", "survey=DES"
    assert run_here([*common], tmp_path) == 0
    table = pd.read_csv(tmp_path / "p.csv", dtype={"object_id": str})
    assert table["object_id"].tolist() == [lc.object_id for lc in light_curves]
    assert table["p_Ia"].between(0, 1).all()


def test_an_ensemble_of_a_run_and_a_folder(trained, tmp_path):
    (module,) = Classifier.from_pretrained(trained / "outputs").members
    module.save_pretrained(tmp_path / "saved")
    several = f"ckpt=[{trained / 'outputs'},saved]"
    assert run_here([several, f"files={trained / 'sn.parquet'}", "out=p.csv"], tmp_path) == 0
    np.testing.assert_allclose(pd.read_csv(tmp_path / "p.csv")["sd_Ia"], 0, atol=1e-9)


def test_objects_in_other_bands_are_told_in_one_line(trained, tmp_path, capsys):
    foreign = two_classes(2, ("ztfg", "ztfr", "ztfi"))
    for lc in foreign:
        lc.object_id += "z"
    write(LightCurves([*two_classes(4), *foreign]), tmp_path / "mixed.parquet")
    common = f"ckpt={trained / 'outputs'}", "out=p.csv"
    assert run_here([*common, "files=mixed.parquet"], tmp_path) == 0
    assert "2 of 6 light curves have no observation in desg, desr, desi" in error_of(capsys)
    assert pd.read_csv(tmp_path / "p.csv")["p_Ia"].isna().sum() == 2


def test_what_cannot_be_done_is_one_line(trained, tmp_path, capsys):
    write(two_classes(4, ("ztfg", "ztfr", "ztfi")), tmp_path / "ztf.parquet")
    (tmp_path / "broken.ckpt").write_bytes(b"PK half a file")
    good = {"ckpt": trained / "outputs", "files": trained / "sn.parquet", "out": "p.csv"}
    cases = {
        "light curves in ztfg, ztfi, ztfr; this classifier knows desg": {"files": "ztf.parquet"},
        "nowhere: no such file or folder": {"files": "nowhere"},
        "nowhere: no checkpoint there": {"ckpt": "nowhere"},
        "broken.ckpt: damaged": {"ckpt": "broken.ckpt"},
        "p.fits: a file ending in .parquet or .csv": {"out": "p.fits"},
        "epochs=soon: days are accepted": {"epochs": "soon"},
        "samples=-1: a whole number of at least 0": {"samples": -1},
        "since=birth: accepted are trigger, peak": {"since": "birth"},
        "no weights were collected for SWAG": {"samples": 2, "sample_by": "swag"},
        "device=tpu: accepted here are auto, cpu": {"device": "tpu"},
        "files= is needed": {"files": "???"},
    }
    for message, changes in cases.items():
        arguments = [f"{k}={v}" for k, v in {**good, **changes}.items()]
        assert run_here(arguments, tmp_path) == 2, message
        assert message in error_of(capsys)
        assert not (tmp_path / "p.csv").exists()


def test_ctrl_c_leaves_nothing_half_written(trained, tmp_path):
    many = two_classes(3000)
    write(many, tmp_path / "many.parquet")
    program = ["-m", "sntorch.cli.main", "classify"]
    arguments = [f"ckpt={trained / 'outputs'}", "files=many.parquet", "out=p.parquet"]
    process = running.start(
        *arguments, "batch_size=1", "samples=50", program=program, cwd=tmp_path
    )
    for _ in range(2400):
        if any(p.name.startswith(".p.parquet") for p in tmp_path.iterdir()):
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=240)
    assert process.returncode == 130, err
    assert err.splitlines()[-1] == "sntorch: interrupted"
    assert [p.name for p in tmp_path.iterdir()] == ["many.parquet"]


def scored(module, path, folder):
    """The scores of a classifier as ``evaluate`` writes them."""
    batch = two_classes().to_batch(bands=module.bands)
    predictions = Predictions.of(batch, module.logits(batch).softmax(1), module.classes)
    metrics = evaluate_classifier({WHOLE: predictions}, n_resamples=3)
    metrics["model_sha256"] = model_sha256(path)
    (folder / "metrics.json").write_text(json.dumps(metrics))
    return metrics


def test_a_classifier_is_published_with_its_card(trained, tmp_path, capsys):
    checkpoint = next((trained / "outputs").rglob("last.ckpt"))
    module = ClassifierModule.from_checkpoint(checkpoint)
    metrics = scored(module, checkpoint, tmp_path)
    arguments = [f"ckpt={checkpoint}", "metrics=metrics.json", "out=card"]
    assert running.run_here(publish, arguments, tmp_path) == 0
    assert "ClassifierModule with scores" in capsys.readouterr().out
    card = (tmp_path / "card" / "README.md").read_text()
    accuracy = metrics["scores"]["accuracy"]
    assert f"| accuracy | {accuracy['value']:.3f} | {accuracy['low']:.3f} to" in card
    again = Classifier.from_pretrained(tmp_path / "card").predict(two_classes())
    want = Classifier.from_pretrained(Path(checkpoint)).predict(two_classes())
    pd.testing.assert_frame_equal(again, want)
    arguments[-1] = "out=other"
    metrics["model_sha256"] = "another"
    (tmp_path / "metrics.json").write_text(json.dumps(metrics))
    assert running.run_here(publish, arguments, tmp_path) == 2
    assert "holds the scores of another model" in error_of(capsys)
    (tmp_path / "metrics.json").write_text(json.dumps({"n": 1}))
    assert running.run_here(publish, arguments, tmp_path) == 2
    assert "has no positive, redshift, scores, per_class" in error_of(capsys)


def test_swag_is_collected_by_a_training_and_used(trained, tmp_path):
    size = ["model.network.width=16", "model.network.n_layers=1", "model.network.n_heads=2"]
    arguments = ["data=files", "model=classifier/transformer", "callbacks=swag", *size]
    arguments += [f"files={trained / 'sn.parquet'}", "trainer.max_epochs=4", "task=swag"]
    arguments += ["callbacks.swag.rank=3", "trainer.check_val_every_n_epoch=4"]
    assert running.run_here(train, arguments, tmp_path) == 2
    assert running.run_here(train, [*arguments, "model.schedule=constant"], tmp_path) == 0
    (module,) = Classifier.from_pretrained(tmp_path / "outputs" / "swag").members
    assert int(module.swag.count) == 2
    common = "ckpt=outputs/swag", f"files={trained / 'sn.parquet'}", "samples=4", "out=p.csv"
    assert run_here([*common], tmp_path) == 0
    assert (pd.read_csv(tmp_path / "p.csv")["sd_Ia"] > 0).all()
    assert torch.isfinite(module.swag.mean).all()
