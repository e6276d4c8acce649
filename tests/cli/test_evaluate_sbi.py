"""``sntorch evaluate task=sbi``: methods side by side on a benchmark, and what is refused."""

from __future__ import annotations

import json
import re
from functools import partial
from html import unescape

import pandas as pd
import pytest
import running
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from sntorch.cli import evaluate
from sntorch.errors import SntorchWarning
from sntorch.sbi import BoxPrior, FlowModule, SummarySimulator, SummarySurvey
from sntorch.sbi.benchmarks import SummaryBenchmark
from sntorch.sbi.selected_flow import SelectedFlow, SelectedSupernovae
from sntorch.sbi.summary import PRIOR

run_here = partial(running.run_here, evaluate)
CHECKS = ["points=400", "simulations=100", "shuffles=100", "permutations=1"]
SMALL = [
    *("task=sbi", "out=report", "n_surveys=3", "draws=100", "benchmark.n=10"),
    *(f"network_checks.{one}" for one in CHECKS),
]
FEW = ["efficiency.injections=1000", "selected_flow.steps=5", "selected_flow.batch=64"]
EMBEDDING = {"_target_": "sntorch.sbi.embeddings.DeepSet", "n_outputs": 8}
PART = BoxPrior(PRIOR.names, (0.2, -19.5, 0.05, 2.5, 0.05), (0.4, -19.1, 0.25, 3.5, 0.2))


def network(folder, prior=PRIOR):
    encoder = {"_target_": "sntorch.sbi.encoders.SummaryEncoder"}
    flow = FlowModule(prior, EMBEDDING | {"encoder": encoder}, transforms=1, width=16)
    simulator = SummarySimulator(prior=prior, n=10)
    flow.prepare(simulator(0, 64)[1])
    flow.trained_on = simulator.facts()
    flow.save_pretrained(folder)


def metrics_of(folder):
    return json.loads((folder / "report" / "metrics.json").read_text())


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """All methods on the same surveys: the networks have hardly learnt anything."""
    folder = tmp_path_factory.mktemp("evaluate_sbi")
    network(folder / "npe")
    arguments = ["ckpt=npe", "methods=[ignored,efficiency,selected_flow]"]
    assert run_here([*SMALL, *FEW, *arguments], folder) == 0
    return folder


def test_every_method_is_held_to_the_exact_posterior_of_its_scheme(compared):
    methods = metrics_of(compared)["methods"]
    assert {name: found["scheme"] for name, found in methods.items()} == {
        "exact": "fixed_number",
        "exact, conditional": "conditional",
        "A: npe": "fixed_number",
        "selection ignored": "fixed_number",
        "C: learnt efficiency": "fixed_number",
        "B: learnt likelihood": "conditional",
    }
    for name in ("exact", "exact, conditional", "C: learnt efficiency"):
        for row in methods[name]["parameters"].values():
            assert row["distance"] < 0.5
            assert 0.7 < row["sigma_ratio"] < 1.4
    assert methods["selection ignored"]["kl_median"] > 1.5 * methods["exact"]["kl_median"]
    assert methods["C: learnt efficiency"]["training_seconds"] > 0
    assert methods["exact"]["training_seconds"] is None


def test_the_report_holds_tables_and_figures(compared):
    report = compared / "report"
    rows = pd.read_csv(report / "tables" / "methods.csv")
    assert len(rows) == 6 * 5
    assert set(rows["parameter"]) == {*PRIOR.names}
    names = {path.stem for path in (report / "figures").iterdir()}
    assert {"bias_over_sigma", "first_survey", "calibration_A_npe"} <= names
    assert {"learnt_efficiency", "mean_ratios", "misspecification"} <= names
    page = (report / "report.html").read_text()
    assert page.count("data:image/png") == len(names)
    assert "B: learnt likelihood" in page


