from __future__ import annotations

import errno
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
from commands import sntorch

from sntorch.checkpoints import KEY, explained, module_name
from sntorch.cli import main as dispatcher
from sntorch.cli.config import composed, copy_configs
from sntorch.cli.entry import config_dir, guarded, told_warnings, user_message
from sntorch.cli.runs import check_readable, newest_checkpoint
from sntorch.errors import CheckpointError, ConfigError, DataError, SntorchWarning


def one_line(result):
    """The message of a user's error, which has to be one line without a traceback."""
    assert result.returncode == 2, result.stderr
    lines = [line for line in result.stderr.splitlines() if line.startswith("sntorch: ")]
    assert len(lines) == 1
    assert "Traceback" not in result.stderr
    return lines[0]


def test_verbs_have_modules():
    for verb in dispatcher.VERBS:
        assert (Path(dispatcher.__file__).parent / f"{verb.replace('-', '_')}.py").is_file(), verb


def test_help_lists_every_verb(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["sntorch", "--help"])
    with pytest.raises(SystemExit) as stop:
        dispatcher.main()
    assert stop.value.code == 0
    out = capsys.readouterr().out
    assert all(verb in out for verb in dispatcher.VERBS)


def test_wrong_verb_lists_the_right_ones(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["sntorch", "trian"])
    with pytest.raises(SystemExit) as stop:
        dispatcher.main()
    assert stop.value.code == 2
    assert "no verb 'trian'; the verbs are train, generate" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("train", "sed=1"), "no option 'sed'; did you mean seed"),
        (("train", "experiment=baseline_ia", "files=survey"), "would not read them"),
        (("train", "experiment=gan_iaa"), "gan_iaa"),
        (("train", "model=gan/recurent"), "gan/recurent"),
        (("train", "experiment=t21"), "sntorch train-bayesn experiment=t21 runs it"),
        (("train-bayesn", "experiment=gan_ia"), "sntorch train experiment=gan_ia runs it"),
        (("fit", "experiment=dust"), "sntorch train-bayesn experiment=dust runs it"),
        (("train", "ckpt_path=nowhere.ckpt"), "nowhere.ckpt: no such checkpoint"),
        (("train", "data=files", "files=nowhere"), "nowhere"),
        (("generate", "ckpt=nowhere"), "nowhere: no checkpoint there"),
        (("generate", "n=5"), "ckpt= is needed"),
        (("simulate", "n=abc"), "n=abc: a whole number of at least 1"),
        (("train", "logger=null"), "logger=null: a config has to be named; ~logger leaves it out"),
        (("train", "model=null"), "accepted are baseline/bootstrap"),
    ],
)
def test_user_errors_are_one_line(arguments, words, tmp_path):
    assert words in one_line(sntorch(*arguments, cwd=tmp_path))


def test_from_the_shell_a_users_error_is_one_line(tmp_path):
    command = [sys.executable, "-m", "sntorch.cli.main", "generate", "ckpt=nowhere"]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert "nowhere: no checkpoint there" in one_line(result)


def test_configs_can_be_copied_and_printed(tmp_path):
    copy_configs(tmp_path / "conf")
    assert (tmp_path / "conf" / "train.yaml").read_text() == (
        config_dir() / "train.yaml"
    ).read_text()
    with pytest.raises(ConfigError, match="not empty"):
        copy_configs(tmp_path / "conf")
    assert "seed: 7" in composed("train", ["seed=7"])
    assert "sampler: nuts" in composed("train-bayesn", ["experiment=t21"])
    with pytest.raises(ConfigError, match="no config 'tarin'"):
        composed("tarin", [])


@pytest.mark.parametrize(
    ("arguments", "unbuffered"),
    [(("--help",), ""), (("data", "list"), ""), (("data", "--help"), ""), (("data", "list"), "1")],
)
def test_a_reader_that_stops_reading_is_no_error(arguments, unbuffered):
    """As ``sntorch --help | head -1``, with a pipe that nobody reads from the beginning."""
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "sntorch.cli.main", *arguments]
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    result = subprocess.run(
        command, stdout=write, stderr=subprocess.PIPE, text=True, env=environment
    )
    os.close(write)
    assert result.stderr == ""
    assert result.returncode == 141


def test_other_broken_pipes_are_told():
    def run():
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        guarded(run)


def test_warnings_of_ours_are_one_line_at_once(capsys):
    with told_warnings():
        warnings.warn("3 objects left out", SntorchWarning, stacklevel=1)
        assert capsys.readouterr().err == "sntorch: 3 objects left out\n"
        with pytest.warns(DeprecationWarning, match="theirs"):
            warnings.warn("theirs", DeprecationWarning, stacklevel=1)
    assert capsys.readouterr().err == ""


def test_messages_are_found_behind_hydras_wrapping():
    wrapped = RuntimeError("Error in call to target")
    wrapped.__cause__ = DataError("sn1.txt: no observations")
    assert user_message(wrapped) == "sn1.txt: no observations"
    assert user_message(RuntimeError("ours")) is None


def test_damaged_checkpoints_are_named(tmp_path):
    broken = tmp_path / "last.ckpt"
    broken.write_bytes(b"PK\x03\x04 half a file")
    with pytest.raises(CheckpointError, match=r"last.ckpt: damaged, or not a checkpoint"):
        check_readable(broken)


def test_last_means_the_newest_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match="train first"):
        newest_checkpoint("gan_ia")


def test_a_checkpoint_that_was_cut_off_is_called_damaged(tmp_path):
    torch.save({KEY: {"model": "LightCurveGAN"}, "state_dict": {}}, tmp_path / "whole.ckpt")
    whole = (tmp_path / "whole.ckpt").read_bytes()
    cut = tmp_path / "cut.ckpt"
    for n in (0, 5, len(whole) // 2, len(whole) - 10):
        cut.write_bytes(whole[:n])
        with pytest.raises(CheckpointError, match=r"cut.ckpt: damaged or not a checkpoint"):
            module_name(cut, "generator")
    with (
        pytest.raises(CheckpointError, match=r"damaged or not a checkpoint"),
        explained(cut, "generator's"),
    ):
        raise OSError(errno.EINVAL, "Invalid argument")
    with pytest.raises(CheckpointError, match="No such file"):
        module_name(tmp_path / "nowhere.ckpt", "generator")
