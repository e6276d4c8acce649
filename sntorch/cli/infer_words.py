"""What a report of ``sntorch infer`` says: what was done, what methods are, what figures show."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sntorch.physics.cosmology import Cosmology
    from sntorch.sbi.prior import BoxPrior
    from sntorch.sbi.tripp_selection import TrippSelection

NETWORK = "a network (A) that has only seen simulated samples like this one gives the posterior"
CHECKED = (
    "Does the model fit? Samples are simulated with parameters from each posterior, and selected "
    "as stated (with selection ignored: not at all). low and high hold the middle 95 % of them; p "
    "is the share of simulated samples that are as unusual as the observed one, on both sides. A "
    "small p says that model or selection are not those of the data; of many, one in twenty is "
    "below 0.05."
)
SELECTION = (
    "Top: standardised magnitudes minus the Hubble line, brighter up, with what the population "
    "and the fit let them scatter, and squares where the mean of kept supernovae is expected (the "
    "Malmquist bias). Bottom: the share of such supernovae that is kept. The points should "
    "scatter about the squares; where these leave the line, whoever ignores the selection is "
    "biased."
)
CORNER = (
    "Posteriors of single parameters (diagonal, with mean ± standard deviation) and of pairs of "
    "them (68 and 95 % contours). Look for what moves when the selection is taken into account, "
    "and for contours that are cut off: there the prior is too narrow."
)
INTERVALS = (
    "Mean and standard deviation of each parameter by each method. Methods that correct for the "
    "same selection should agree within a fraction of their errors."
)


def setting(
    told: str,
    selection: TrippSelection | None,
    cosmology: Cosmology,
    prior: BoxPrior,
    draws: int,
    seed: int,
) -> list[str]:
    """Paragraphs that say what was observed and assumed.

    Args:
        told: What was observed.
        selection: What was kept; None for everything.
        cosmology: Of the distances.
        prior: Of the parameters.
        draws: Of each posterior.
        seed: Of them.
    """
    kept = (
        "all kept"
        if selection is None
        else f"kept with probability {selection}, of the measured peak magnitude m, stretch x1 "
        "and colour c"
    )
    return [
        f"{told}. Selection: {kept}.",
        f"Distances: flat ΛCDM with h0 = {cosmology.h0:g} km/s/Mpc and om0 = {cosmology.om0:g}; "
        "m0 is the absolute magnitude for that h0.",
        f"Prior, uniform: {prior}. {draws} draws of each posterior, seed {seed}.",
    ]


def methods_told(names: Iterable[str]) -> list[str]:
    """A line a method: its name and what it does.

    Args:
        names: Of estimators, as ``TrippMethods`` calls them.
    """
    from sntorch.sbi.tripp_methods import EFFICIENCY, FLOW, IGNORED, KNOWN

    words = {
        IGNORED: "the likelihood of one who takes the sample for all supernovae; wrong where a "
        "selection matters, shown for comparison",
        KNOWN: "the likelihood of each supernova divided by the share that is kept, which is "
        "known in closed form; the reference where there is one",
        EFFICIENCY: "as the likelihood, but the share that is kept is learnt from injections, "
        "simulated supernovae that the selection keeps or not",
        FLOW: "the likelihood of one kept supernova is learnt from simulated kept ones",
    }
    return [f"{name}: {words.get(name, NETWORK)}." for name in names]


def kept_caption(method: str) -> str:
    """What the figure of kept shares shows.

    Args:
        method: Whose posterior the population is of.
    """
    return (
        f"Supernovae with the population of the posterior of “{method}” and the sample's "
        "redshifts and errors. Top: the share of them that is kept, by measured magnitude and by "
        "redshift. Bottom: how many were observed, and are expected of what is kept and before "
        "selection. "
        "The histogram should follow the line of what is kept: if it goes on to where next to "
        "nothing is kept, or ends well before, the stated selection is not that of the sample."
    )


def value_texts(row: dict[str, Any]) -> list[str]:
    """A row of the summary: three decimals at least, two digits of the standard deviation."""
    digits = max(3, 1 - math.floor(math.log10(row["sd"]))) if row["sd"] > 0 else 3
    return [f"{v:.{digits}f}" if isinstance(v, float) else str(v) for v in row.values()]


def check_texts(row: dict[str, Any]) -> list[str]:
    """A row of predictive checks; p-values below what the simulated samples can tell as such."""
    least = 2 / (row["simulated"] + 1)
    texts = [f"{v:.3f}" if isinstance(v, float) else str(v) for v in row.values()]
    if row["p"] <= least:
        texts[list(row).index("p")] = f"< {math.ceil(1000 * least) / 1000:g}"
    return texts
