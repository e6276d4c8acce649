"""One conditional generator of all classes against one generator for each class, on PLAsTiCC.

The supernovae of PLAsTiCC's training set outside the deep drilling fields are halved, class by
class: one half to learn from, the other to compare with. Of the rare classes only 30, or 100, are
learned from. The conditional model sees all classes equally often, for as much CPU time a class as
a single-class model has. A score is the mean Kolmogorov-Smirnov distance over all summary features
between objects generated for a class and the other half of that class; beside it stand the objects
that were learned from and the whole learning half. A seed decides which objects are rare, and the
networks. Every model's scores are stored when it is done, so the same command goes on where it was
stopped.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from augmentation_results import markdown_table
from augmentation_targets import SEED, plasticc
from table import Row, markdown
from training_clock import built, quiet, train

from sntorch.atomic import atomic_write
from sntorch.data.batch import LightCurveBatch
from sntorch.data.datamodule import split_by_object
from sntorch.generative.evaluate.distances import ks_distance
from sntorch.generative.evaluate.samples import Sample

COMMON, RARE = ("Ia", "II"), ("Ibc", "Ia-91bg", "Iax", "SLSN-I")
NUMBERS = (30, 100)
MODELS = {"flow": "flow/matching", "gan": "gan/recurrent"}
N_GENERATED = 300
COMMAND = "python scripts/bench/conditional.py"


@dataclass(frozen=True)
class Job:
    """One model to train and score.

    Attributes:
        kinds: The classes that it learns.
        n: Objects of each rare class, or all where there are fewer.
        seed: Which objects those are, and the networks.
    """

    kinds: tuple[str, ...]
    n: int
    seed: int

    @property
    def conditional(self) -> bool:
        """Whether it learns several classes."""
        return len(self.kinds) > 1

    def place(self, folder: Path) -> Path:
        """The file of its scores."""
        return folder / f"{'+'.join(self.kinds)}_n{self.n:04d}_s{self.seed}.json"


@dataclass(frozen=True)
class Halves:
    """The learning half and the other half of all classes."""

    learning: Sample
    other: Sample

    @classmethod
    def of(cls, batch: LightCurveBatch) -> Halves:
        """Halve every class."""
        sample = Sample.of(batch)
        parts = split_by_object(batch.label.numpy(), (0.5, 0.5), SEED)
        return cls(*(sample.take(part) for part in parts))

    def training(self, job: Job) -> Sample:
        """What a job learns from."""
        rng = np.random.default_rng(job.seed)
        # Drawn for every class, so that all jobs of a seed have the same objects.
        order = {kind: rng.permutation(members(self.learning, kind)) for kind in COMMON + RARE}
        chosen = [order[kind][: job.n if kind in RARE else None] for kind in job.kinds]
        return self.learning.take(np.concatenate(chosen))


def members(sample: Sample, kind: str) -> np.ndarray:
    """Indices of the objects of a class."""
    label = sample.batch.classes.index(kind)
    return np.flatnonzero((sample.batch.label == label).numpy())


def mean_ks(one: Sample, other: Sample) -> float:
    """The mean distance over the features that both samples have."""
    each = [ks_distance(one.features[name], values) for name, values in other.features.items()]
    return float(np.nanmean(each))


def scores(job: Job, halves: Halves, model: str, seconds: float) -> dict[str, dict[str, float]]:
    """Train a job's model and score it on each of its classes."""
    known = halves.training(job)
    network = built(MODELS[model], f"seed={job.seed}")
    train(network, known.batch.trim(), seconds * len(job.kinds), job.seed, job.conditional)
    found = {}
    for kind in job.kinds:
        real, ours, half = (
            s.take(members(s, kind)) for s in (halves.other, known, halves.learning)
        )
        drawn = network.sample(N_GENERATED, condition={"type": kind}, seed=job.seed)
        found[kind] = {
            "n": float(len(ours)),
            "generated": mean_ks(Sample.of(drawn), real),
            "learned from": mean_ks(ours, real),
            "learning half": mean_ks(half, real),
        }
    return found