def test_the_table_says_what_a_calibrated_posterior_would_show(compared):
    calibrated = metrics_of(compared)["calibrated"]
    assert calibrated["coverage_68"] == [0.0, 1.0]
    # Kolmogorov's D of three surveys.
    assert calibrated["tarp_deviation"] == pytest.approx([0.0, 0.708], abs=1e-3)
    page = (compared / "report" / "report.html").read_text()
    lines = unescape(re.sub("<[^>]+>", " ", page)).splitlines()
    (ignored,) = (line for line in lines if line.strip().startswith("selection ignored"))
    assert re.search(r"(om0|m0|alpha|beta|sigma_int) [+-]\d\.\d\d ± \d\.\d\d", ignored)
    assert re.search(r"(om0|m0|alpha|beta|sigma_int) \d+ ± \d+", ignored)
    assert any(line.strip().startswith("if calibrated") and "< 0.708" in line for line in lines)


def test_networks_are_checked_by_themselves(compared):
    methods = metrics_of(compared)["methods"]
    assert [name for name, found in methods.items() if "network_checks" in found] == ["A: npe"]
    found = methods["A: npe"]["network_checks"]
    # A flow is normalised; nothing is said of what it has learnt.
    assert found["log_mean_ratio_surveys"] > 0
    assert abs(found["log_mean_ratio_median"]) < 0.3
    assert found["misspecified_share"] <= 1 / 3
    assert 0 <= found["lc2st_p_value"] <= 1
    tables = compared / "report" / "tables"
    assert list(pd.read_csv(tables / "networks.csv")["method"]) == ["A: npe"]
    surveys = pd.read_csv(tables / "network_surveys.csv")
    assert len(surveys) == 3
    assert surveys["p_value_made_wrong"].between(0, 1).all()
    assert "made wrong" in (compared / "report" / "report.html").read_text()


def test_figures_and_main_numbers_are_in_tensorboard(compared):
    report = compared / "report"
    events = EventAccumulator(str(report / "tensorboard")).Reload()
    names = {path.stem for path in (report / "figures").iterdir()}
    assert {*events.Tags()["images"]} == names
    metrics = metrics_of(compared)["methods"]["A: npe"]
    for tag, value in (
        ("kl_median/A_npe", metrics["kl_median"]),
        ("bias_om0/A_npe", metrics["parameters"]["om0"]["bias"]),
        ("network_lc2st_p_value/A_npe", metrics["network_checks"]["lc2st_p_value"]),
    ):
        assert events.Scalars(tag)[0].value == pytest.approx(value)
    assert "network_lc2st_p_value/exact" not in events.Tags()["scalars"]


def test_checks_of_networks_can_be_left_out(compared):
    given = [*SMALL[:5], "ckpt=npe", "methods=[]"]
    assert run_here([*given, "out=without", "network_checks=false"], compared) == 0
    assert not (compared / "without" / "tables" / "networks.csv").exists()
    parts = [f"network_checks.{name}=0" for name in ("points", "simulations")]
    assert run_here([*given, "out=nothing", *parts], compared) == 0
    assert not (compared / "nothing" / "tables" / "network_surveys.csv").exists()
    assert (compared / "nothing" / "tables" / "networks.csv").exists()


def test_a_truncated_network_is_held_to_the_exact_posterior_in_its_box(tmp_path, capsys):
    network(tmp_path / "truncated", PART)
    assert run_here([*SMALL, "ckpt=[truncated]", "methods=[]"], tmp_path) == 0
    assert metrics_of(tmp_path)["prior"] == PART.settings()
    assert "A: truncated" in capsys.readouterr().out


def kept_flow(folder, prior):
    survey = SummarySurvey(m_limit=22.0)
    flow = SelectedFlow(survey, transforms=1, hidden=8, prior=prior)
    flow.standardise(next(iter(SelectedSupernovae(survey, PRIOR, 256, 1, seed=0))))
    flow.save_pretrained(folder)


def test_a_flow_that_was_trained_before_is_taken(tmp_path, capsys):
    kept_flow(tmp_path / "flow", PRIOR)
    given = ["methods=selected_flow", "selected_flow.path=flow"]
    assert run_here([*SMALL, *given, "benchmark.survey.m_limit=22.0"], tmp_path) == 0
    assert "prior" not in capsys.readouterr().err
    assert run_here([*SMALL, *given, "out=other"], tmp_path) == 2
    assert (
        "flow: learnt surveys with m_limit=22.0 (here 22.6); one of this"
        in capsys.readouterr().err
    )
    kept_flow(tmp_path / "part", PART)
    given = ["methods=selected_flow", "selected_flow.path=part", "benchmark.survey.m_limit=22.0"]
    assert run_here([*SMALL, *given, "out=other"], tmp_path) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert "part: its prior has om0 from 0.2 to 0.4 (here 0.05 to 0.7), m0" in error


