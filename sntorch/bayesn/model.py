"""The fitting model of a sample of SNe Ia with a given population, in Pyro.

Mandel et al. (2022, arXiv:2008.07538), section 2, with the population's parameters fixed; R_V of
the hosts as in Thorp et al. (2021, arXiv:2102.05678). For every supernova

    θ ~ N(0, 1),  A_V ~ Exp(τ_A),  t_max ~ U(-10, 10),  e ~ N(0, I),  ε = L_Σ e,
    Ds = μ + δM ~ N(μ̂(z), 5² + σ0²),  f_j ~ N(F_j(θ, A_V, R_V, t_max, ε, Ds), σ_j²).

The prior of the distance is so wide that the data decide. This is the readable definition; fits
evaluate ``density.FitDensity``, which is the same density much faster.
"""

from __future__ import annotations

import math
from typing import Any, cast

import pyro
import torch
from pyro import distributions as dist
from pyro import poutine
from torch import Tensor

from sntorch.bayesn.observations import Observations
from sntorch.bayesn.options import RV_LEAST, RV_RANGE, FitOptions
from sntorch.inference.truncated import ZeroTruncatedNormal
from sntorch.physics.cosmology import Cosmology
from sntorch.physics.photometry import LN, Integrator, make_integrator
from sntorch.physics.sed import SEDModel

MUHAT_SD = 5.0
PLATE = "sn"
# A photometric redshift whose error is not known is no prior.
DEFAULT_REDSHIFT_ERR = 0.01


