"""``sntorch evaluate task=classifier``: its numbers are those of the published probabilities."""

from __future__ import annotations

import json
from functools import partial

import numpy as np
import pandas as pd
import pytest
import running
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score

from sntorch.cli import classify, evaluate, publish, train
from sntorch.data.io import write
from sntorch.data.light_curve import LightCurves
from sntorch.data.splits import read_split
from sntorch.simulation.testing import example_batch

run_here = partial(running.run_here, evaluate)
SMALL = ["model.network.width=16", "model.network.n_layers=1", "model.network.n_heads=2"]
TRAIN = ["data=files", "model=classifier/transformer", "callbacks=classifier", "debug=tiny"]


def left_out(kind, n=12):
    """Objects of a class that no run has seen."""
    light_curves = two_classes(n, (kind, kind))
    for lc in light_curves:
        lc.object_id = f"other_{lc.object_id}"
    return light_curves


def two_classes(n=40, types=("Ia", "IIP")):
    light_curves = example_batch(n=n, bands=("desg", "desr", "desi")).to_light_curves()
    for i, lc in enumerate(light_curves):
        lc.type = types[i % 2]
    return light_curves


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with light curves, a run on them and its evaluation beside boosted trees, also on
    a class that the run has not seen.
    """
    folder = tmp_path_factory.mktemp("evaluate_classifier")
    write(two_classes(), folder / "sn.parquet")
    write(left_out("TDE"), folder / "tde.parquet")
    arguments = [*TRAIN, *SMALL, "data.split=[0.4,0.2,0.4]", f"files={folder / 'sn.parquet'}"]
    assert running.run_here(train, arguments, folder) == 0
    arguments = [*asked(folder), "baseline=histogram", "out=report", "held_out_classes=TDE"]
    arguments.append(f"held_out_files={folder / 'tde.parquet'}")
    assert run_here(arguments, folder) == 0
    return folder


def asked(folder):
    return ["task=classifier", f"ckpt={folder / 'outputs'}", "bootstrap=5"]


def metrics_of(folder):
    return json.loads((folder / "metrics.json").read_text())


def test_scores_are_those_of_the_published_probabilities(trained, tmp_path):
    metrics = metrics_of(trained / "report")
    ckpt = f"ckpt={trained / 'outputs'}"
    arguments = [ckpt, f"metrics={trained / 'report'}", "out=model"]
    assert running.run_here(publish, arguments, tmp_path) == 0
    assert (
        f"temperature {metrics['temperature']:.3f}" in (tmp_path / "model/README.md").read_text()
    )
    arguments = ["ckpt=model", f"files={trained / 'sn.parquet'}", "out=p.parquet"]
    assert running.run_here(classify, [*arguments], tmp_path) == 0
    (split,) = (trained / "outputs").rglob("split.csv")
    parts = read_split(split)
    table = pd.read_parquet(tmp_path / "p.parquet")
    table = table[[parts[name] == "test" for name in table["object_id"]]]
    types = {lc.object_id: lc.type for lc in two_classes()}
    is_ia = np.array([types[name] == "Ia" for name in table["object_id"]])
    p_ia = table["p_Ia"].to_numpy()
    found = {name: score["value"] for name, score in metrics["scores"].items()}
    assert metrics["n"]["objects"] == len(table) == 16
    assert found["accuracy"] == pytest.approx(accuracy_score(is_ia, p_ia > 0.5))
    assert found["roc_auc"] == pytest.approx(roc_auc_score(is_ia, p_ia))
    assert found["log_loss"] == pytest.approx(log_loss(is_ia, p_ia), rel=1e-5)
    assert metrics["temperature"] != 1


def test_the_report_has_its_tables_and_figures(trained):
    report, metrics = trained / "report", metrics_of(trained / "report")
    assert metrics["positive"] == "Ia"
    assert metrics["redshift"] == "none"
    assert {*metrics["foreign"]} == {"random", "shuffled", "reversed", "sine", "TDE"}
    scores = pd.read_csv(report / "tables" / "scores.csv").set_index("score")
    assert scores.loc["accuracy", "value"] == metrics["scores"]["accuracy"]["value"]
    assert scores.loc["accuracy", "boosted trees"] == pytest.approx(
        metrics["others"]["boosted trees"]["scores"]["accuracy"]
    )
    days = pd.read_csv(report / "tables" / "epochs.csv").groupby("reference")["days"]
    assert sorted(days.get_group("trigger"))[:3] == [0, 2, 5]
    assert -7 in [*days.get_group("peak")]
    names = {path.stem for path in (report / "figures").glob("*.png")}
    assert {"confusion", "reliability", "roc", "since_trigger", "since_peak"} <= names
    page = (report / "report.html").read_text()
    assert page.count("data:image/png") == len(names)
    assert "boosted trees" in page


def test_without_a_baseline_and_with_a_class_of_choice(trained, tmp_path, capsys):
    assert run_here([*asked(trained), "baseline=none", "positive=IIP", "out=r"], tmp_path) == 0
    out = capsys.readouterr().out
    assert "binary scores are of IIP against the rest" in out
    assert "r/report.html" in out
    metrics = metrics_of(tmp_path / "r")
    assert metrics["others"] == {}
    before = metrics_of(trained / "report")["scores"]
    assert metrics["scores"]["roc_auc"]["value"] == pytest.approx(before["roc_auc"]["value"])


def test_trees_learn_early_light_curves_unless_told_otherwise(trained, tmp_path):
    whole = [*asked(trained), "baseline_epochs=[]", "out=r"]
    assert run_here(whole, tmp_path) == 0
    early, late = metrics_of(trained / "report"), metrics_of(tmp_path / "r")
    assert early["scores"] == late["scores"]
    assert early["others"]["boosted trees"] != late["others"]["boosted trees"]


def test_what_cannot_be_scored_is_one_line(trained, tmp_path, capsys):
    other = tmp_path / "other.parquet"
    write(two_classes(types=("Ia", "Ibc")), other)
    write(two_classes(), tmp_path / "sn.parquet")
    whole = [*TRAIN, *SMALL, "data.split=[0.8,0.2,0]", "files=sn.parquet", "task=whole"]
    assert running.run_here(train, whole, tmp_path) == 0
    capsys.readouterr()
    cases = {
        "positive=Ibc: accepted are IIP, Ia": "positive=Ibc",
        "baseline=forest: accepted are none, lightgbm, histogram": "baseline=forest",
        "baseline_epochs=True: a list of days": "baseline_epochs=true",
        "its run held out no test objects": "ckpt=outputs/whole",
        "light curves of the classes Ia, Ibc; this classifier knows IIP, Ia": f"files={other}",
    }
    for message, change in cases.items():
        arguments = [*asked(trained), "out=r", change]
        if change.startswith("ckpt"):
            arguments = ["task=classifier", "out=r", change]
        assert run_here(arguments, tmp_path) == 2, message
        (line,) = [line for line in capsys.readouterr().err.splitlines() if line]
        assert message in line
        assert not (tmp_path / "r").exists()


def test_doubt_about_a_class_that_was_left_out(trained):
    from sntorch.checkpoints import find_checkpoint
    from sntorch.classification import ClassifierModule

    metrics = metrics_of(trained / "report")
    module = ClassifierModule.from_checkpoint(find_checkpoint(trained / "outputs"))
    (split,) = (trained / "outputs").rglob("split.csv")
    parts = read_split(split)

    def doubt(light_curves):
        batch = LightCurves(light_curves).to_batch(bands=module.bands)
        p = (module.logits(batch) / metrics["temperature"]).softmax(-1).double().numpy()
        return -(p * np.log(p)).sum(1)

    ours = doubt(lc for lc in two_classes() if parts[lc.object_id] == "test")
    theirs = doubt(left_out("TDE"))
    truth = np.repeat([0, 1], [len(ours), len(theirs)])
    want = roc_auc_score(truth, np.concatenate([ours, theirs]))
    # A classifier of one tiny epoch doubts everything nearly equally: the last bits of two batches
    # decide single pairs of 192.
    assert metrics["foreign"]["TDE"] == pytest.approx(want, abs=0.02)
    table = pd.read_csv(trained / "report/tables/foreign.csv")
    by_kind = dict(zip(table["kind"], table["entropy_auroc"], strict=True))
    assert by_kind["TDE"] == pytest.approx(metrics["foreign"]["TDE"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("held_out_classes=[Ia]", "held_out_classes=['Ia']: the classifier knows IIP, Ia"),
        (
            "held_out_classes=[KN]",
            "no light curve of class KN; there are those of IIP, Ia; held_out_files",
        ),
        ("held_out_classes=CC", "12 objects of class CC, sn1 the first, were trained on"),
        ("held_out_files=sn.parquet", "say of which held_out_classes="),
    ],
)
def test_a_class_that_was_not_held_out_is_one_line(trained, tmp_path, capsys, change, message):
    assert run_here([*asked(trained), "out=r", change], tmp_path) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line]
    assert message in line
    assert not (tmp_path / "r").exists()
