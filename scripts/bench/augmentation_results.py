"""Scores of the augmentation experiment: stored as they come, as tables, as a figure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from table import Row

from sntorch.atomic import atomic_write
from sntorch.plotting.augmentation import augmentation_gain
from sntorch.statistics.estimate import Estimate
from sntorch.statistics.paired import difference, gap_closed, mean

# Scores by arm, for each number of rare objects and repetition.
Results = dict[int, list[dict[str, dict[str, float]]]]
COLUMNS = ("target", "n", "arm", "AP", "against none", "against jitter", "gap closed", "AUC")


class Store:
    """What was measured in each repetition, a file each.

    Args:
        folder: Where they lie.
        settings: What scores depend on beside the trial; a file with others is not used.
    """

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        self.folder, self.settings = folder, settings

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


def column(found: Results, n: int, arm: str, score: str) -> list[float]:
    """A score of an arm in every repetition."""
    return [scores[arm][score] for scores in found[n]]


def lines(found: Results, arms: Sequence[str], target: str) -> Iterable[dict[str, str]]:
    """The cells of ``COLUMNS`` for each arm and number of rare objects."""
    for n in found:
        for arm in arms:
            own, none, jitter, oracle = (
                column(found, n, name, "ap") for name in (arm, "none", "jitter", "oracle")
            )
            cells = [
                str(mean(own)),
                "" if arm == "none" else signed(difference(own, none)),
                "" if arm in ("none", "jitter") else signed(difference(own, jitter)),
                "" if arm in ("none", "oracle") else gap(own, none, oracle),
                str(mean(column(found, n, arm, "auc"))),
            ]
            yield dict(zip(COLUMNS, (target, str(n), arm, *cells), strict=True))


def gap(own: list[float], none: list[float], oracle: list[float]) -> str:
    """The share of the gap that an arm closes, where real objects show that there is one."""
    return str(gap_closed(own, none, oracle)) if difference(oracle, none).low > 0 else "no gap"


def signed(estimate: Estimate) -> str:
    """A difference with its sign."""
    return f"{estimate.value:+.3f} [{estimate.low:+.3f}, {estimate.high:+.3f}]"


def markdown_table(cells: Sequence[dict[str, str]]) -> str:
    """The lines as a Markdown table."""
    head = list(cells[0])
    body = [head, ["---"] * len(head), *(list(line.values()) for line in cells)]
    return "\n".join(f"| {' | '.join(line)} |" for line in body)


def bench_rows(cells: Iterable[dict[str, str]], repetitions: int) -> Iterable[Row]:
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

    def curve(of: Callable[[int], Estimate]) -> dict[int, tuple[float, float, float]]:
        return {n: (e.value, e.low, e.high) for n in found for e in [of(n)]}

    def ap(n: int, arm: str) -> list[float]:
        return column(found, n, arm, "ap")

    scores = {arm: curve(lambda n, a=arm: mean(ap(n, a))) for arm in arms}
    gains = {
        arm: curve(lambda n, a=arm: difference(ap(n, a), ap(n, "none")))
        for arm in arms
        if arm != "none"
    }
    with atomic_write(path) as draft:
        figure = augmentation_gain(scores, gains, f"AP at 3 % {rare}", "none")
        figure.savefig(draft, dpi=150)