def measure(jobs: Sequence[Job], model: str, seconds: float, folder: Path) -> None:
    """Scores of all jobs that have none yet, a file each."""
    missing = [job for job in jobs if not job.place(folder).exists()]
    if not missing:
        return
    halves = Halves.of(plasticc(deep=False))
    for job in missing:
        found = scores(job, halves, model, seconds)
        with atomic_write(job.place(folder)) as draft:
            draft.write_text(json.dumps(found, indent=2) + "\n")


def planned(rare: Sequence[str], numbers: Sequence[int], seeds: Sequence[int]) -> list[Job]:
    """A conditional model for each number of rare objects, and one for each class and number."""
    jobs: list[Job] = []
    for seed in seeds:
        jobs += [Job((*COMMON, *rare), n, seed) for n in numbers]
        jobs += [Job((kind,), n, seed) for kind in rare for n in numbers]
        # All objects of these are learned from, whatever the number.
        jobs += [Job((kind,), max(numbers), seed) for kind in COMMON]
    return jobs


def lines(
    rare: Sequence[str], numbers: Sequence[int], seeds: Sequence[int], folder: Path
) -> Iterable[dict[str, str]]:
    """The cells of the table for each class and number of its objects."""
    pairs = [(kind, max(numbers)) for kind in COMMON]
    for kind, n in [*pairs, *((kind, n) for kind in rare for n in numbers)]:
        both, alone = (
            [json.loads(Job(kinds, n, s).place(folder).read_text())[kind] for s in seeds]
            for kinds in ((*COMMON, *rare), (kind,))
        )
        gain = [a["generated"] - b["generated"] for a, b in zip(both, alone, strict=True)]
        yield {
            "class": kind,
            "learned from": f"{both[0]['n']:.0f}",
            "conditional": listed(both, "generated"),
            "single class": listed(alone, "generated"),
            "conditional - single, mean": f"{np.mean(gain):+.3f}",
            "objects learned from": listed(both, "learned from"),
            "whole learning half": f"{both[0]['learning half']:.3f}",
        }


def listed(found: Sequence[dict[str, float]], name: str) -> str:
    """Mean, and the values of all seeds."""
    values = [each[name] for each in found]
    return f"{np.mean(values):.3f} ({', '.join(f'{v:.3f}' for v in values)})"


def bench_rows(cells: Iterable[dict[str, str]], model: str, seconds: float) -> Iterable[Row]:
    """The lines as rows of the common table of all bench scripts."""
    for line in cells:
        what = f"{MODELS[model]}, PLAsTiCC {line['class']}, n = {line['learned from']}"
        yield Row(
            "generative",
            f"{what}, {seconds:.0f} CPU s a class: mean KS, conditional; single class",
            "no worse if common, better if rare",
            f"{line['conditional']}; {line['single class']}",
            f"learned from {line['objects learned from']}; half {line['whole learning half']}",
            line["conditional - single, mean"],
        )


def main() -> None:
    """Parse the options of all bench scripts and those of this study."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the version that make bench runs")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    parser.add_argument("--model", default="flow", choices=tuple(MODELS))
    parser.add_argument("--rare", nargs="+", default=list(RARE), choices=RARE)
    parser.add_argument("--n", type=int, nargs="+", default=list(NUMBERS))
    parser.add_argument("--seconds", type=float, default=60, help="CPU time a class")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--folder", type=Path, default=Path("outputs/conditional"))
    options = parser.parse_args()
    if options.quick:
        what = "one conditional model against single-class models, PLAsTiCC"
        measured = [Row("generative", what, "reported", COMMAND, met="run")]
        print(markdown(measured))
    else:
        cells = whole(options)
        measured = list(bench_rows(cells, options.model, options.seconds))
        print(markdown_table(cells))
    if options.json:
        options.json.write_text(json.dumps([vars(row) for row in measured], indent=2) + "\n")


def whole(options: argparse.Namespace) -> list[dict[str, str]]:
    """Measure what is missing, and give the lines of the table."""
    quiet()
    chosen = options.rare, options.n, options.seeds
    folder = options.folder / f"{options.model}_{options.seconds:.0f}s"
    measure(planned(*chosen), options.model, options.seconds, folder)
    return list(lines(*chosen, folder))


if __name__ == "__main__":
    main()
