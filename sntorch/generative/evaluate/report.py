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
from sntorch.features.summary import peak_magnitudes, quantity, summary_features
from sntorch.generative.evaluate.comparisons import compare
from sntorch.generative.evaluate.distances import (
    Array,
    bootstrap_intervals,
    ks_distance,
    wasserstein_distance,
)
from sntorch.generative.evaluate.impossible import impossible
from sntorch.generative.evaluate.memorisation import memorisation
from sntorch.generative.evaluate.samples import Contest, Describe, Sample
from sntorch.generative.evaluate.score_table import checks
from sntorch.statistics.jsonable import jsonable

FEWEST = 2
# A number of a sample and of the real one that it is compared with, by pair of the contest.
Values = dict[str, tuple[Array, Array]]


def evaluate_generator(
    generated: LightCurveBatch,
    held_out: LightCurveBatch,
    train: LightCurveBatch,
    fresh: LightCurveBatch | None = None,
    seed: int = 0,
    n_resamples: int = 200,
    thorough: bool = True,
    features: Describe = summary_features,
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
        features: Gives the features of a batch, name -> shape (B,), NaN where missing. Names
            ``<quantity>_<band>`` join the bands of a quantity in ``summary``.

    Returns:
        Numbers that JSON can hold: ``peak`` (band -> KS and W1 of the peak magnitude with
        bootstrap interval and floors), ``features`` (the same for every feature),
        ``feature_set`` (which function gave them), ``summary``, ``memorisation``,
        ``impossible``, ``n``, ``passed``; and for ``generated``, ``fresh`` and ``train`` each
        ``prdc``, ``c2st``, ``fan``, ``lengths``, ``errors``, ``raw_memorisation``, ``mmd`` as
        ``comparisons.compare`` has them. ``passed`` looks at what ``score_table.checks`` does:
        the peaks, copies of training objects and of their light curves, impossible observations.

    Raises:
        DataError: Samples whose bands differ, one of fewer than two objects, or features of
            another shape.
    """
    samples = {"generated": generated, "held-out": held_out, "training": train, "fresh": fresh}
    _check_samples({name: one for name, one in samples.items() if one is not None})
    contest = Contest.between(
        *(Sample.of(batch, features) for batch in (generated, held_out, train)),
        fresh=None if fresh is None else Sample.of(fresh, features),
        seed=seed,
    )
    scores = {
        name: _scores(_values(contest, name), seed, n_resamples)
        for name in contest.train.real.features
    }
    peak = {band: _scores(values, seed, n_resamples) for band, values in _peaks(contest).items()}
    found = {"feature_set": _name(features)} | _assemble(scores, peak, contest)
    found |= compare(contest, seed, n_resamples, thorough)
    metrics = jsonable(found)
    return metrics | {"passed": all(checks(metrics).values())}


def _check_samples(samples: dict[str, LightCurveBatch]) -> None:
    bands = samples["held-out"].bands
    for name, sample in samples.items():
        if sample.bands != bands:
            raise DataError(
                f"{name} light curves in bands {sample.bands}, held-out ones in {bands}"
            )
        if len(sample) < FEWEST:
            raise DataError(f"{len(sample)} {name} light curves: a score needs at least {FEWEST}")


def _name(features: Describe) -> str:
    """Module and name of a function, or of the class of another callable."""
    named = features if hasattr(features, "__qualname__") else type(features)
    return f"{named.__module__}.{named.__qualname__}"


def _values(contest: Contest, name: str) -> Values:
    """One feature of each pair."""
    return {
        k: (p.sample.features[name], p.real.features[name]) for k, p in contest.pairs().items()
    }


def _peaks(contest: Contest) -> dict[str, Values]:
    """The peak magnitudes of each pair, by band: the verdict needs them whatever the features."""
    peaks = {
        k: (peak_magnitudes(p.sample.batch), peak_magnitudes(p.real.batch))
        for k, p in contest.pairs().items()
    }
    bands = contest.train.real.batch.bands
    return {band: {k: (x[band], y[band]) for k, (x, y) in peaks.items()} for band in bands}


def _scores(values: Values, seed: int, n_resamples: int) -> dict[str, Any]:
    """Distances of one number, with intervals and floors."""
    out: dict[str, Any] = {}
    intervals = bootstrap_intervals(*values["generated"], seed, n_resamples)
    for kind, distance in (("ks", ks_distance), ("w1", wasserstein_distance)):
        out[kind] = distance(*values["generated"])
        out[f"{kind}_interval"] = list(intervals[kind])
        out[f"{kind}_fresh"] = distance(*values["fresh"])
        out[f"{kind}_train"] = distance(*values["train"])
    out["ratio_to_train"] = out["ks"] / out["ks_train"] if out["ks_train"] > 0 else float("nan")
    return out


def _assemble(
    scores: dict[str, dict[str, Any]], peak: dict[str, dict[str, Any]], contest: Contest
) -> dict[str, Any]:
    generated, held_out = contest.generated.sample.batch, contest.generated.real.batch
    known, real = contest.train.sample.features, contest.train.real.features
    copies = {
        name: memorisation(pair.sample.features, known, real).as_dict()
        for name, pair in contest.pairs().items()
    }
    worst = float(np.max([score["ks"] for score in peak.values()]))
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
            **_by_quantity(scores, held_out.bands),
            **{f"ks_mean{tail}": _average(scores, f"ks{tail}") for tail in tails},
            **{f"w1_peak{tail}": _average(peak, f"w1{tail}") for tail in tails},
        },
        "peak": peak,
        "memorisation": copies,
        "impossible": impossible(generated),
        "features": scores,
    }


def _by_quantity(scores: dict[str, dict[str, Any]], bands: tuple[str, ...]) -> dict[str, float]:
    """Mean KS over the bands, of every quantity."""
    kinds = {name: quantity(name, bands) for name in scores}
    return {
        f"ks_{kind}": _average({k: v for k, v in scores.items() if kinds[k] == kind}, "ks")
        for kind in dict.fromkeys(kinds.values())
    }


def _average(scores: dict[str, dict[str, Any]], key: str) -> float:
    values = [score[key] for score in scores.values() if np.isfinite(score[key])]
    return float(np.mean(values)) if values else float("nan")
