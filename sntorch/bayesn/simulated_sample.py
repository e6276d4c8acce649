"""Samples drawn from a hierarchical model: what checks of training, and predictions, need.

The supernovae keep the cadence, the bands, the redshifts and the errors of a given sample. With
the likelihood of magnitudes the noise is normal in magnitude, with the one of fluxes in flux, as
the model itself says: what is simulated is what is fitted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor

from sntorch.bayesn.hierarchy import TMAX_RANGE, HierarchicalModel, population_rv
from sntorch.bayesn.injections import bands_of, log_kept, peaks, quantities
from sntorch.bayesn.populations import Conditions
from sntorch.bayesn.surfaces import Surfaces
from sntorch.bayesn.training_sample import TrainingSample
from sntorch.simulation.selection import Cut

# Added to a seed, for the numbers that decide who is kept.
LUCK = 1000


def prior_values(model: HierarchicalModel, seed: int) -> dict[str, Tensor]:
    """Shared parameters drawn from their priors, by name."""
    values: dict[str, Tensor] = {}

    def draw(name: str, prior: Any) -> Tensor:
        values[name] = prior.sample()
        return values[name]

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model.shared(draw)
    return values


def simulate_sample(
    model: HierarchicalModel, values: dict[str, Tensor], seed: int
) -> tuple[TrainingSample, dict[str, Tensor]]:
    """A sample like the model's own with other supernovae in it.

    Args:
        model: The model; its sample gives cadence, redshifts and errors.
        values: Shared parameters by name, without batch dimensions.
        seed: Of all random numbers.

    Returns:
        The sample, and the supernovae's parameters by name, each of shape (S, ...).
    """
    surfaces, c = model.shared(lambda name, prior: values[name])
    sample, o = model.sample, model.sample.observations
    generator = torch.Generator(device=o.flux.device).manual_seed(seed)
    own = _drawn(model, surfaces, c, generator)
    tmax = own.get("tmax", torch.zeros_like(own["av"]))
    expected = model.flux(
        surfaces, c, own["theta"], own["av"], _rv(c, own), tmax, own["epsilon"], own["ds"]
    )
    noise = torch.randn(
        expected.shape, generator=generator, dtype=expected.dtype, device=expected.device
    )
    flux, error = _observed(model, expected, noise)
    observed = replace(
        o,
        flux=torch.where(o.mask, flux, 0.0),
        flux_err=torch.where(o.mask, error, 1.0),
    )
    return replace(sample, observations=observed), own


def simulated_kept(
    model: HierarchicalModel, cuts: Mapping[str, Cut], values: dict[str, Tensor], seed: int
) -> Tensor:
    """P(kept) by cuts on peaks of the supernovae of ``simulate_sample``, shape (S,).

    Args:
        model: The model, with its SED held fixed.
        cuts: As of ``selection.PeakSelection``.
        values: Shared parameters by name, without batch dimensions.
        seed: As for ``simulate_sample``.
    """
    surfaces, c = model.shared(lambda name, prior: values[name])
    o, sed = model.sample.observations, model.sed
    generator = torch.Generator(device=o.flux.device).manual_seed(seed)
    own, bands = _drawn(model, surfaces, c, generator), bands_of(cuts)
    peak = peaks(
        sed,
        bands,
        theta=own["theta"],
        epsilon=sed.epsilon_surface(own["epsilon"]),
        av=own["av"],
        rv=_rv(c, own),
        distmod=own["ds"],
        redshift=o.redshift,
        mwebv=o.mwebv,
    )
    return log_kept(cuts, quantities(bands, peak, o.redshift)).exp()


def selected_sample(
    model: HierarchicalModel, cuts: Mapping[str, Cut], values: dict[str, Tensor], seed: int
) -> TrainingSample:
    """Those of a simulated sample that cuts on their peaks keep; see ``simulated_kept``."""
    sample, _ = simulate_sample(model, values, seed)
    kept = simulated_kept(model, cuts, values, seed)
    # Numbers of its own: those of the seed itself made the supernovae.
    generator = torch.Generator(device=kept.device).manual_seed(seed + LUCK)
    luck = torch.rand(len(kept), generator=generator, device=kept.device)
    return sample.take(kept > luck)


def _drawn(
    model: HierarchicalModel, surfaces: Surfaces, c: Conditions, generator: torch.Generator
) -> dict[str, Tensor]:
    """What supernovae have of their own, by name, each of shape (S, ...)."""
    sample, o, n = model.sample, model.sample.observations, len(model.sample)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=o.flux.dtype, device=o.flux.device)

    uniform = torch.rand(n, generator=generator, dtype=o.flux.dtype, device=o.flux.device)
    own = {"theta": normal(n), "av": -torch.log1p(-uniform) * c.tau_a}
    own["epsilon"] = normal(n, surfaces.epsilon_cholesky.shape[-1])
    if c.mu_r is not None:
        own["rv_sn"] = population_rv(normal(n), c.mu_r, cast(Tensor, c.sigma_r))
    if model.free_tmax:
        even = torch.rand(n, generator=generator, dtype=o.flux.dtype, device=o.flux.device)
        own["tmax"] = TMAX_RANGE * (2 * even - 1)
    scale = torch.sqrt(sample.distance_err.square() + c.sigma0.square())
    shift = 0.0 if c.delta_m is None else c.delta_m
    own["ds"] = o.muhat + shift + scale * normal(n)
    return own


def _rv(c: Conditions, own: dict[str, Tensor]) -> Tensor:
    """R_V of every host, shape (S,)."""
    return own["rv_sn"] if "rv_sn" in own else cast(Tensor, c.rv).expand_as(own["av"])


def _observed(model: HierarchicalModel, expected: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Fluxes with noise, and their errors: those of the sample, in magnitudes or in flux."""
    o = model.sample.observations
    if not model.magnitudes:
        return expected + o.flux_err * noise, o.flux_err
    relative = o.flux_err / torch.where(o.mask, o.flux, 1.0)
    flux = expected * torch.exp(-relative * noise)
    return flux, relative * flux
