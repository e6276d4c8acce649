"""Verbs run in this process, or started from a shell."""

from __future__ import annotations

import logging
import os
import subprocess
import sys

import pytest
import torch


def run_here(verb, arguments, folder):
    """A verb's module in this process; its exit code."""
    root = logging.getLogger()
    handlers, level, threads = root.handlers[:], root.level, torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HYDRA_FULL_ERROR", "1")
        patch.setattr(sys, "argv", ["sntorch", *map(str, arguments)])
        patch.chdir(folder)
        try:
            verb.main()
        except SystemExit as stop:
            return stop.code
        finally:
            for handler in {*root.handlers} - {*handlers}:
                handler.close()
            root.handlers[:], root.level = handlers, level
            torch.set_num_threads(threads)
    return 0


def start(*arguments, program, cwd):
    """Python with a program and its arguments, in a process of its own."""
    command = [sys.executable, *map(str, program), *map(str, arguments)]
    return subprocess.Popen(
        command,
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def finished(process):
    """Output and errors of a process that has to succeed."""
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out, err


def files_in(folder):
    """Contents by path."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
