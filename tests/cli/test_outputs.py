"""No verb overwrites an output of the user's unless it is asked to."""

from __future__ import annotations

import pytest
from running import files_in, run_here

from sntorch.cli import classify, data, evaluate, generate, infer, publish, simulate
from sntorch.cli.outputs import refuse_existing
from sntorch.errors import ConfigError

FILES = {
    "generate": (generate, ["ckpt=nowhere", "out=mine.parquet"]),
    "classify": (classify, ["ckpt=nowhere", "files=nowhere", "out=mine.parquet"]),
    "simulate": (simulate, ["n=2", "out=mine.parquet"]),
    "simulate truth": (simulate, ["n=2", "out=other.parquet", "truth=mine.parquet"]),
    "publish": (publish, ["ckpt=nowhere", "out=report"]),
    "infer": (infer, ["files=nowhere", "out=report"]),
    "evaluate": (evaluate, ["ckpt=nowhere", "out=report"]),
}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mine.parquet").write_bytes(b"a week's work")
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "report.html").write_text("last week's")
    return tmp_path


@pytest.mark.parametrize("case", FILES)
def test_an_output_that_is_there_is_refused_in_one_line(folder, case, capsys):
    verb, arguments = FILES[case]
    before = files_in(folder)
    assert run_here(verb, arguments, folder) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(": exists already; overwrite=true replaces it")
    # Of infer Hydra has opened a log by then.
    assert before.items() <= files_in(folder).items()


@pytest.mark.parametrize("case", [case for case in FILES if "simulate" not in case])
def test_when_asked_the_verb_goes_on(folder, case, capsys):
    verb, arguments = FILES[case]
    assert run_here(verb, [*arguments, "overwrite=true"], folder) == 2
    assert "nowhere" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["a.cutflow.json", "a.cutflow.png", "a.efficiency.png"])
def test_the_cut_flow_is_an_output_too(tmp_path, capsys, name):
    (tmp_path / name).write_text("{}")
    assert run_here(simulate, ["n=2", "out=a.parquet"], tmp_path) == 2
    assert f"out={name}: exists already" in capsys.readouterr().err


def test_conversion(tmp_path):
    rows = "1,55000,ztfg,5,1\n"
    (tmp_path / "a.csv").write_text("id,mjd,band,flux,fluxerr\n" + rows)
    words = ["convert", str(tmp_path / "a.csv"), str(tmp_path / "b.parquet")]
    assert data.main(words) == 0
    first = (tmp_path / "b.parquet").read_bytes()
    with pytest.raises(ConfigError, match=r"OUT=.*b.parquet: exists already; overwrite=true"):
        data.main(words)
    (tmp_path / "a.csv").write_text("id,mjd,band,flux,fluxerr\n" + rows.replace("1,5", "2,5"))
    assert data.main([*words, "overwrite=true"]) == 0
    assert (tmp_path / "b.parquet").read_bytes() != first


def test_an_empty_folder_is_free_and_words_are_no_truth(tmp_path):
    refuse_existing(tmp_path, False)
    refuse_existing(tmp_path / "new", False)
    with pytest.raises(ConfigError, match="overwrite=maybe: true and false are accepted"):
        refuse_existing(tmp_path / "new", "maybe")
