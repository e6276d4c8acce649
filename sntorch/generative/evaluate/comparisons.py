"""The scores that compare whole samples, each for the generated one and for its two floors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from sntorch.generative.encoding import MagnitudeEncoding
from sntorch.generative.evaluate.fan import fan_scores
from sntorch.generative.evaluate.lengths import error_scores, length_scores
from sntorch.generative.evaluate.memorisation import Whitening
from sntorch.generative.evaluate.mmd import median_distance, mmd, radial_kernel
from sntorch.generative.evaluate.prdc import prdc_scores
from sntorch.generative.evaluate.raw_copies import nearest_light_curve, raw_memorisation
from sntorch.generative.evaluate.samples import Contest, Pair, Sample
from sntorch.generative.evaluate.sequence_test import sequence_test
from sntorch.generative.evaluate.signatures import LightCurveSignatures
from sntorch.generative.evaluate.two_sample import feature_test

# Objects of each sample: more would take longer and say little more.
MOST = 2000
MOST_THOROUGH = 1000


def compare(contest: Contest, seed: int, n_resamples: int, thorough: bool) -> dict[str, Any]:
    """All scores of samples as a whole.

    Args:
        contest: The samples.
        seed: Seed of choices, classifiers and permutations.
        n_resamples: Resamples of bootstrap intervals.
        thorough: Whether to train sequence classifiers and to compute discrepancies (a minute).

    Returns:
        ``prdc``, ``c2st``, ``fan``, ``lengths``, ``errors``, ``raw_memorisation`` and, if
        thorough, ``mmd``; each with ``generated``, ``fresh`` and ``train``. For ``prdc`` a small
        training set is smaller than the other samples, for ``c2st`` and ``mmd`` it is repeated.
    """
    pairs, equal = contest.pairs(), contest.resized(seed, MOST)
    once = contest.resized(seed, MOST, repeat=False)
    train = contest.train.sample
    whiten = Whitening(train.features)
    scores = {
        "prdc": _each(
            once,
            lambda p: prdc_scores(
                whiten(p.sample.features), whiten(p.real.features), seed, n_resamples
            ),
        ),
        "c2st": _each(equal, lambda p: feature_test(p, seed, n_resamples)),
        "fan": _each(pairs, lambda p: fan_scores(p.sample.batch, p.real.batch)),
        "lengths": _each(pairs, lambda p: length_scores(p.sample.batch, p.real.batch)),
        "errors": _each(pairs, lambda p: error_scores(p.sample.batch, p.real.batch)),
        "raw_memorisation": _raw(contest, seed),
    }
    return _add_thorough(scores, contest, whiten, seed) if thorough else scores


def _add_thorough(
    scores: dict[str, Any], contest: Contest, whiten: Whitening, seed: int
) -> dict[str, Any]:
    equal = contest.resized(seed, MOST_THOROUGH)
    train = contest.train.sample
    encoding = MagnitudeEncoding.fit(train.batch.to("cpu"))
    for name, pair in equal.items():
        scores["c2st"][name]["sequence"] = sequence_test(
            pair.sample.batch, pair.real.batch, encoding, seed
        )
    signatures = LightCurveSignatures(train.batch)
    width = median_distance(whiten(train.features))
    scores["mmd"] = {
        name: {
            "features": _radial(pair, whiten, width, seed),
            "signature": _signature(pair, signatures, seed),
        }
        for name, pair in equal.items()
    }
    return scores


def _radial(pair: Pair, whiten: Whitening, width: float, seed: int) -> dict[str, float]:
    x = np.concatenate([whiten(pair.sample.features), whiten(pair.real.features)])
    return mmd(radial_kernel(x, x, width), len(pair.sample), seed)


def _signature(pair: Pair, signatures: LightCurveSignatures, seed: int) -> dict[str, float]:
    x = np.concatenate([signatures(pair.sample.batch), signatures(pair.real.batch)])
    return mmd(x @ x.T, len(pair.sample), seed)


def _raw(contest: Contest, seed: int) -> dict[str, Any]:
    """Copies in raw space; the training set, which is its own copy, is a check of the measure."""
    known = contest.train.sample.batch

    def distances(sample: Sample) -> np.ndarray:
        return nearest_light_curve(sample.resized(min(len(sample), MOST), seed).batch, known)

    theirs = distances(contest.train.real)
    return _each(contest.pairs(), lambda p: raw_memorisation(distances(p.sample), theirs))


def _each(pairs: Mapping[str, Pair], score: Callable[[Pair], Any]) -> dict[str, Any]:
    return {name: score(pair) for name, pair in pairs.items()}
