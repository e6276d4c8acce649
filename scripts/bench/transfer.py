"""Classifiers that learn from generated or simulated supernovae and meet real ones.

``--study tstr``: trained on generated, tested on real, and the reverse, at growing numbers of real
labels, see ``transfer_generated.py``. ``--study sim_to_real``: trained on simulated, tested on
real SNe of the Open Supernova Catalog before and after fine-tuning, see ``transfer_real.py``.
Answers of every seed are stored when they are there, so the same command goes on where it was
stopped, and ``--table`` prints what there is.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import transfer_generated
import transfer_real
from table import Row, markdown
from trained_arms import MODELS
from training_clock import quiet

COMMAND = "python scripts/bench/transfer.py --study tstr, sim_to_real"
Options = argparse.Namespace
ROWS: dict[str, Callable[[Options], Iterator[Row]]] = {
    "tstr": transfer_generated.rows,
    "sim_to_real": transfer_real.rows,
}


def measure(options: Options) -> None:
    """Whatever of a study is not there yet."""
    for seed in options.seeds:
        if options.study == "sim_to_real":
            transfer_real.run(options, seed)
        else:
            for n in options.numbers:
                transfer_generated.run(options, n, seed)


def parsed() -> Options:
    """The options of all bench scripts and those of these studies."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the version that make bench runs")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    parser.add_argument("--study", choices=tuple(ROWS), default="tstr")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=300, help="of each classifier's training")
    parser.add_argument("--folder", type=Path, default=Path("outputs/transfer"))
    parser.add_argument("--table", action="store_true", help="train nothing, print what there is")
    generated = parser.add_argument_group("tstr")
    generated.add_argument("--model", choices=tuple(MODELS), default="flow")
    generated.add_argument("--seconds", type=float, default=60.0, help="CPU time of a generator")
    generated.add_argument("--generated", type=int, default=1600, help="objects of a generator")
    generated.add_argument(
        "--numbers", type=int, nargs="+", default=list(transfer_generated.NUMBERS)
    )
    real = parser.add_argument_group("sim_to_real")
    real.add_argument("--simulated", type=int, default=2000, help="objects of each simulation")
    real.add_argument("--fine-tuning-steps", type=int, default=60)
    real.add_argument("--trees", choices=("lightgbm", "histogram"), default="histogram")
    return parser.parse_args()


def main() -> None:
    """Measure what is asked for and print the table of all that there is."""
    options = parsed()
    quiet()
    warnings.filterwarnings("ignore")
    if options.quick:
        found = [row for make in ROWS.values() for row in make(options)]
        what = "transfer from generated and simulated to real SNe"
        found = found or [Row("classification", what, "reported", COMMAND, met="run")]
    else:
        if not options.table:
            measure(options)
        found = list(ROWS[options.study](options))
    print(markdown(found))
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in found], indent=2) + "\n")


if __name__ == "__main__":
    main()
