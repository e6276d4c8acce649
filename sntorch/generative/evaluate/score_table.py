"""The scores of a generator that matter most, each beside its floors, as rows of a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sntorch.generative.evaluate.memorisation import MOST_COPIES

# Largest KS distance of the peak magnitudes of a sample that passes.
KS_TARGET = 0.10
SAMPLES = ("generated", "fresh", "train")
HEADINGS = ("score", "ideal", "generated", "95% interval", "fresh real", "training")
# Section and key of a score, its name, and what a perfect generator gets.
WHOLE = (
    ("c2st.all.auc", "classifier AUC, features", "0.5"),
    ("c2st.no_cadence.auc", "classifier AUC, no cadence", "0.5"),
    ("c2st.sequence.auc", "classifier AUC, sequences", "0.5"),
    ("c2st.all.p_value", "classifier p-value, features", ">0.05"),
    ("prdc.precision", "precision", "fresh"),
    ("prdc.recall", "recall", "fresh"),
    ("prdc.density", "density", "1"),
    ("prdc.coverage", "coverage", "0.97"),
    ("mmd.features.mmd2", "MMD², features", "0"),
    ("mmd.features.p_value", "MMD² p-value, features", ">0.05"),
    ("mmd.signature.mmd2", "MMD², signatures", "0"),
    ("mmd.signature.p_value", "MMD² p-value, signatures", ">0.05"),
    ("fan.mean.median", "population: medians apart (σ)", "fresh"),
    ("fan.mean.width", "population: ln width ratio", "fresh"),
    ("lengths.mean.chi2", "number of observations, χ²/dof", "1"),
    ("errors.mean", "errors at given magnitude, KS", "fresh"),
    ("memorisation.ratio", "nearest-neighbour ratio", ">=0.90"),
    ("memorisation.copies", "copies", "<=0.02"),
    ("raw_memorisation.ratio", "nearest light curve ratio", ">=0.90"),
    ("raw_memorisation.copies", "copies of light curves", "<=0.02"),
)
# Scores of the two gates against copies, and what a failed one has found.
GATES = {
    "memorisation": "copies of training objects",
    "raw_memorisation": "copies of light curves",
}


@dataclass(frozen=True)
class Row:
    """A score beside its floors.

    Attributes:
        name: What it is.
        ideal: What a perfect generator gets; ``fresh``: what the fresh real sample gets.
        values: Of the generated sample, the fresh one and the training set; None where unknown.
        interval: 95 % interval of the first value, or None.
    """

    name: str
    ideal: str
    values: tuple[float | None, ...]
    interval: list[float | None] | None = None

    def cells(self) -> tuple[str, ...]:
        """The texts of the row, in the order of ``HEADINGS``."""
        ends = "" if self.interval is None else " - ".join(number(end) for end in self.interval)
        generated, fresh, train = (number(value) for value in self.values)
        return self.name, self.ideal, generated, ends, fresh, train


def rows(metrics: dict[str, Any]) -> Iterator[Row]:
    """The scores that matter most; those that were not computed are left out."""
    for band, score in metrics["peak"].items():
        values = tuple(score[key] for key in ("ks", "ks_fresh", "ks_train"))
        yield Row(
            f"KS of peak magnitude, {band}", f"<={KS_TARGET:.2f}", values, score["ks_interval"]
        )
    for key, name in (("w1_peak", "W1 of peak magnitude (mag)"), ("ks_mean", "mean KS, features")):
        values = tuple(metrics["summary"][f"{key}{tail}"] for tail in ("", "_fresh", "_train"))
        yield Row(name, "fresh", values)
    for place, name, ideal in WHOLE:
        section, *path = place.split(".")
        if section not in metrics:
            continue
        values = [_at(metrics[section][sample], path) for sample in SAMPLES]
        if all(value is None for value in values):
            continue
        interval = _at(metrics[section]["generated"], [*path[:-1], f"{path[-1]}_interval"])
        expected = _at(metrics[section]["generated"], [*path[:-1], f"expected_{path[-1]}"])
        # The share that new objects would have depends on how many were held out.
        beside = "" if expected is None else f" ({number(expected)} by chance)"
        most = _at(metrics[section]["generated"], [*path[:-1], f"most_{path[-1]}"])
        mark = ideal if most is None else f"<={number(most)}"
        yield Row(name + beside, mark, tuple(values), interval)


def checks(metrics: Mapping[str, Any]) -> dict[str, bool | None]:
    """Whether the generated sample passed, by what was looked at.

    None where it is not known (no light curve overlaps with a training one, say), which is not
    passed either: nothing speaks for such a sample.

    Args:
        metrics: As ``evaluate_generator`` returns them.
    """
    worst = metrics["summary"]["ks_peak_worst"]
    return {
        "peak magnitudes": None if worst is None else worst <= KS_TARGET,
        **{found: _gate(metrics[name]["generated"]) for name, found in GATES.items()},
        "impossible observations": not _impossible(metrics),
    }


def verdict(metrics: Mapping[str, Any]) -> str:
    """Did the sample pass, and if not, what it failed."""
    found = checks(metrics)
    failed = [
        f"{name} (not known)" if passed is None else name
        for name, passed in found.items()
        if not passed
    ]
    share = f"share of impossible observations {_impossible(metrics):g}"
    if not failed:
        return f"passed: {', '.join(found)}; {share}"
    return f"not passed: {', '.join(failed)}; looked at: {', '.join(found)}; {share}"


def _gate(copies: Mapping[str, Any]) -> bool | None:
    """Whether a gate against copies was passed; None if a score is missing and none is bad."""
    few = copies["copies"] is None or copies["copies"] <= copies.get("most_copies", MOST_COPIES)
    unknown = copies["ratio"] is None and few
    return None if unknown else copies["passed"]


def _impossible(metrics: Mapping[str, Any]) -> float:
    return sum(value for value in metrics["impossible"].values() if value is not None)


def _at(values: Any, path: list[str]) -> Any:
    """An entry of nested dictionaries, None where there is none."""
    for key in path:
        values = values.get(key) if isinstance(values, dict) else None
    return values


def number(score: float | None) -> str:
    """A score, or a dash where there was nothing to score."""
    if score is None:
        return "-"
    return f"{score:.3f}" if abs(score) >= 1e-3 or score == 0 else f"{score:.0e}"
