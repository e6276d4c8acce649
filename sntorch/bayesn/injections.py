"""Injections: supernovae of a BayeSN model at a sample's redshifts, put through a selection.

A selection is stated in quantities of a supernova: its ``redshift``, and ``peak BAND``, the
apparent magnitude in a band on its brightest day. Given the dust and the distance of a supernova
the peak still scatters by θ and ε, whose distribution belongs to the SED model and not to the
population. So the probability to be selected is nearly a function of the peak magnitudes of the
mean supernova (θ = ε = 0) with that dust at that distance, and of redshift: these are the latents
of which ``inference.efficiency`` learns it.

Draws of θ and ε come in pairs of opposite sign, and each is seen at several distances.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from sntorch.errors import ConfigError
from sntorch.physics.sed import SEDModel
from sntorch.simulation.selection import Cut, Efficiency, Truth

PEAK, REDSHIFT = "peak ", "redshift"
# Rest-frame days among which the brightest is looked for: bands peak at different times.
PEAK_DAYS = (-4.0, -2.0, 0.0, 2.0, 4.0)
# A_V of injections is exponential, mag; R_V is even in its inverse within these ends.
AV_SCALE, RV_ENDS = 0.6, (1.0, 10.0)
# Distances of injections are even within ± this of the expected ones, mag.
REACH = 1.5
PAIRS, PLACES = 2, 4


def bands_of(cuts: Mapping[str, Cut]) -> list[str]:
    """The bands in whose peaks a selection is stated, in order.

    Raises:
        ConfigError: A cut on something else than a peak or the redshift.
    """
    found = []
    for leaf in (leaf for cut in cuts.values() for leaf in cut.leaves()):
        of = leaf.of if isinstance(leaf, Efficiency) else None
        if not isinstance(of, str) or not (of == REDSHIFT or of.startswith(PEAK)):
            raise ConfigError(
                f"selection {leaf}: cuts on {REDSHIFT!r} and on '{PEAK}BAND' are accepted "
                f"({PEAK}ps1::g, say)"
            )
        if of != REDSHIFT:
            found.append(of.removeprefix(PEAK))
    return list(dict.fromkeys(found))


def of_redshift(cut: Cut) -> bool:
    """Whether a cut looks at nothing but the redshift."""
    return all(isinstance(leaf, Efficiency) and leaf.of == REDSHIFT for leaf in cut.leaves())


def log_kept(cuts: Mapping[str, Cut], truth: Truth) -> Tensor:
    """ln of the probability that all cuts keep supernovae of these quantities, their shape."""
    leaves = {leaf: leaf for cut in cuts.values() for leaf in cut.leaves()}

    def of_leaf(cut: Cut) -> Tensor:
        leaf: Any = leaves[cut]
        return leaf.log_of(truth[leaf.of])

    return torch.stack([cut.combine(of_leaf) for cut in cuts.values()]).sum(0)


def peaks(sed: SEDModel, bands: list[str], **parameters: Any) -> Tensor:
    """Apparent magnitude on the brightest day, shape (B, F).

    Args:
        sed: The model.
        bands: F names.
        parameters: Of B supernovae, as for ``SEDModel.magnitude``.
    """
    days = torch.tensor(PEAK_DAYS, dtype=sed.w0.dtype, device=sed.w0.device)
    return sed.magnitude(days, bands, **parameters).amin(-1)


def quantities(bands: list[str], peak: Tensor, redshift: Tensor) -> dict[str, Tensor]:
    """What cuts look at, by name, of peaks (..., F) and redshifts (...)."""
    named = {PEAK + band: peak[..., i] for i, band in enumerate(bands)}
    return {**named, REDSHIFT: redshift.expand(peak.shape[:-1])}


def inject(
    sed: SEDModel,
    cuts: Mapping[str, Cut],
    redshift: Tensor,
    mwebv: Tensor,
    muhat: Tensor,
    n: int,
    seed: int,
) -> tuple[Tensor, Tensor]:
    """Supernovae of all dust and brightness at the redshifts of a sample.

    Args:
        sed: The model.
        cuts: What selects them.
        redshift, mwebv, muhat: Of the sample, shape (S,): where injections are put in turn.
        n: Number of injections; each is seen at several distances.
        seed: Any integer.

    Returns:
        Latents, shape (M, F + 1): peak magnitudes of the mean supernova, and redshift. The mean
        probability to be kept, shape (M,).
    """
    generator, dtype = torch.Generator().manual_seed(seed), redshift.dtype

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator, dtype=dtype).to(redshift.device)

    row = torch.arange(n, device=redshift.device) % len(redshift)
    own = {"redshift": redshift[row], "mwebv": mwebv[row], "distmod": muhat[row]}
    host = _dust(uniform(n), uniform(n)) | own
    shift = REACH * (2 * uniform(n, PLACES) - 1)[..., None]
    size = len(sed.epsilon_cholesky)
    drawn = [torch.randn(n, 1 + size, generator=generator, dtype=dtype) for _ in range(PAIRS)]
    pairs = torch.stack(drawn).to(redshift.device)
    mean = peaks(sed, bands_of(cuts), **host)[:, None] + shift
    latents = latents_of(mean, host["redshift"][:, None])
    return latents.flatten(0, 1), _mean_kept(sed, cuts, host, shift, pairs).flatten()


def _dust(av: Tensor, rv: Tensor) -> dict[str, Tensor]:
    """A_V and R_V of injections at even numbers in (0, 1)."""
    high, low = (1 / end for end in RV_ENDS)
    return {"av": -AV_SCALE * torch.log1p(-av), "rv": 1 / (low + (high - low) * rv)}


def _mean_kept(
    sed: SEDModel, cuts: Mapping[str, Cut], host: dict[str, Tensor], shift: Tensor, pairs: Tensor
) -> Tensor:
    """Mean probability to be kept over draws (θ, ε) and their opposites, shape (n, places)."""
    bands, redshift = bands_of(cuts), host["redshift"][:, None]
    kept = []
    for score in torch.cat([pairs, -pairs]):
        residual = sed.epsilon_surface(score[:, 1:])
        peak = peaks(sed, bands, theta=score[:, 0], epsilon=residual, **host)[:, None]
        kept.append(log_kept(cuts, quantities(bands, peak + shift, redshift)).exp())
    # A mean of ones may come out above one by rounding.
    return torch.stack(kept).mean(0).clamp(max=1.0)


def latents_of(peak: Tensor, redshift: Tensor) -> Tensor:
    """What the efficiency is a function of, shape (..., F + 1)."""
    return torch.cat([peak, redshift.expand(peak.shape[:-1])[..., None]], -1)
