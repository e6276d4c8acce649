"""Samples drawn from a hierarchical model: what checks of training, and predictions, need.

The supernovae keep the cadence, the bands, the redshifts and the errors of a given sample. With
the likelihood of magnitudes the noise is normal in magnitude, with the one of fluxes in flux, as
the model itself says: what is simulated is what is fitted.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor

from sntorch.bayesn.hierarchy import TMAX_RANGE, HierarchicalModel, population_rv
from sntorch.bayesn.training_sample import TrainingSample


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
    sample = model.sample
    o, n = sample.observations, len(sample)
    generator = torch.Generator(device=o.flux.device).manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=o.flux.dtype, device=o.flux.device)

    uniform = torch.rand(n, generator=generator, dtype=o.flux.dtype, device=o.flux.device)
    own = {"theta": normal(n), "av": -torch.log1p(-uniform) * c.tau_a}
    own["epsilon"] = normal(n, surfaces.epsilon_cholesky.shape[-1])
    if c.mu_r is None:
        rv = cast(Tensor, c.rv).expand(n)
    else:
        rv = population_rv(normal(n), c.mu_r, cast(Tensor, c.sigma_r))
        own["rv_sn"] = rv
    tmax = o.flux.new_zeros(n)
    if model.free_tmax:
        even = torch.rand(n, generator=generator, dtype=tmax.dtype, device=tmax.device)
        tmax = TMAX_RANGE * (2 * even - 1)
        own["tmax"] = tmax
    scale = torch.sqrt(sample.distance_err.square() + c.sigma0.square())
    shift = 0.0 if c.delta_m is None else c.delta_m
    own["ds"] = o.muhat + shift + scale * normal(n)
    expected = model.flux(
        surfaces, c, own["theta"], own["av"], rv, tmax, own["epsilon"], own["ds"]
    )
    flux, error = _observed(model, expected, normal(*expected.shape))
    observed = replace(
        o,
        flux=torch.where(o.mask, flux, 0.0),
        flux_err=torch.where(o.mask, error, 1.0),
    )
    return replace(sample, observations=observed), own


def _observed(model: HierarchicalModel, expected: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Fluxes with noise, and their errors: those of the sample, in magnitudes or in flux."""
    o = model.sample.observations
    if not model.magnitudes:
        return expected + o.flux_err * noise, o.flux_err
    relative = o.flux_err / torch.where(o.mask, o.flux, 1.0)
    flux = expected * torch.exp(-relative * noise)
    return flux, relative * flux
