"""Run every bench script and print one table; ``--quick`` is what ``make bench`` does."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from table import PARTS, Row, markdown

HERE = Path(__file__).parent
# Parts of other scripts; gpu*.py need a CUDA device; reference_bayesn.py runs in another
# environment.
NO_BENCH = {
    "augmentation_arms.py",
    "augmentation_folds.py",
    "augmentation_results.py",
    "augmentation_targets.py",
    "classification_data.py",
    "classification_folds.py",
    "classification_rows.py",
    "classification_stored.py",
    "run.py",
    "table.py",
    "gpu.py",
    "gpu_training.py",
    "foundation.py",
    "generative_samples.py",
    "reference_bayesn.py",
    "trained_arms.py",
    "training_clock.py",
    "training_jobs.py",
    "transfer_generated.py",
    "transfer_real.py",
    "transfer_results.py",
    "transfer_sample.py",
    "transfer_training.py",
}


def main() -> None:
    """Run the scripts one after another, so that no timing disturbs another."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("bench.json"))
    options = parser.parse_args()
    rows: list[Row] = []
    failed: list[str] = []
    for script in sorted(p for p in HERE.glob("*.py") if p.name not in NO_BENCH):
        print(f"-- {script.name}", file=sys.stderr, flush=True)
        measured = run(script, options.quick)
        rows += measured or []
        if measured is None:
            failed.append(script.name)
    rows.sort(key=lambda row: PARTS.index(row.part))
    print(markdown(rows))
    options.out.write_text(json.dumps([vars(row) for row in rows], indent=2) + "\n")
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def run(script: Path, quick: bool) -> list[Row] | None:
    """The rows of one script, run in a process of its own; None if it failed."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "rows.json"
        command = [
            sys.executable,
            str(script),
            "--json",
            str(out),
            *(["--quick"] if quick else []),
        ]
        if subprocess.run(command, stdout=sys.stderr).returncode:
            return None
        return [Row(**row) for row in json.loads(out.read_text())]


if __name__ == "__main__":
    main()
