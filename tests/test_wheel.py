"""The package as a user gets it: a wheel in another environment, started from an empty folder."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

USER_NETWORK = '''
import torch
from sntorch.generative.gan import RecurrentGenerator


class MyNet(RecurrentGenerator):
    """A user's own generator: the packaged one with an announcement."""

    def forward(self, *args, **kwargs):
        print("MyNet was called")
        return super().forward(*args, **kwargs)
'''


def check(command, **options):
    result = subprocess.run([str(c) for c in command], capture_output=True, text=True, **options)
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


@pytest.fixture(scope="module")
def wheel(root, tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    check([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, root])
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory):
    """A fresh environment with the wheel; the dependencies are those of this environment."""
    folder = tmp_path_factory.mktemp("env")
    venv.create(folder, with_pip=False)
    interpreter = folder / "bin" / "python"
    site = Path(
        check(
            [interpreter, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"]
        ).strip()
    )
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "-q",
        "--no-deps",
        "--no-index",
        "--no-compile",
    ]
    check([*install, "--target", site, wheel])
    # A path line adds the folder alone; the editable install's own .pth file in it is not read.
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return interpreter


def environment(**extra):
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return {**kept, **extra}


def test_wheel_is_what_is_imported(python, root, tmp_path):
    where = check(
        [python, "-c", "import sntorch; print(sntorch.__file__)"], cwd=tmp_path, env=environment()
    )
    assert str(root) not in where
    listed = check(
        [python, "-m", "sntorch.cli.main", "config", "print", "train"],
        cwd=tmp_path,
        env=environment(),
    )
    assert "task: train" in listed


def test_training_from_an_empty_folder(python, tmp_path):
    command = [python, "-m", "sntorch.cli.main", "train", "experiment=gan_ia", "debug=tiny"]
    out = check([*command, "trainer.fast_dev_run=true"], cwd=tmp_path, env=environment())
    assert "run: " in out


def test_a_users_own_network(python, tmp_path):
    """The console script finds a class in the folder where it is started."""
    (tmp_path / "mypkg.py").write_text(USER_NETWORK)
    script = "from sntorch.cli.main import main; import sys; sys.path[:] = [p for p in sys.path if p]; main()"
    options = ["train", "experiment=gan_ia", "debug=tiny", "trainer.fast_dev_run=true"]
    command = [python, "-c", script, *options, "model.generator._target_=mypkg.MyNet"]
    out = check(command, cwd=tmp_path, env=environment())
    assert "MyNet was called" in out
