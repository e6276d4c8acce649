"""Scores of the augmentation experiment: stored as they come, as tables, as a figure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from table import Row

from sntorch.atomic import atomic_write
from sntorch.generative.evaluate.precision import Precisions
from sntorch.plotting.augmentation import augmentation_gain
from sntorch.statistics.estimate import Estimate

# Probabilities of test objects and scores by arm, for each number of rare objects and repetition.
Results = dict[int, list[dict[str, dict[str, Any]]]]
Line = dict[str, str]
# A number with the ends of its interval.
Ends = tuple[float, float, float]
COLUMNS = ("target", "n", "arm", "AP", "against none", "against jitter", "gap closed", "AUC")


class Store:
    """What was measured in each repetition, a file each.

    Args:
        folder: Where they lie.
        settings: What scores depend on beside the trial; a file with others is not used.
    """

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        # Earlier scores, whose phases counted from ``t_ref``, are others.
        self.folder, self.settings = folder, {"phases from": "trigger", **settings}

    def load(self, n: int, repetition: int) -> dict[str, Any]:
        """What is known of each arm, empty where there is nothing yet."""
        path = self._path(n, repetition)
        if not path.exists():
            return {}
        content = json.loads(path.read_text())
        if content["settings"] != self.settings:
            raise SystemExit(f"{path}: other settings, {content['settings']}; name a new folder")
        return content["arms"]

    def save(self, n: int, repetition: int, arms: dict[str, Any]) -> None:
        """Write what is known of a repetition."""
        content = {"settings": self.settings, "n": n, "repetition": repetition, "arms": arms}
        with atomic_write(self._path(n, repetition)) as draft:
            draft.write_text(json.dumps(content, indent=2) + "\n")

    def _path(self, n: int, repetition: int) -> Path:
        return self.folder / f"n{n:04d}_r{repetition:03d}.json"


def lines(found: Results, arms: Sequence[str], target: str) -> Iterable[Line]:
    """The cells of ``COLUMNS`` for each arm and number of rare objects."""
    for n, each in found.items():
        precisions = precisions_of(each, arms)
        for arm in arms:
            cells = [
                str(precisions.mean(arm)),
                "" if arm == "none" else signed(precisions.gain(arm, "none")),
                "" if arm in ("none", "jitter") else signed(precisions.gain(arm, "jitter")),
                "" if arm in ("none", "oracle") else gap(precisions, arm),
                f"{np.mean([one[arm]['auc'] for one in each]):.3f}",
            ]
            yield dict(zip(COLUMNS, (target, str(n), arm, *cells), strict=True))


def precisions_of(each: list[dict[str, dict[str, Any]]], arms: Sequence[str]) -> Precisions:
    """Average precision of the arms, of the repetitions of one number of rare objects."""
    truth = np.repeat([0, 1], each[0][arms[0]]["test"])
    named = dict.fromkeys((*arms, "none", "jitter", "oracle"))
    scores = {arm: np.array([one[arm]["probability"] for one in each]) for arm in named}
    return Precisions.of(truth, scores)


def gap(precisions: Precisions, arm: str) -> str:
    """The share of the gap that an arm closes, where real objects show that there is one."""
    there_is = precisions.gain("oracle", "none").low > 0
    return str(precisions.gap_closed(arm)) if there_is else "no gap"


def signed(estimate: Estimate) -> str:
    """A difference with its sign."""
    return f"{estimate.value:+.3f} [{estimate.low:+.3f}, {estimate.high:+.3f}]"


def markdown_table(cells: Sequence[Line]) -> str:
    """The lines as a Markdown table."""
    head = list(cells[0])
    body = [head, ["---"] * len(head), *(list(line.values()) for line in cells)]
    return "\n".join(f"| {' | '.join(line)} |" for line in body)


def bench_rows(cells: Iterable[Line], repetitions: int) -> Iterable[Row]:
    """The lines as rows of the common table of all bench scripts."""
    for line in cells:
        what = f"augmentation, {line['target']}, n = {line['n']}, {repetitions} repetitions"
        against = (f"{name} {line[name]}" for name in ("against none", "against jitter"))
        yield Row(
            "generative",
            f"{what}, {line['arm']}: AP at 3 % rare objects; AUC; gap closed",
            "reported",
            "; ".join(line.get(name) or "-" for name in ("AP", "AUC", "gap closed")),
            "; ".join(text for text in against if text.endswith("]")) or "-",
        )


def draw(found: Results, arms: Sequence[str], rare: str, path: Path) -> None:
    """Average precision of all arms against the number of rare objects."""
    scores: dict[str, dict[int, Ends]] = {arm: {} for arm in arms}
    gains: dict[str, dict[int, Ends]] = {arm: {} for arm in arms if arm != "none"}
    for n, each in found.items():
        of = precisions_of(each, arms)
        for arm in arms:
            scores[arm][n] = _ends(of.mean(arm))
            if arm != "none":
                gains[arm][n] = _ends(of.gain(arm, "none"))
    with atomic_write(path) as draft:
        figure = augmentation_gain(scores, gains, f"AP at 3 % {rare}", "none")
        figure.savefig(draft, dpi=150)


def _ends(estimate: Estimate) -> Ends:
    return estimate.value, estimate.low, estimate.high
