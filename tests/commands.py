"""Commands as from a shell, each in a process of its own that need not wait for its imports.

``python -m sntorch.cli.main`` imports PyTorch and Lightning for five seconds before it does
anything. Here one server per test process imports them once, and every command is a fork of it: with
its own folder, environment, streams and exit code, and nothing left behind.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

# What verbs import when they run. A module that is missing here is imported by the command itself.
PRELOADED = [
    "lightning",
    "matplotlib.pyplot",
    "pandas",
    "pyarrow.parquet",
    "pyro",
    "sklearn.ensemble",
    "torch.utils.tensorboard",
    "sntorch.bayesn",
    "sntorch.classification",
    "sntorch.generative",
    "sntorch.sbi",
    "sntorch.simulation",
]


def sntorch(
    *arguments: object, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """``sntorch <arguments>`` in a folder, with an environment; its exit code, stdout and stderr."""
    return _run(_verb, ["sntorch", *map(str, arguments)], cwd, env)


def python(
    code: str, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """``python -c <code>``."""
    return _run(_code, ["-c", code], cwd, env)


def output(*arguments: object, cwd: Path) -> str:
    """What a command prints that has to succeed."""
    result = sntorch(*arguments, cwd=cwd)
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


def _run(
    what: Callable[[list[str]], None],
    arguments: list[str],
    cwd: Path | None,
    env: Mapping[str, str] | None,
) -> subprocess.CompletedProcess[str]:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    with tempfile.TemporaryDirectory() as streams:
        there = (str(cwd or Path.cwd()), dict(os.environ if env is None else env), streams)
        process = context.Process(target=_in_fork, args=(what, arguments, *there))
        process.start()
        process.join()
        out, err = ((Path(streams) / name).read_text() for name in ("out", "err"))
    return subprocess.CompletedProcess(arguments, process.exitcode or 0, out, err)


def _in_fork(
    what: Callable[[list[str]], None],
    arguments: list[str],
    cwd: str,
    environment: dict[str, str],
    streams: str,
) -> None:
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(f"{streams}/{name}", os.O_WRONLY | os.O_CREAT), number)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    # A fork would else draw the server's numbers where nothing is seeded.
    np.random.seed()  # noqa: NPY002
    sys.argv = arguments
    what(arguments)


def _verb(arguments: list[str]) -> None:
    from sntorch.cli.main import main

    main()


def _code(arguments: list[str]) -> None:
    exec(compile(arguments[1], "<string>", "exec"), {"__name__": "__main__"})
