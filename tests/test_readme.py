"""Every command and example that the README prints works; what is too long here runs in its short mode."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from commands import python, sntorch

from sntorch.cli.config import compose_config

# Some of the supernovae that T21 was trained on, for all that the README does with the real ones.
FEW = compose_config("train_bayesn", ["experiment=t21"]).data.light_curves.objects[1::5]
# What is added to a command so that it runs in seconds.
SHORT = {
    "sntorch train": ["debug=tiny"],
    "sntorch generate": ["n=20"],
    "sntorch evaluate": ["n=60", "bootstrap=5"],
    "sntorch simulate": ["n=120"],
    "sntorch classify": [],
    "sntorch infer": ["draws=400"],
    "sntorch augment": [],
    "sntorch publish": [],
    "sntorch fit": ["sampler.vi_iterations=10", "figures=1"],
    "sntorch train-bayesn": [
        f"data.light_curves.objects=[{','.join(FEW)}]",
        "training.mode_iterations=3",
        "training.svi_iterations=3",
        "training.svi_draws=2",
        "training.chains=2",
        "training.warmup=4",
        "training.draws=4",
        "training.max_tree_depth=2",
    ],
    "sntorch data": [],
    "sntorch config": [],
}
# As SHORT, of what is in an example.
SHORT_EXAMPLE = {'_2016W.txt")': '_2016W.txt", warmup=30, draws=40, reruns=0)'}
# These set up an environment or take minutes: test_fresh_clone (slow) runs them.
LONG = {"make install", "make demo", "make test", "make test-slow", "make bench"}
# Commands in running text that stand for many, and the test that runs one of them.
ELSEWHERE = {
    "sntorch train … ckpt_path=last": "tests/test_experiments.py",
    "sntorch train-bayesn population=own population._target_=mypkg.MyPopulation": (
        "tests/cli/test_train_bayesn.py"
    ),
    "sntorch infer … selection=null +selection._target_=mypkg.BlueOnly +selection.edge=0.1": (
        "tests/cli/test_infer.py"
    ),
    "sntorch train experiment=gan_ia model.generator._target_=mypkg.MyNet": "tests/test_wheel.py",
}
README = Path(__file__).parents[1] / "README.md"


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(), flags=re.DOTALL)


def commands():
    """Commands of the README's blocks in order, without comments, and those in its text."""
    lines = [line.split("#")[0].strip() for block in blocks("bash") for line in block.splitlines()]
    inline = re.findall(
        r"`((?:sntorch|make) [^`]+)`",
        re.sub(r"```.*?```", "", README.read_text(), flags=re.DOTALL),
    )
    return [line for line in [*lines, *inline] if line and line not in ELSEWHERE]


def test_commands_that_are_run_elsewhere_are(root):
    text = README.read_text()
    for command, test in ELSEWHERE.items():
        assert command in text
        words = [word for word in command.split()[2:] if word not in ("…", "experiment=gan_ia")]
        assert all(word in (root / test).read_text() for word in words), command


def test_examples_have_their_short_mode():
    assert all(any(words in example for example in blocks("python")) for words in SHORT_EXAMPLE)


def test_every_command_is_known():
    for command in commands():
        verb = " ".join(command.split()[:2])
        assert command in LONG or verb in SHORT, f"README prints {command!r}, which no test runs"


@pytest.fixture(scope="module")
def folder(tmp_path_factory, root):
    """A folder as the README assumes it: the user's survey files, and the real ones beside it."""
    folder = tmp_path_factory.mktemp("readme") / "project"
    folder.mkdir()
    shared = Path(os.environ.get("SNTORCH_SHARED", root.parent / "shared"))
    if not (shared / "data").is_dir():
        pytest.skip(f"no real data in {shared}: set SNTORCH_SHARED to the folder that holds data/")
    (folder.parent / "shared").symlink_to(shared)
    few_of(shared / "data" / "foundation_dr1", folder / "survey")
    shutil.copy(shared / "data" / "Foundation_DR1.FITRES.TEXT", folder / "salt.fitres")
    return folder


def few_of(full, survey):
    """A survey's folder with some of its supernovae, and the table of headers."""
    survey.mkdir()
    shutil.copy(full / "T21_sample.txt", survey)
    for name in FEW:
        shutil.copy(full / f"Foundation_DR1_{name}.txt", survey)


def test_commands_and_examples_run_in_order(folder):
    templates = folder.parent / "shared" / "data" / "sncosmo"
    environment = {"SNCOSMO_DATA_DIR": str(templates), **os.environ}
    for command in (c for c in commands() if c not in LONG):
        # SALT fits need no short mode, and refuse BayeSN's settings.
        extra = [] if "model=salt" in command else SHORT[" ".join(command.split()[:2])]
        arguments = [*command.split()[1:], *extra]
        succeeded(sntorch(*arguments, cwd=folder, env=environment), command)
    for example in blocks("python"):
        for words, short in SHORT_EXAMPLE.items():
            example = example.replace(words, short)
        succeeded(python(example, cwd=folder, env=environment), example)


def succeeded(result, what):
    assert result.returncode == 0, f"{what}\n{result.stderr[-3000:]}"


@pytest.mark.slow
def test_fresh_clone(root, tmp_path):
    """What a new user does: clone, make demo; the README's other targets share its set-up."""
    clone = tmp_path / "sntorch"
    subprocess.run(["git", "clone", "-q", str(root), str(clone)], check=True)
    result = subprocess.run(["make", "demo"], cwd=clone, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3000:]
    run_folder = next((clone / "outputs" / "demo").iterdir())
    assert (run_folder / "generated.parquet").is_file()
    assert (run_folder / "metrics.json").is_file()
    assert list((run_folder / "figures").glob("*.png"))
