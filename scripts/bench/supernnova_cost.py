"""What SuperNNova's training and ours cost, one after the other on one thread of one machine.

SuperNNova lives in an environment of its own, whose interpreter is ``--python``: its packages are
older than ours. Both learn from the same 6,400 objects of DES-mini; SuperNNova by its defaults (90
epochs), ours by the recipe of ``classification.py --model supernnova_fast --epochs 15``. Only the
training is timed, in CPU seconds, neither its database nor its plots. The accuracy of its own run
with this seed is quoted from the reference numbers; ours is of the same 800 test objects.
"""

from __future__ import annotations

import argparse
import json
import logging
import subprocess
import tempfile
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

import lightning as L
import torch
from classification import built, logits, trained
from classification_data import SHARED, des_mini_data
from table import Row, markdown

# Accuracy of SuperNNova 3.0.51 on the test objects, whole light curves (reference numbers).
REFERENCE_ACCURACY, REFERENCE_SECONDS = 0.929, 295
SHARE = 1 / 3
MODEL, EPOCHS = "supernnova_fast", 15
TYPES = {"101": "Ia", "120": "IIP", "121": "IIn", "122": "IIL", "123": "IIb"}
TYPES |= {"132": "Ib", "133": "Ic"}
# Run by its interpreter. It takes two cores fewer than there are, and fails where that is none.
THEIRS = """
import multiprocessing, sys, time
multiprocessing.cpu_count = lambda: 3
import torch
torch.set_num_threads(1)
from supernnova import conf
from supernnova.data import make_dataset
settings = conf.get_settings(sys.argv.pop(1))
if settings.action == "make_data":
    make_dataset.make_dataset(settings)
else:
    from supernnova.training import train_rnn
    make_dataset.resolve_sntypes(settings)
    started = time.process_time()
    train_rnn.train(settings)
    print("CPU_SECONDS", time.process_time() - started)
"""


def theirs(python: str, epochs: int) -> float:
    """CPU seconds of SuperNNova's training."""
    with tempfile.TemporaryDirectory() as folder:
        places = ["--dump_dir", folder, "--sntypes", json.dumps(TYPES)]
        _call(python, folder, ["make_data", *places, "--raw_dir", str(SHARED / "data/des_mini")])
        printed = _call(python, folder, ["train_rnn", *places, "--nb_epoch", str(epochs)])
    return float(printed.split("CPU_SECONDS")[1].split()[0])


def _call(python: str, folder: str, options: Sequence[str]) -> str:
    """What SuperNNova printed.

    Raises:
        SystemExit: It failed.
    """
    # Not resolved: the interpreter of an environment is a link out of it.
    command = [str(Path(python).absolute()), "-W", "ignore", "-c", THEIRS, *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"SuperNNova {options[0]}: {done.stderr.strip().splitlines()[-1:]}")
    return done.stdout


def ours(epochs: int) -> tuple[float, float]:
    """CPU seconds of our training, and the accuracy on the test objects."""
    data = des_mini_data(seed=0)
    L.seed_everything(0, verbose=False)
    module, seconds = trained(built(MODEL, "seed=0"), data, epochs)
    test = data.test_batch()
    right = logits(module, test).argmax(-1) == test.label
    return seconds, float(right.float().mean())


def rows(python: str | None, quick: bool) -> Iterable[Row]:
    """Costs side by side; ours alone where SuperNNova is not at hand."""
    if quick:
        yield Row(
            "classification",
            "training to SuperNNova's accuracy, side by side",
            f"<= {SHARE:.2f} of its CPU seconds",
            "python scripts/bench/supernnova_cost.py --python PATH",
            met="run",
        )
        return
    seconds, accuracy = ours(EPOCHS)
    cost = theirs(python, 90) if python else None
    other = f"{cost:.0f} s beside it" if cost else f"{REFERENCE_SECONDS} s, quoted"
    share = seconds / (cost or REFERENCE_SECONDS)
    reached = accuracy >= REFERENCE_ACCURACY and share <= SHARE
    yield Row(
        "classification",
        f"{MODEL}, {EPOCHS} epochs: CPU seconds of training; accuracy on DES-mini",
        f"<= {SHARE:.2f} of SuperNNova's; {REFERENCE_ACCURACY}",
        f"{seconds:.0f} s; {accuracy:.3f}",
        f"SuperNNova 3.0.51, 90 epochs: {other}; {REFERENCE_ACCURACY}, quoted",
        f"{share:.2f}",
        "-" if cost is None else "yes" if reached else "no",
    )


def main() -> None:
    """Parse the options and print the row."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the version that make bench runs")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    parser.add_argument("--python", help="interpreter of an environment with SuperNNova")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    found = list(rows(options.python, options.quick))
    print(markdown(found))
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in found], indent=2) + "\n")


if __name__ == "__main__":
    main()
