"""The scores of a generator, each beside what a real sample would get.

Three real samples stand beside the generated one: the *held-out* objects that everything is
compared with, a *fresh* real sample (the floor that a perfect generator reaches) and the *training
set* (what one has without a generator). An absolute threshold means little for 30 training
objects, the comparison with the floors does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from sntorch.data.batch import LightCurveBatch
from sntorch.errors import DataError
from sntorch.generative.evaluate.distances import (
    Array,
    bootstrap_intervals,
    ks_distance,
    wasserstein_distance,
)
from sntorch.generative.evaluate.features import impossible, summary_features
from sntorch.generative.evaluate.memorisation import memorisation

KS_TARGET = 0.10
FEWEST = 2
Features = dict[str, Array]


def evaluate_generator(
    generated: LightCurveBatch,
    held_out: LightCurveBatch,
    train: LightCurveBatch,
    fresh: LightCurveBatch | None = None,
    seed: int = 0,
    n_resamples: int = 200,
) -> dict[str, Any]:
    """Score a generated sample.

    Args:
        generated: Generated light curves; 2,000 or more give steady scores.
        held_out: Real light curves that had no part in training or in choosing a model.
        train: The training set.
        fresh: A further real sample for the floor; default: one half of ``held_out`` against the
            other.
        seed: Seed of the bootstrap and of the halves.
        n_resamples: Resamples of the bootstrap intervals.

    Returns:
        Numbers that JSON can hold: ``peak`` (band -> KS and W1 of the peak magnitude with
        bootstrap interval and floors), ``features`` (the same for every feature), ``summary``,
        ``memorisation``, ``impossible``, ``n``, ``passed``.

    Raises:
        DataError: Samples whose bands differ, or one of fewer than two objects.
    """
    samples = {"generated": generated, "held-out": held_out, "training": train, "fresh": fresh}
    _check_samples({name: one for name, one in samples.items() if one is not None})
    ours, real, known = (summary_features(b) for b in (generated, held_out, train))
    floor, base = _floor_samples(fresh, real, len(held_out), seed)
    scores = {
        name: _scores(
            ours[name], real[name], known[name], floor[name], base[name], (seed, n_resamples)
        )
        for name in real
    }
    return _assemble(scores, generated, held_out, train, (ours, real, known, floor))


def _check_samples(samples: dict[str, LightCurveBatch]) -> None:
    bands = samples["held-out"].bands
    for name, sample in samples.items():
        if sample.bands != bands:
            raise DataError(
                f"{name} light curves in bands {sample.bands}, held-out ones in {bands}"
            )
        if len(sample) < FEWEST:
            raise DataError(f"{len(sample)} {name} light curves: a score needs at least {FEWEST}")


def _floor_samples(
    fresh: LightCurveBatch | None, real: Features, n: int, seed: int
) -> tuple[Features, Features]:
    """A fresh real sample and what it is compared with, as features."""
    if fresh is not None:
        return summary_features(fresh), real
    order = np.random.default_rng(seed).permutation(n)
    halves = order[: n // 2], order[n // 2 :]
    first, second = ({k: v[half] for k, v in real.items()} for half in halves)
    return first, second


def _scores(
    ours: Array, real: Array, known: Array, floor: Array, base: Array, resampling: tuple[int, int]
) -> dict[str, Any]:
    out: dict[str, Any] = {}
    intervals = bootstrap_intervals(ours, real, *resampling)
    for name, distance in (("ks", ks_distance), ("w1", wasserstein_distance)):
        out[name] = distance(ours, real)
        out[f"{name}_interval"] = list(intervals[name])
        out[f"{name}_fresh"] = distance(floor, base)
        out[f"{name}_train"] = distance(known, real)
    out["ratio_to_train"] = out["ks"] / out["ks_train"] if out["ks_train"] > 0 else float("nan")
    return out


def _assemble(
    scores: dict[str, dict[str, Any]],
    generated: LightCurveBatch,
    held_out: LightCurveBatch,
    train: LightCurveBatch,
    features: tuple[Features, Features, Features, Features],
) -> dict[str, Any]:
    ours, real, known, floor = features
    peak = {band: scores[f"peak_mag_{band}"] for band in held_out.bands}
    copies = {
        "generated": memorisation(ours, known, real).as_dict(),
        "fresh": memorisation(floor, known, real).as_dict(),
        "train": memorisation(known, known, real).as_dict(),
    }
    wrong = impossible(generated)
    worst = float(np.max([score["ks"] for score in peak.values()]))
    passed = worst <= KS_TARGET and bool(copies["generated"]["passed"]) and not any(wrong.values())
    return _clean(
        {
            "n": {"generated": len(generated), "held_out": len(held_out), "train": len(train)},
            "summary": {
                "ks_peak_worst": worst,
                **{f"ks_{kind}": _mean(scores, kind) for kind in _kinds(scores, held_out.bands)},
                **{
                    f"ks_mean{tail}": _average(scores, f"ks{tail}")
                    for tail in ("", "_fresh", "_train")
                },
                **{
                    f"w1_peak{tail}": _average(peak, f"w1{tail}")
                    for tail in ("", "_fresh", "_train")
                },
            },
            "peak": peak,
            "memorisation": copies,
            "impossible": wrong,
            "passed": passed,
            "features": scores,
        }
    )


def _kinds(scores: dict[str, dict[str, Any]], bands: tuple[str, ...]) -> list[str]:
    return list(dict.fromkeys(_kind(name, bands) for name in scores))


def _kind(name: str, bands: tuple[str, ...]) -> str:
    """The quantity of a feature's name, without its band or bands."""
    tails = [f"_{a}_{b}" for a in bands for b in bands] + [f"_{b}" for b in bands]
    return next((name.removesuffix(tail) for tail in tails if name.endswith(tail)), name)


def _mean(scores: dict[str, dict[str, Any]], kind: str) -> float:
    chosen = {k: v for k, v in scores.items() if k.startswith(f"{kind}_")}
    return _average(chosen, "ks")


def _average(scores: dict[str, dict[str, Any]], key: str) -> float:
    values = [score[key] for score in scores.values() if np.isfinite(score[key])]
    return float(np.mean(values)) if values else float("nan")


def _clean(value: Any) -> Any:
    """The same with None for NaN, which JSON does not have."""
    if isinstance(value, dict):
        return {key: _clean(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(entry) for entry in value]
    if isinstance(value, float | np.floating | torch.Tensor):
        return float(value) if np.isfinite(float(value)) else None
    return value
