"""Answers of the classifiers of the transfer studies: stored as they come, and their scores.

Intervals are of a bootstrap that draws seeds and test objects again, the same ones for both arms
of a difference; with three seeds it knows little of what another training would give.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from table import Row

from sntorch.atomic import atomic_write
from sntorch.classification.evaluate.ranking import pr_auc, roc_auc
from sntorch.statistics.estimate import Estimate, interval

N_RESAMPLES = 1000
Array = NDArray[np.float64]
Score = Callable[[NDArray[np.bool_], Array], float]


def balanced_accuracy(truth: NDArray[np.bool_], probability: Array) -> float:
    """Mean of the shares of both classes that are on their side of one half."""
    above = probability > 0.5
    if truth.all() or not truth.any():
        return float("nan")
    return float((above[truth].mean() + (~above)[~truth].mean()) / 2)


def accuracy(truth: NDArray[np.bool_], probability: Array) -> float:
    """Share of the objects that are on the right side of one half."""
    return float(((probability > 0.5) == truth).mean())


SCORES: dict[str, Score] = {
    "AUC": roc_auc,
    "PR AUC": pr_auc,
    "balanced accuracy": balanced_accuracy,
    "accuracy": accuracy,
}


@dataclass(frozen=True, eq=False)
class Answers:
    """What the classifiers of one seed said of the same objects.

    Attributes:
        truth: Whether an object is a SN Ia, shape (N,).
        arms: Probability of that by arm, shape (N,) each.
        facts: What else is known, as JSON has it; ``settings`` among it.
    """

    truth: NDArray[np.bool_]
    arms: dict[str, Array]
    facts: dict[str, Any]

    def write(self, path: Path) -> None:
        """Into a file of their own."""
        arms = {f"arm {name}": value for name, value in self.arms.items()}
        with atomic_write(path) as draft, draft.open("wb") as file:
            np.savez(file, truth=self.truth, facts=json.dumps(self.facts), **arms)  # pyright: ignore[reportArgumentType]

    @classmethod
    def read(cls, path: Path) -> Answers:
        """From that file."""
        with np.load(path, allow_pickle=False) as file:
            arms = {n.removeprefix("arm "): file[n] for n in file.files if n.startswith("arm ")}
            return cls(file["truth"], arms, json.loads(str(file["facts"])))


def stored(path: Path, settings: dict[str, Any], make: Callable[[], Answers]) -> Answers:
    """What is in a file, or what is then made and written to it; other settings are refused."""
    if not path.exists():
        found = make()
        Answers(found.truth, found.arms, {**found.facts, "settings": settings}).write(path)
        print(path, flush=True)
    answers = Answers.read(path)
    if answers.facts["settings"] != settings:
        raise SystemExit(f"{path}: other settings, {answers.facts['settings']}; name a new folder")
    return answers


def estimate(
    runs: Sequence[Answers], score: Score, arm: str, against: str | None = None
) -> Estimate:
    """The mean of a score over seeds, or of its difference from another arm's.

    Args:
        runs: The same number of objects in each seed.
        score: Of ``SCORES``.
        arm: Whose score.
        against: The arm that is subtracted.
    """
    rng = np.random.default_rng(0)
    n = len(runs[0].truth)

    def value(seeds: Sequence[int], objects: Any) -> float:
        each = []
        for seed in seeds:
            run = runs[seed]
            found = [score(run.truth[objects], run.arms[arm][objects])]
            if against is not None:
                found.append(-score(run.truth[objects], run.arms[against][objects]))
            each.append(sum(found))
        return float(np.mean(each))

    draws = [
        value(rng.integers(len(runs), size=len(runs)).tolist(), rng.integers(n, size=n))
        for _ in range(N_RESAMPLES)
    ]
    return interval(value(range(len(runs)), slice(None)), draws)


def floor(runs: Sequence[Answers]) -> str:
    """What no knowledge would get."""
    share = float(np.mean([run.truth.mean() for run in runs]))
    return f"floor 0.500; {share:.3f}; 0.500; {max(share, 1 - share):.3f}"


def arm_rows(
    part: str, what: str, runs: Sequence[Answers], arms: Sequence[str], against: str
) -> Iterator[Row]:
    """A row an arm: its scores and the floor, then its difference from another arm."""
    names = "; ".join(SCORES)
    for arm in arms:
        own = "; ".join(str(estimate(runs, score, arm)) for score in SCORES.values())
        if arm == against:
            gain = "-"
        else:
            gaps = [estimate(runs, SCORES[s], arm, against) for s in ("AUC", "balanced accuracy")]
            signed = (f"{g.value:+.3f} [{g.low:+.3f}, {g.high:+.3f}]" for g in gaps)
            gain = f"less {against} (AUC; balanced accuracy): " + "; ".join(signed)
        label = f"{what}, {len(runs)} seed(s), {arm}: {names}"
        yield Row(part, label, "reported", own, floor(runs), gain)