def test_what_does_not_say_what_it_learnt_is_told_of(tmp_path):
    kept_flow(tmp_path / "old", None)
    benchmark = SummaryBenchmark(SummarySurvey(m_limit=22.0), n=10)
    with pytest.warns(SntorchWarning, match="old: does not say which prior it learnt in"):
        benchmark.selected_flow(1, 1, 0, str(tmp_path / "old"))
    encoder = {"_target_": "sntorch.sbi.encoders.SummaryEncoder"}
    flow = FlowModule(PRIOR, EMBEDDING | {"encoder": encoder}, transforms=1, width=16)
    with pytest.warns(SntorchWarning, match="npe: does not say how many supernovae"):
        assert SummaryBenchmark(n=10).network("npe", flow).estimator is flow


def test_light_curves_with_and_without_their_cut(tmp_path, capsys):
    few = ["benchmark=b2", "benchmark.n_bank=60", "methods=ignored", "at_fiducial=true"]
    assert run_here([*SMALL, *few, "seed=4"], tmp_path) == 0
    metrics = metrics_of(tmp_path)
    assert (metrics["at_fiducial"], metrics["seed"]) == (True, 4)
    assert {*metrics["methods"]} == {"exact", "selection ignored"}
    assert {*metrics["methods"]["exact"]["parameters"]} == {"om0", "delta_m", "sigma_int"}
    exact, ignored = (found["kl_median"] for found in metrics["methods"].values())
    assert exact < 0.2 < ignored
    # At one θ there is nothing to calibrate.
    title, _, line, _ = capsys.readouterr().out.splitlines()[:4]
    assert "3 surveys at the fiducial parameters, 100 draws each, seed 4" in title
    assert line.split()[-5:-1] == ["-"] * 4
    found = metrics["methods"]["exact"]
    assert found["tarp_deviation"] is None
    assert found["parameters"]["om0"]["coverage_95_low"] is None
    figures = {path.stem for path in (tmp_path / "report" / "figures").iterdir()}
    assert figures == {"bias_over_sigma", "first_survey"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["methods=[nre]"], "methods=nre: accepted are ignored, efficiency, selected_flow"),
        (["benchmark=b2", "methods=[efficiency]"], "b2: methods exact and ignored, and networks"),
        (["benchmark=b2", "methods=[selected_flow]"], "b2: methods exact and ignored"),
        (["benchmark=b2", "ckpt=npe"], "npe: its prior has the parameters om0, m0"),
        (["benchmark.n=30", "ckpt=npe"], "npe: learnt surveys of 10 to 10 supernovae"),
        (["benchmark.scheme=poisson", "ckpt=npe"], "numbers that vary"),
        (["benchmark=b1_flowsn", "ckpt=npe"], "npe: learnt surveys with "),
        (
            ["benchmark.prior.high=[0.6,-18.9,0.3,4.5,0.3]", "ckpt=npe"],
            "npe: its prior has om0 from",
        ),
        (["methods=[ignored,ignored]"], "methods names ignored twice"),
        (["ckpt=[npe,npe]"], "ckpt names npe twice"),
        (["ckpt=nowhere"], "nowhere: no checkpoint there"),
        (["benchmark.scheme=ignored"], "conditional, fixed_number, poisson, unknown_rate"),
        (["benchmark.n=0"], "benchmark.n=0: 1 supernova or more"),
        (["network_checks.points=5"], "network_checks.points=5: 0, or a whole number"),
        (["+network_checks.n=5"], "network_checks.n=5: no such setting; accepted: surveys, "),
        (["methods=[selected_flow]", "+selected_flow.hid=3"], "accepted: path, batch, steps"),
        (["network_checks=3"], "network_checks=3: false, or network_checks.surveys"),
        (["n_surveys=1"], "n_surveys=1: a whole number of at least 2"),
        (["benchmark=b3"], "b1"),
    ],
)
def test_what_cannot_be_compared_is_one_line(compared, capsys, arguments, message):
    capsys.readouterr()
    assert run_here([*SMALL, "methods=[]", "out=refused", *arguments], compared) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (compared / "refused").exists()
