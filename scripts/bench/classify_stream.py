"""``sntorch classify`` over many objects in Parquet: the rate, and that memory is bounded.

One file is written, DES-mini's objects repeated under names and at dates of their own; the others
are hard links to it, so that a million objects need no room on the disk, and names come again in
every file. Each number of objects is classified by a process of its own, whose largest memory is
what the system counted. Reads DES-mini below $SNTORCH_SHARED (../shared by default).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from itertools import cycle, islice
from pathlib import Path

from classification_data import SHARED, des_mini
from table import Row, markdown

from sntorch.classification.classifier import MODELS
from sntorch.data.io import write
from sntorch.data.light_curve import LightCurve

# Objects, and objects a file.
LARGE, FILE = 1_000_000, 20_000
QUICK = (4_000, 2_000)


@dataclass(frozen=True)
class Run:
    """What the system counted of one process.

    Attributes:
        wall: Seconds from start to end.
        cpu: CPU seconds.
        memory: Largest resident memory, MiB.
    """

    wall: float
    cpu: float
    memory: float


def row(options: argparse.Namespace) -> Row:
    """A small and a large number of objects."""
    large, size = QUICK if options.quick else (options.n, options.file)
    command = f"python scripts/bench/classify_stream.py --n {LARGE}"
    if not (SHARED / "data" / "des_mini").is_dir():
        return Row("classification", "10^6 objects from Parquet", "reported", command, met="run")
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        first = Path(folder) / "first.parquet"
        write(repeated(size), first)
        few = classified(shards(first, Path(folder) / "few", 1), options)
        many = classified(shards(first, Path(folder) / "many", -(-large // size)), options)
    n_more = (-(-large // size) - 1) * size
    return Row(
        "classification",
        f"objects classified from Parquet by {options.model}, {options.threads} thread(s)",
        "memory bounded, rate reported",
        f"{size + n_more} in {many.wall:.0f} s; {n_more / (many.wall - few.wall):.0f} / s without "
        f"the start ({n_more / (many.cpu - few.cpu):.0f} per CPU second); memory "
        f"{few.memory:.0f} MiB for {size}, {many.memory:.0f} MiB for {size + n_more}",
        met="yes" if many.memory < 1.25 * few.memory else "no",
    )


def repeated(n: int) -> Iterator[LightCurve]:
    """Light curves of DES-mini, again and again, each time a year later."""
    sample = des_mini()
    for i, light_curve in enumerate(islice(cycle(sample), n)):
        later = 365.25 * (i // len(sample))
        yield replace(
            light_curve,
            object_id=f"{light_curve.object_id}_{i}",
            time=light_curve.time + later,
            peak_mjd=light_curve.peak_mjd + later,
        )


def shards(first: Path, folder: Path, n: int) -> Path:
    """A folder of so many files, all of them the first one."""
    folder.mkdir()
    for i in range(n):
        place = folder / f"part_{i:04d}.parquet"
        try:
            os.link(first, place)
        except OSError:
            shutil.copyfile(first, place)
    return folder


def classified(folder: Path, options: argparse.Namespace) -> Run:
    """What it takes to classify a folder from the command line."""
    words = {
        "ckpt": MODELS / options.model,
        "files": folder,
        "out": folder.with_suffix(".parquet"),
        "threads": options.threads,
    }
    command = [sys.executable, "-m", "sntorch.cli.classify"]
    started = time.perf_counter()
    process = subprocess.Popen([*command, *(f"{k}={v}" for k, v in words.items())])
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"sntorch classify failed on {folder}")
    # Linux counts KiB.
    wall, cpu = time.perf_counter() - started, usage.ru_utime + usage.ru_stime
    return Run(wall, cpu, usage.ru_maxrss / 1024)


def main() -> None:
    """Measure and print one row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the version that make bench runs")
    parser.add_argument("--json", type=Path, help="also write the row to this file")
    parser.add_argument("--n", type=int, default=LARGE, help="objects")
    parser.add_argument("--file", type=int, default=FILE, help="objects a file")
    parser.add_argument("--model", default="des-causal-transformer", help="a packaged classifier")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--folder", type=Path, help="where to write; default: a temporary one")
    options = parser.parse_args()
    measured = row(options)
    print(markdown([measured]))
    if options.json:
        options.json.write_text(json.dumps([asdict(measured)], indent=2) + "\n")


if __name__ == "__main__":
    main()
