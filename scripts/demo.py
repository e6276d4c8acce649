"""The main job on the built-in default, as a new user would type it; ``make demo`` runs this."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

# Fewer than the experiment's own, so that a busy machine stays within ten minutes too.
EPOCHS = "trainer.max_epochs=300"


def main() -> None:
    """Simulate and train, generate, evaluate; each step is a command of its own."""
    run = Path("outputs") / "demo" / datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    started = time.monotonic()
    step(
        "1/3 simulate 350 SNe Ia (griz) and train the recurrent GAN on them",
        ["train", "experiment=gan_ia", "task=demo", EPOCHS, f"hydra.run.dir={run}", *sys.argv[1:]],
    )
    generated = run / "generated.parquet"
    step(
        "2/3 generate 2,000 light curves",
        ["generate", f"ckpt={run}", "n=2000", "seed=1", f"out={generated}"],
    )
    step(
        "3/3 score them against 3,000 held-out SNe that the GAN never saw",
        [
            "evaluate",
            "task=generator",
            f"ckpt={run}",
            f"generated={generated}",
            f"out={run}",
            "thorough=false",
        ],
    )
    print(f"\nDone in {(time.monotonic() - started) / 60:.1f} minutes. Where to look:")
    for path, what in (
        ("generated.parquet", "2,000 light curves, one row an object"),
        ("metrics.json", "the scores, each beside its floors"),
        ("figures/", "examples, peak magnitudes, population, errors"),
        ("tensorboard/", f"tensorboard --logdir {run}"),
    ):
        print(f"  {run / path}  {what}")


def step(title: str, arguments: list[str]) -> None:
    """Announce and run one ``sntorch`` command; stop at the first that fails."""
    command = [sys.executable, "-m", "sntorch.cli.main", *arguments]
    print(f"\n== {title}\n   $ sntorch {' '.join(arguments)}", flush=True)
    code = subprocess.run(command).returncode
    if code:
        sys.exit(code)


if __name__ == "__main__":
    main()
