"""The scores of a generator, each beside what a real sample would get.

Three real samples stand beside the generated one: the *held-out* objects that everything is
compared with, a *fresh* real sample (the floor that a perfect generator reaches) and the *training
set* (what one has without a generator). An absolute threshold means little for 30 training
objects, the comparison with the floors does.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sntorch.data.batch import LightCurveBatch
from sntorch.errors import DataError
from sntorch.generative.evaluate.comparisons import compare
from sntorch.generative.evaluate.distances import (
    bootstrap_intervals,
    ks_distance,
    wasserstein_distance,
)
from sntorch.generative.evaluate.impossible import impossible
from sntorch.generative.evaluate.memorisation import memorisation
from sntorch.generative.evaluate.samples import Contest, Sample
from sntorch.generative.evaluate.score_table import KS_TARGET
from sntorch.statistics.jsonable import jsonable

FEWEST = 2


def evaluate_generator(
    generated: LightCurveBatch,
    held_out: LightCurveBatch,
    train: LightCurveBatch,
    fresh: LightCurveBatch | None = None,
    seed: int = 0,
    n_resamples: int = 200,
    thorough: bool = True,
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
        thorough: Whether to train sequence classifiers (added to ``c2st``) and to compute
            ``mmd``, which takes a minute or two.

    Returns:
        Numbers that JSON can hold: ``peak`` (band -> KS and W1 of the peak magnitude with
        bootstrap interval and floors), ``features`` (the same for every feature), ``summary``,
        ``memorisation``, ``impossible``, ``n``, ``passed``; and for ``generated``, ``fresh`` and
        ``train`` each ``prdc``, ``c2st``, ``fan``, ``lengths``, ``errors``,
        ``raw_memorisation``, ``mmd`` as ``comparisons.compare`` has them. ``passed`` looks at the
        peaks, at copies among the features and at impossible observations only.

    Raises:
        DataError: Samples whose bands differ, or one of fewer than two objects.
    """
    samples = {"generated": generated, "held-out": held_out, "training": train, "fresh": fresh}
    _check_samples({name: one for name, one in samples.items() if one is not None})
    contest = Contest.between(
        *(Sample.of(batch) for batch in (generated, held_out, train)),
        fresh=None if fresh is None else Sample.of(fresh),
        seed=seed,
    )
    scores = {
        name: _scores(contest, name, seed, n_resamples) for name in contest.train.real.features
    }
    return jsonable(_assemble(scores, contest) | compare(contest, seed, n_resamples, thorough))


def _check_samples(samples: dict[str, LightCurveBatch]) -> None:
    bands = samples["held-out"].bands
    for name, sample in samples.items():
        if sample.bands != bands:
            raise DataError(
                f"{name} light curves in bands {sample.bands}, held-out ones in {bands}"
            )
        if len(sample) < FEWEST:
            raise DataError(f"{len(sample)} {name} light curves: a score needs at least {FEWEST}")


def _scores(contest: Contest, name: str, seed: int, n_resamples: int) -> dict[str, Any]:
    """Distances of one feature, with intervals and floors."""
    values = {
        k: (p.sample.features[name], p.real.features[name]) for k, p in contest.pairs().items()
    }
    out: dict[str, Any] = {}
    intervals = bootstrap_intervals(*values["generated"], seed, n_resamples)
    for kind, distance in (("ks", ks_distance), ("w1", wasserstein_distance)):
        out[kind] = distance(*values["generated"])
        out[f"{kind}_interval"] = list(intervals[kind])
        out[f"{kind}_fresh"] = distance(*values["fresh"])
        out[f"{kind}_train"] = distance(*values["train"])
    out["ratio_to_train"] = out["ks"] / out["ks_train"] if out["ks_train"] > 0 else float("nan")
    return out


def _assemble(scores: dict[str, dict[str, Any]], contest: Contest) -> dict[str, Any]:
    generated, held_out = contest.generated.sample.batch, contest.generated.real.batch
    known, real = contest.train.sample.features, contest.train.real.features
    peak = {band: scores[f"peak_mag_{band}"] for band in held_out.bands}
    copies = {
        name: memorisation(pair.sample.features, known, real).as_dict()
        for name, pair in contest.pairs().items()
    }
    wrong = impossible(generated)
    worst = float(np.max([score["ks"] for score in peak.values()]))
    passed = worst <= KS_TARGET and bool(copies["generated"]["passed"]) and not any(wrong.values())
    sizes = {
        "generated": len(generated),
        "held_out": len(held_out),
        "train": len(contest.train.sample),
    }
    tails = ("", "_fresh", "_train")
    return {
        "n": sizes,
        "summary": {
            "ks_peak_worst": worst,
            **{f"ks_{kind}": _mean(scores, kind) for kind in _kinds(scores, held_out.bands)},
            **{f"ks_mean{tail}": _average(scores, f"ks{tail}") for tail in tails},
            **{f"w1_peak{tail}": _average(peak, f"w1{tail}") for tail in tails},
        },
        "peak": peak,
        "memorisation": copies,
        "impossible": wrong,
        "passed": passed,
        "features": scores,
    }


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
