"""The page that goes with a published generator: what it is, what it learned from, how good it is
and what it must not be used for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sntorch.generative.conditions import Conditions
from sntorch.generative.evaluate.score_table import GATES, HEADINGS, checks, number, rows, verdict
from sntorch.generative.properties import TYPE
from sntorch.generative.training_facts import FEW_OBJECTS

N_WORST = 5
USE = """\
Made to add light curves to the training set of a classifier (`sntorch augment`), and to test
pipelines. Not made for rates, luminosity functions or cosmology: classes, redshifts and brightness
are as frequent as in the training set, with all of its selection, and an object that the survey
does not find does not occur. A generated light curve is no observation; keep the columns that say
so (`sntorch augment` writes them)."""
UNSCORED = """\
None were computed. `sntorch evaluate task=generator ckpt=…` does, and
`sntorch publish ckpt=… metrics=… out=…` writes them here."""


def model_card(
    what: str,
    config: Mapping[str, Any],
    conditions: Conditions,
    scores: Mapping[str, Any] | None = None,
) -> str:
    """The card of a trained generator in Markdown.

    Args:
        what: A sentence about the kind of model.
        config: What the model's ``config.json`` holds.
        conditions: Properties of the training objects.
        scores: As ``evaluate_generator`` returns them.
    """
    sections = {
        f"{config['model']}: light curves of supernovae": _what(what, config, conditions),
        "Training data": _data(config),
        "Scores": UNSCORED if scores is None else _scores(scores),
        "Intended use": USE,
        "Known failures": "\n".join(f"- {line}" for line in _failures(config, scores)),
    }
    return "\n".join(
        f"{'#' if k == 0 else '##'} {title}\n\n{text}\n"
        for k, (title, text) in enumerate(sections.items())
    )


def _what(what: str, config: Mapping[str, Any], conditions: Conditions) -> str:
    asked = ", ".join(_ranges(conditions)) or "no property of an object"
    bands = ", ".join(config["bands"])
    return (
        f"{what}.\n\n"
        f"Bands: {bands}; fluxes with zero point {config['zeropoint']:g}. It can be asked for: "
        f"{asked}.\n\n"
        "```python\n"
        "from sntorch.generative import Generator\n\n"
        'batch = Generator.from_pretrained("this/folder").sample(1000, seed=7)\n'
        "```"
    )


def _ranges(conditions: Conditions) -> Iterator[str]:
    """What each property can be."""
    if conditions.has_type:
        yield f"{TYPE} ({', '.join(conditions.present)})"
    for name, low, high in zip(conditions.number_names, *conditions.range, strict=True):
        yield f"{name} ({float(low):.3g} to {float(high):.3g})"


def _data(config: Mapping[str, Any]) -> str:
    facts, started = config["training_facts"], config["started_sha256"]
    redshift = facts["redshift"]
    lines = [
        f"{facts['n']} objects, redshift "
        + (f"{redshift[0]:.3g} to {redshift[1]:.3g}." if redshift else "unknown."),
        "",
    ]
    if facts["classes"]:
        lines += ["| class | objects |", "|---|---:|"]
        lines += [f"| {name} | {count} |" for name, count in facts["classes"].items()]
        lines.append("")
    lines.append(f"SHA-256 of the training set: `{config['training_sha256']}`.")
    if started:
        lines.append(f"Started from a model whose training set has SHA-256 `{started}`.")
    lines.append(
        "The weights come with class, numbers to condition on, epochs and brightness of every "
        "training object, which sampling draws on; not with its photometry."
    )
    return "\n".join(lines)


def _scores(scores: Mapping[str, Any]) -> str:
    table = [HEADINGS, ("---",) * len(HEADINGS), *(row.cells() for row in rows(dict(scores)))]
    counts = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in scores["n"].items())
    gate, raw = (scores[name]["generated"] for name in GATES)
    memorised = (
        f"Memorisation gate: {'NOT passed' if _memorised(scores) else 'passed'} "
        f"(nearest-neighbour ratio {number(gate['ratio'])}, share of copies "
        f"{number(gate['copies'])}; of light curves {number(raw['ratio'])}, "
        f"{number(raw['copies'])})."
    )
    lines = ["| " + " | ".join(cells) + " |" for cells in table]
    return "\n".join([f"{counts} objects. {verdict(dict(scores))}.", "", memorised, "", *lines])


def _failures(config: Mapping[str, Any], scores: Mapping[str, Any] | None) -> Iterator[str]:
    """What is known not to work."""
    yield "Numbers outside the training range need `extrapolate: true`; no score vouches for them."
    counts = config["training_facts"]["classes"].items()
    few = ", ".join(f"{name} ({count})" for name, count in counts if count < FEW_OBJECTS)
    if few:
        yield f"Classes with fewer than {FEW_OBJECTS} training objects may repeat them: {few}."
    if scores is None:
        yield "Not scored: nothing is known about how near its objects come to real ones."
        return
    memorised = _memorised(scores)
    if memorised:
        yield (
            f"Did not pass the memorisation gate ({', '.join(memorised)}): its objects lie too "
            "near to training objects, or could not be compared with them."
        )
    worst = _worst(scores["features"])
    if worst:
        yield f"Farthest from held-out objects (KS; of fresh real ones): {worst}."


def _memorised(scores: Mapping[str, Any]) -> list[str]:
    """What the gates against copies found; empty for a generator that passed them."""
    found = checks(scores)
    return [name for name in GATES.values() if not found[name]]


def _worst(features: Mapping[str, Mapping[str, Any]]) -> str:
    """The features that are farthest from held-out objects, of those beyond the floor."""
    known = {
        name: (score["ks"], score["ks_fresh"])
        for name, score in features.items()
        if score["ks"] is not None and score["ks_fresh"] is not None
    }
    beyond = [(ks, fresh, name) for name, (ks, fresh) in known.items() if ks > fresh]
    found = sorted(beyond, reverse=True)[:N_WORST]
    return ", ".join(f"{name} {ks:.2f} ({fresh:.2f})" for ks, fresh, name in found)
