"""The table of scores and the page of HTML: complete, valid, and in need of no other file."""

from __future__ import annotations

import base64
import json
from html.parser import HTMLParser

import pytest
from matplotlib.figure import Figure
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.tensorboard import SummaryWriter

from sntorch.cli.evaluation_report import page, summary, write_report
from sntorch.generative.evaluate.score_table import rows, verdict

VOID = {"meta", "img"}


def three(value, interval=None):
    scores = {}
    for k, sample in enumerate(("generated", "fresh", "train")):
        scores[sample] = {"all": {"auc": value + k / 10, "auc_interval": interval}}
    return scores


def copies(ratio, share, passed):
    one = {"ratio": ratio, "copies": share, "expected_copies": 0.037, "passed": passed}
    return dict.fromkeys(("generated", "fresh", "train"), one)


METRICS = {
    "n": {"generated": 20, "held_out": 30, "train": 10},
    "peak": {
        "desg": {"ks": 0.05, "ks_interval": [0.04, None], "ks_fresh": 0.02, "ks_train": None}
    },
    "summary": {
        "ks_peak_worst": 0.05,
        **{f"{k}{t}": 0.25 for k in ("w1_peak", "ks_mean") for t in ("", "_fresh", "_train")},
    },
    "memorisation": copies(0.7, 0.05, False),
    "raw_memorisation": copies(0.98, 0.01, True),
    "c2st": three(0.61, [0.5, 0.7]),
    "errors": {sample: {"mean": 0.00012} for sample in ("generated", "fresh", "train")},
    "impossible": {"unsorted": 0.0, "not_finite": None},
    "passed": False,
}


class Checker(HTMLParser):
    """Every element that was opened is closed in order; keeps texts of cells and sources."""

    def __init__(self):
        super().__init__()
        self.open, self.cells, self.sources, self.text = [], [], [], ""

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        self.sources += [value for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data
        if self.open and self.open[-1] in ("td", "th"):
            self.cells.append(data)


def read(text):
    checker = Checker()
    checker.feed(text)
    checker.close()
    assert not checker.open
    return checker


def test_rows_are_those_that_were_computed():
    found = {row.name: row for row in rows(METRICS)}
    assert found["classifier AUC, features"].values == pytest.approx((0.61, 0.71, 0.81))
    assert "classifier AUC, sequences" not in found
    assert "precision" not in found
    assert found["KS of peak magnitude, desg"].cells()[2:] == ("0.050", "0.040 - -", "0.020", "-")
    assert found["errors at given magnitude, KS"].cells()[2] == "1e-04"


def test_summary_is_an_aligned_table_and_a_verdict():
    *table, last = summary(METRICS).splitlines()
    assert len({len(line) for line in table}) == 1
    assert last.startswith("not passed")


def test_the_verdict_names_the_gate_that_failed():
    assert verdict(METRICS).startswith("not passed: copies of training objects; looked at")
    good = METRICS | {"memorisation": copies(0.95, 0.01, True)}
    assert verdict(good).startswith("passed: peak magnitudes, copies of training objects, ")
    bad = good | {"raw_memorisation": copies(0.4, 0.3, False)}
    assert verdict(bad).startswith("not passed: copies of light curves; looked at")
    # Without a ratio nothing is known, unless there are copies all the same.
    for unknown in (copies(None, None, None), copies(None, 0.0, False)):
        text = verdict(good | {"raw_memorisation": unknown})
        assert text.startswith("not passed: copies of light curves (not known); ")
    assert "(not known)" not in verdict(good | {"raw_memorisation": copies(None, 0.3, False)})


def test_copies_stand_beside_what_chance_gives():
    found = {row.name for row in rows(METRICS)}
    assert "copies (0.037 by chance)" in found
    assert "copies of light curves (0.037 by chance)" in found


def test_page_is_valid_and_self_contained():
    checker = read(page(METRICS, {"a": b"picture", "b": b"other"}, "run <1> & more"))
    assert "run <1> & more" in checker.text
    assert "hold the balls around objects fixed" in checker.text
    assert "classifier AUC, features" in checker.cells
    assert "0.610" in checker.cells
    heads = [source.partition(",")[0] for source in checker.sources]
    assert heads == ["data:image/png;base64"] * 2
    assert base64.b64decode(checker.sources[0].partition(",")[2]) == b"picture"


def test_files_are_written_and_replaced_whole(tmp_path):
    figure = Figure()
    figure.subplots().plot([0, 1])
    board = tmp_path / "new" / "tensorboard"
    with SummaryWriter(str(board)) as training:
        training.add_scalar("train/loss", 0.5, 7)
    for title in ("first", "second"):
        write_report(tmp_path / "new", METRICS, {"line": figure}, title)
    folder = tmp_path / "new"
    assert sorted(p.name for p in folder.rglob("*") if p.is_file() and p.parent != board) == [
        "line.png",
        "metrics.json",
        "report.html",
    ]
    assert json.loads((folder / "metrics.json").read_text()) == METRICS
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert "second" in read(text).text
    assert base64.b64encode((folder / "figures" / "line.png").read_bytes()).decode() in text
    # What a training wrote into the folder stays.
    assert len([*board.iterdir()]) == 2
    events = EventAccumulator(str(board)).Reload()
    assert len(events.Images("line")) == len(events.Scalars("train/loss")) == 1
