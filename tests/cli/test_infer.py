"""``sntorch infer`` on a table of SALT fits, and what it refuses."""

import re
import sys

import pandas as pd
import pytest
import torch
from running import run_here

from sntorch.cli import infer
from sntorch.cli.infer_words import check_texts, value_texts
from sntorch.physics.cosmology import Cosmology
from sntorch.sbi import FlowModule
from sntorch.sbi.tripp import PRIOR, TrippSample, simulate_tripp
from sntorch.sbi.tripp_learning import TrippSimulator
from sntorch.sbi.tripp_limit import ProbitLimit

LIMIT = ProbitLimit(17.5, 0.5)
TRUTH = (-19.3, 0.14, 3.0, 0.1, -0.3, 1.0, -0.03, 0.08)
COLUMNS = "CID zHD zHDERR mB mBERR x0 x1 x1ERR c cERR COV_x1_c COV_x1_x0 COV_c_x0"
SMALL = ("threads=1", "draws=400")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A FITRES table of a simulated sample without correlated errors."""
    n = 60
    z = torch.linspace(0.015, 0.09, n, dtype=torch.float64)
    noise = torch.diag(torch.tensor([0.05, 0.15, 0.03]).double() ** 2).expand(n, 3, 3)
    names = tuple(f"sn{i}" for i in range(n))
    mu = Cosmology(h0=70.0, om0=0.3).distmod(z)
    given = TrippSample(z, mu, torch.zeros(1, n, 3).double(), noise, names)
    theta = torch.tensor([TRUTH], dtype=torch.float64)
    m, x1, c = simulate_tripp(given, theta, LIMIT, seed=1).data[0].unbind(-1)
    lines = [f"VARNAMES: {COLUMNS}"]
    for i in range(n):
        x0 = 10 ** (-0.4 * (float(m[i]) - 10.635))
        lines.append(
            f"SN: sn{i} {float(z[i]):.5f} 1e-5 {float(m[i]):.4f} 0.05 {x0:.6e} {float(x1[i]):.4f} "
            f"0.15 {float(c[i]):.4f} 0.03 0 0 0"
        )
    path = tmp_path_factory.mktemp("salt") / "salt.fitres"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_posteriors_with_selection_without_and_of_a_network(table, tmp_path, capsys):
    embedding = {
        "_target_": "sntorch.sbi.embeddings.DeepSet",
        "encoder": {"_target_": "sntorch.sbi.tripp_learning.TrippEncoder"},
        "n_outputs": 8,
    }
    flow = FlowModule(PRIOR, embedding, transforms=1, width=16)
    simulator = TrippSimulator.from_file(table, LIMIT)
    flow.prepare(simulator(0, 64)[1])
    flow.trained_on = simulator.facts()
    flow.save_pretrained(tmp_path / "flow")
    assert run_here(infer, [f"files={table}", "out=out", "ckpt=flow", *SMALL], tmp_path) == 0
    summary = pd.read_csv(tmp_path / "out/summary.csv").set_index(["estimator", "parameter"])
    assert {name for name, _ in summary.index} == {
        "likelihood",
        "selection ignored",
        "network flow",
    }
    for name, truth in zip(PRIOR.names, TRUTH, strict=True):
        row = summary.loc[("likelihood", name)]
        assert abs(row["mean"] - truth) < 4 * row["sd"]
    assert (
        summary.loc[("likelihood", "m0"), "mean"]
        > summary.loc[("selection ignored", "m0"), "mean"]
    )
    checks = pd.read_csv(tmp_path / "out/checks.csv").set_index(["estimator", "statistic"])
    assert checks.loc[("likelihood", "slope with z"), "p"] > 0.001
    draws = pd.read_parquet(tmp_path / "out/draws.parquet")
    assert len(draws) == 1_200
    assert {"corner.png", "intervals.png", "kept.png", "selection.png"} == {
        path.name for path in (tmp_path / "out/figures").iterdir()
    }
    page = (tmp_path / "out/report.html").read_text()
    for text in ("slope with z", "h0 = 70", "m0 -20 to -18.5", "draws of each posterior, seed 0"):
        assert text in page
    assert "network flow: a network (A) that has only seen simulated samples" in page
    assert page.count("</p>") > page.count("<img")
    # No folder of Hydra's beside the one that was asked for.
    assert {path.name for path in tmp_path.iterdir()} == {"flow", "out"}
    assert "learnt" not in capsys.readouterr().err
    arguments = [f"files={table}", "out=other", "ckpt=flow", *SMALL, "selection.limit=18"]
    assert run_here(infer, arguments, tmp_path) == 2
    error = capsys.readouterr().err
    assert "flow: learnt that Φ((17.5 - m) / 0.5) was kept; here it is Φ((18 - m) / 0.5)" in error
    assert error.count("\n") == 1
    assert run_here(infer, [*arguments[:-1], "h0=73", "prior.low.0=-21"], tmp_path) == 2
    error = capsys.readouterr().err
    assert (
        "flow: its prior has m0 from -20 to -18.5 (here -21 to -18.5); a network of the" in error
    )
    assert "BoxPrior" not in error
    flow.trained_on = {"selection": {"limit": 17.5, "width": 0.5, "colour": 1}}
    flow.save_pretrained(tmp_path / "flow")
    assert run_here(infer, [f"files={table}", "out=newer", "ckpt=flow", *SMALL], tmp_path) == 2
    assert "learnt that Φ((17.5 - m) / 0.5), colour=1 was kept" in capsys.readouterr().err
    flow.trained_on = None
    flow.save_pretrained(tmp_path / "flow")
    assert run_here(infer, [f"files={table}", "out=old", "ckpt=flow", *SMALL], tmp_path) == 0
    assert "flow: does not say which selection it learnt" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("files=nothing.fitres", "no such file"),
        ("draws=10", "draws=10: a whole number of at least 100"),
        ("selection.width=0", "width > 0"),
        ("ckpt=[nowhere]", "nowhere"),
        ("methods=[exact]", "methods: exact is not one of likelihood, ignored"),
        ("methods=likelihod", "methods: likelihod is not one of likelihood, ignored"),
        ("methods=[]", "one method at least"),
        ("selection.limit=5", "60 of 60 supernovae cannot have been kept by Φ((5 - m) / 0.5)"),
        ("+selected_flow.hid=3", "selected_flow.hid=3: no such setting; accepted: batch, steps"),
        ("+efficiency.nodes=3", "no such setting; accepted: injections"),
        ("methods=[ignored,ignored]", "methods names ignored twice"),
        ("efficiency.injections=3", "injections=3: a whole number of at least 100"),
    ],
)
def test_what_cannot_be_inferred_is_refused(table, tmp_path, capsys, override, message):
    given = [] if override.startswith(("files", "draws")) else [f"files={table}"]
    small = SMALL[:1] if override.startswith("draws") else SMALL
    given = [f"files={table}"] if override.startswith("draws") else given
    assert run_here(infer, [*given, "out=out", *small, override], tmp_path) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_sample_of_which_all_was_kept(table, tmp_path):
    given = [f"files={table}", "selection=null", "out=out", *SMALL]
    assert run_here(infer, given, tmp_path) == 0
    summary = pd.read_csv(tmp_path / "out/summary.csv")
    assert set(summary["estimator"]) == {"selection ignored"}
    assert "all kept" in (tmp_path / "out/report.html").read_text()
    assert not (tmp_path / "out/figures/selection.png").exists()


def test_what_is_learnt_is_held_to_the_likelihood(table, tmp_path):
    """Three ways at once, fit cuts included."""
    given = [
        *(f"files={table}", "quality=true", "out=out", "threads=1", "draws=100"),
        "methods=[likelihood,efficiency,selected_flow]",
        *("efficiency.injections=4000", "selected_flow.steps=200", "selected_flow.batch=512"),
    ]
    assert run_here(infer, given, tmp_path) == 0
    summary = pd.read_csv(tmp_path / "out/summary.csv").set_index(["estimator", "parameter"])
    for name in ("C: learnt efficiency", "B: learnt likelihood"):
        for parameter in PRIOR.names:
            exact, learnt = summary.loc[("likelihood", parameter)], summary.loc[(name, parameter)]
            assert abs(learnt["mean"] - exact["mean"]) < 1.5 * exact["sd"]
            assert 0.5 < learnt["sd"] / exact["sd"] < 2
    report = (tmp_path / "out/report.html").read_text()
    rows = [line.split() for line in table.read_text().splitlines() if line.startswith("SN:")]
    out = sum(abs(float(row[7])) >= 3 or abs(float(row[9])) >= 0.3 for row in rows)
    assert f"({out} left out by the fit cuts)" in report
    assert "(|x1| &lt; 3, |c| &lt; 0.3)" in report


def test_a_selection_of_ones_own_is_learnt_and_drawn(table, tmp_path, monkeypatch, root):
    """That of the README."""
    blocks = re.findall(r"```python\n(.*?)```", (root / "README.md").read_text(), re.DOTALL)
    own = next(block for block in blocks if "class BlueOnly" in block)
    (tmp_path / "mypkg.py").write_text(own)
    monkeypatch.syspath_prepend(tmp_path)
    # Another test's, and ours for theirs.
    monkeypatch.setitem(sys.modules, "mypkg", None)
    monkeypatch.delitem(sys.modules, "mypkg")
    given = [
        *(f"files={table}", "out=out", "threads=1", "draws=100", "efficiency.injections=1000"),
        *("selection=null", "+selection._target_=mypkg.BlueOnly", "+selection.edge=0.1"),
    ]
    assert run_here(infer, given, tmp_path) == 0
    summary = pd.read_csv(tmp_path / "out/summary.csv")
    assert set(summary["estimator"]) == {"C: learnt efficiency", "selection ignored"}
    names = {path.name for path in (tmp_path / "out/figures").iterdir()}
    assert names == {"corner.png", "intervals.png", "kept.png"}
    assert "BlueOnly(edge=0.1)" in (tmp_path / "out/report.html").read_text()
    assert "mypkg.BlueOnly" in (tmp_path / "out/config.yaml").read_text()


@pytest.mark.parametrize(("p", "text"), [(2 / 401, "< 0.005"), (0.2, "0.200")])
def test_a_p_value_is_never_nothing(p, text):
    row = {"estimator": "ignored", "observed": 1.0, "p": p, "simulated": 400}
    assert check_texts(row)[2] == text


def test_values_have_digits_as_their_errors_need():
    assert value_texts({"parameter": "m0", "mean": -19.21337, "sd": 0.2})[1:] == [
        "-19.213",
        "0.200",
    ]
    assert value_texts({"parameter": "c0", "mean": 0.00551, "sd": 0.0071})[1:] == [
        "0.0055",
        "0.0071",
    ]