class FitModel:
    """The joint density of B supernovae's parameters and fluxes.

    Call it as a Pyro model. Its plate ``sn`` is the last batch dimension; further ones on the left
    (chains, particles) are accepted.

    Args:
        sed: The SED model with its population.
        observations: Photometry of B objects.
        options: What is free.
        integrator: ``quadrature`` (fast) or ``grid`` (all 300 wavelengths).
        cosmology: For the expected distances when the redshift is free.
    """

    def __init__(
        self,
        sed: SEDModel,
        observations: Observations,
        options: FitOptions | None = None,
        integrator: str = "quadrature",
        cosmology: Cosmology | None = None,
    ) -> None:
        self.sed, self.observations = sed, observations
        self.options = options or FitOptions()
        self.rv = self.options.resolved(sed)
        self.integrator = integrator
        self.cosmology = cosmology or Cosmology()
        self._prepared: dict[int, Integrator] = {}

    def __call__(self) -> None:
        """Sample, or score, every site."""
        o, options = self.observations, self.options
        with pyro.plate(PLATE, len(o), dim=-1):
            rate = self._number(1 / self.sed.tau_a)
            av = _free("av", dist.Exponential(rate), options.fix_av)
            theta = _free("theta", dist.Normal(self._number(0.0), 1.0), options.fix_theta)
            width = self._number(options.tmax_range)
            tmax = _free("tmax", dist.Uniform(-width, width), options.fix_tmax)
            rv = self._rv()
            redshift = self._redshift()
            epsilon = self._epsilon()
            muhat = o.muhat if redshift is o.redshift else self.cosmology.distmod(redshift)
            ds = pyro.sample("ds", dist.Normal(muhat, math.hypot(MUHAT_SD, self.sed.sigma0)))
            flux = self.flux(theta, av, tmax, rv, epsilon, ds, redshift)
            observed: Any = o.mask
            noise = dist.Normal(flux, o.flux_err).mask(observed).to_event(2)
            with poutine.mask(mask=cast(Any, o.mask.any((1, 2)))):
                pyro.sample("flux", noise, obs=o.flux)

    def flux(
        self,
        theta: Tensor,
        av: Tensor,
        tmax: Tensor,
        rv: Tensor,
        epsilon: Tensor | None,
        ds: Tensor,
        redshift: Tensor,
    ) -> Tensor:
        """Model flux of every observation, FLUXCAL, shape (..., B, F, T).

        Args:
            theta, av, tmax, rv, ds, redshift: shape (..., B) or anything that broadcasts to it.
            epsilon: Residual surface, mag, shape (..., B, K_l, K_t).
        """
        o = self.observations
        shape = torch.broadcast_shapes(
            *(t.shape for t in (theta, av, tmax, rv, ds, redshift)), o.redshift.shape
        )
        columns = [t.expand(shape).reshape(-1) for t in (theta, av, tmax, rv, ds, redshift)]
        theta, av, tmax, rv, ds, redshift = columns
        n = len(theta)
        if epsilon is not None:
            epsilon = epsilon.expand(*shape, *epsilon.shape[-2:]).reshape(n, *epsilon.shape[-2:])
        copies = n // len(o)
        times = o.phase * (1 + o.redshift)[:, None, None]
        phase = times.repeat(copies, 1, 1) / (1 + redshift)[:, None, None] - tmax[:, None, None]
        band = o.band[:, :, None].expand_as(o.phase).repeat(copies, 1, 1)
        integrate = self._integrator(redshift, copies)
        flux = integrate(phase.flatten(1), band.flatten(1), self.sed.warp(theta, epsilon), av, rv)
        flux = flux * torch.exp(-LN * (self.sed.m0 + ds))[:, None]
        # Padding may stand in a band that the model does not see.
        flux = torch.where(o.mask.repeat(copies, 1, 1).flatten(1), flux, 0.0)
        return flux.view(*shape, *o.phase.shape[1:])

    def _integrator(self, redshift: Tensor, copies: int):
        o = self.observations
        if not self.options.free_redshift and copies in self._prepared:
            return self._prepared[copies]
        made = make_integrator(
            self.integrator, self.sed.surface, o.bands, redshift, o.mwebv.repeat(copies)
        )
        if not self.options.free_redshift:
            self._prepared = {copies: made}
        return made

    def _rv(self) -> Tensor:
        if self.rv.mode == "fixed":
            return self._number(self.rv.mean)
        if self.rv.mode == "uniform":
            low, high = (self._number(edge) for edge in RV_RANGE)
            return pyro.sample("rv", dist.Uniform(low, high))
        quantile = pyro.sample("rv_quantile", dist.Uniform(self._number(0.0), 1.0))
        return population_rv(quantile, self.rv.mean, self.rv.spread)

    def _redshift(self) -> Tensor:
        o = self.observations
        if not self.options.free_redshift:
            return o.redshift
        error = torch.nan_to_num(o.redshift_err, nan=DEFAULT_REDSHIFT_ERR)
        error = torch.where(error > 0, error, DEFAULT_REDSHIFT_ERR)
        return pyro.sample("redshift", ZeroTruncatedNormal(o.redshift, error))

    def _epsilon(self) -> Tensor | None:
        if not self.options.epsilon:
            return None
        zero = self.sed.w0.new_zeros(len(self.sed.epsilon_cholesky))
        return self.sed.epsilon_surface(pyro.sample("epsilon", dist.Normal(zero, 1.0).to_event(1)))

    def _number(self, value: float) -> Tensor:
        return self.sed.w0.new_tensor(value)


def population_rv(quantile: Tensor, mean: float, spread: float) -> Tensor:
    """R_V at a quantile of the normal population truncated below 1.2."""
    kept = 1 - 0.5 * math.erfc((mean - RV_LEAST) / spread / math.sqrt(2))
    # By what lies above, which keeps its digits near a quantile of 1.
    above = ((1 - quantile) * kept).clamp(min=torch.finfo(quantile.dtype).tiny)
    return mean - spread * torch.special.ndtri(above)


def _free(name: str, prior: dist.TorchDistribution, fixed: float | None) -> Tensor:
    """A parameter's value: sampled, or what it is held at."""
    if fixed is None:
        return pyro.sample(name, prior)
    return prior.mean.new_tensor(fixed)
