"""The page that goes with a published classifier: what it is, what it learned from, how good it is
and what it must not be used for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sntorch.classification.context import told_name
from sntorch.classification.predictions import PROBABILITY

FEW_OBJECTS = 30
USE = """\
Made to classify light curves like those it was trained on: of the same survey or one simulated for
it, in the same bands, at like redshifts, depth and cadence. Probabilities hold for the mixture of
classes of the training set (`class_weights`, above, makes it an equal one); where yours differs,
weigh them anew. Objects of a class that is not in the list still get probabilities that add up to
one: look at the uncertainty. Test on objects of yours before using it for cosmology or rates."""
UNSCORED = """\
None were computed. `sntorch evaluate task=classifier ckpt=…` does, and
`sntorch publish ckpt=… metrics=… out=…` writes them here."""
HEADINGS = ("score", "value", "95% interval", "majority class")


def model_card(config: Mapping[str, Any], scores: Mapping[str, Any] | None = None) -> str:
    """The card of a trained classifier in Markdown.

    Args:
        config: What the model's ``config.json`` holds.
        scores: As ``evaluate_classifier`` returns them.
    """
    title = config["arguments"]["network"]["_target_"].rpartition(".")[2]
    sections = {
        f"{title}: classes of supernova light curves": _what(config),
        "Training data": _data(config),
        "Scores": UNSCORED if scores is None else _scores(scores),
        "Intended use": USE,
        "Known failures": "\n".join(f"- {line}" for line in _failures(config, scores)),
    }
    return "\n".join(
        f"{'#' if k == 0 else '##'} {heading}\n\n{text}\n"
        for k, (heading, text) in enumerate(sections.items())
    )


def _what(config: Mapping[str, Any]) -> str:
    columns = ", ".join(PROBABILITY + name for name in config["classes"])
    share = float(config["arguments"]["class_weights"])
    partly = f"classes weigh by the power {share:g} of one over their size" if share else "off"
    weights = "classes weigh equally" if share == 1 else partly
    return (
        f"Classes: {', '.join(config['classes'])}.\n\n"
        f"Bands: {', '.join(config['bands'])}; fluxes with zero point {config['zeropoint']:g}; "
        "other bands and zero points are left out or brought to these.\n\n"
        f"{_temperature(config)}\n\n"
        f"Known besides the photometry: {_context(config)}. `class_weights`: {weights}.\n\n"
        "```python\n"
        "from sntorch.classification import Classifier\n\n"
        f'table = Classifier.from_pretrained("this/folder").predict("survey/")  # {columns}\n'
        "```"
    )


def _temperature(config: Mapping[str, Any]) -> str:
    if config["temperature"] == 1:
        return "Probabilities are the network's own, without temperature scaling."
    return f"Probabilities are calibrated with the temperature {config['temperature']:.3f}."


def _context(config: Mapping[str, Any]) -> str:
    columns = _columns(config)
    # Cards are also made of classifiers from before there were features.
    features = config["arguments"].get("features")
    if features is None:
        return columns
    redshift = features.get("redshift", "none")
    n = len(config["feature_names"])
    return f"{columns}; {n} parametric features of the light curve (redshift in them: {redshift})"


def _columns(config: Mapping[str, Any]) -> str:
    arguments = config["arguments"]
    # Cards are also made of classifiers from before networks said so.
    own = [told_name(name, config["host"]) for name in config.get("reads", ())]
    read = [f"read by the network itself: {', '.join(own)}"] if own else []
    if not arguments["context"]:
        return "; ".join(read) or "nothing, not even the redshift"
    words = [told_name(name, config["host"]) for name in arguments["context"]]
    hidden, required = arguments["context_dropout"], arguments["context_required"]
    context = (
        f"{', '.join(words)}, hidden from a share of {hidden:g} of the training objects, "
        f"{'needed' if required else 'not needed'} to classify"
    )
    return "; ".join([context, *read])


def _data(config: Mapping[str, Any]) -> str:
    facts = config["training_facts"]
    redshift = facts["redshift"]
    lines = [
        f"{facts['n']} objects, redshift "
        + (f"{redshift[0]:.3g} to {redshift[1]:.3g}." if redshift else "unknown."),
        "",
        "| class | objects |",
        "|---|---:|",
        *(f"| {name} | {facts['classes'].get(name, 0)} |" for name in config["classes"]),
        "",
        f"SHA-256 of the training set: `{config['training_sha256']}`.",
    ]
    return "\n".join(lines)


def _scores(scores: Mapping[str, Any]) -> str:
    n = scores["n"]
    counts = ", ".join(f"{count} {name}" for name, count in n["classes"].items())
    head = (
        f"{n['objects']} objects that had no part in training ({counts}); whole light curves; "
        f"redshift: {scores['redshift']}; binary scores are of {scores['positive']} against the "
        "rest."
    )
    rows = [HEADINGS, ("---",) * len(HEADINGS)]
    rows += [
        (
            name,
            _text(score["value"]),
            f"{_text(score['low'])} to {_text(score['high'])}",
            _text(score["majority"]),
        )
        for name, score in scores["scores"].items()
    ]
    return "\n".join([head, "", *("| " + " | ".join(cells) + " |" for cells in rows)])


def _failures(config: Mapping[str, Any], scores: Mapping[str, Any] | None) -> Iterator[str]:
    """What is known not to work."""
    counts = config["training_facts"]["classes"]
    few = [name for name in config["classes"] if counts.get(name, 0) < FEW_OBJECTS]
    if few:
        named = ", ".join(f"{name} ({counts.get(name, 0)})" for name in few)
        yield f"Classes with fewer than {FEW_OBJECTS} training objects are hardly learnt: {named}."
    yield "Light curves without an observation in these bands get no probabilities (NaN)."
    if scores is None:
        yield "Not scored: nothing is known about how often it is right."
        return
    missed = [row for row in scores["per_class"] if (row.get("recall") or 0.0) < 0.5]
    if missed:
        named = ", ".join(f"{row['class']} ({_text(row.get('recall'))})" for row in missed)
        yield f"Fewer than half of these classes are found (recall): {named}."


def _text(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
