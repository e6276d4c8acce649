"""The hierarchical model of a sample of SNe Ia, in Pyro: what training and dust fits sample.

Mandel et al. (2022, arXiv:2008.07538), section 2; the priors are those of the reference
implementation. With a population (``populations``) and surfaces (``surfaces``), for every SN

    θ ~ N(0, 1),  e ~ N(0, I),  ε = L_Σ e,  A_V ~ Exp(τ_A),  R_V as the population says,
    Ds ~ N(μ̂(z) + ΔM, σ_μ² + σ0²),  σ_μ = 5 / (z ln 10) sqrt(σ_z² + σ_pec²),

and magnitudes (as the reference trains) or fluxes (which may be faint or negative) with normal
errors. t_max is held at the sample's, or free within ±10 days. A sample that was selected by
brightness divides each supernova by P(selected) (``selected``). This is the readable definition;
samplers evaluate ``joint_density.JointDensity``, the same density much faster.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import pyro
import torch
from pyro import distributions as dist
from torch import Tensor

from sntorch.bayesn.options import RV_LEAST
from sntorch.bayesn.populations import Conditions, Draw, Population
from sntorch.bayesn.surfaces import FixedSED, Surfaces, TrainedSED
from sntorch.bayesn.training_sample import TrainingSample
from sntorch.errors import ConfigError
from sntorch.inference.selected import selection_factor
from sntorch.inference.truncated import truncated_score
from sntorch.physics.photometry import FLUXCAL_ZEROPOINT, LN, make_integrator
from sntorch.physics.sed import SEDModel, residual_surface

if TYPE_CHECKING:
    from sntorch.bayesn.selected import SelectedSample

PLATE = "sn"
TMAX_RANGE = 10.0


@dataclass(eq=False)
class HierarchicalModel:
    """Population, surfaces and sample. Call it as a Pyro model.

    Attributes:
        sample: The supernovae.
        surfaces: Surfaces to be learnt, or held fixed.
        population: Of dust and brightness.
        magnitudes: Compare magnitudes, or fluxes.
        free_tmax: Whether every supernova's time of maximum is free.
        integrator: ``quadrature`` or ``grid``, of the Pyro model.
        selection: What the sample was selected by; None where everything is seen.

    Raises:
        ConfigError: A selection of other supernovae, or together with surfaces that are learnt.
    """

    sample: TrainingSample
    surfaces: FixedSED | TrainedSED
    population: Population
    magnitudes: bool = True
    free_tmax: bool = False
    integrator: str = "quadrature"
    selection: SelectedSample | None = None

    def __post_init__(self) -> None:
        if self.selection is not None and self.surfaces.trained:
            raise ConfigError(
                "selection: its efficiency is that of one SED, which surfaces=fixed holds"
            )
        if self.selection is not None:
            self.selection.check(self.sample)
        k_l, k_t = self.sed.w0.shape
        # The caller's own may serve models of other knots.
        self.population = copy(self.population)
        self.population.knots = (k_l, k_t)

    @property
    def sed(self) -> SEDModel:
        """Knots, template and normalisation."""
        return self.surfaces.sed

    def shared(self, draw: Draw) -> tuple[Surfaces, Conditions]:
        """Draw everything that supernovae share."""
        return self.surfaces(draw), self.population(draw, self.sample)

    def __call__(self) -> None:
        """Sample, or score, every site."""
        surfaces, c = self.shared(cast(Draw, pyro.sample))
        o = self.sample.observations
        zero = o.redshift.new_zeros(())
        standard = dist.Normal(zero, 1.0)
        with pyro.plate(PLATE, len(self.sample), dim=-1):
            av = pyro.sample("av", dist.Exponential(1 / c.tau_a))
            rv: Any = c.rv
            if c.mu_r is not None:
                rv = population_rv(
                    pyro.sample("rv_score", standard), c.mu_r, cast(Tensor, c.sigma_r)
                )
            tmax = zero
            if self.free_tmax:
                width = zero + TMAX_RANGE
                tmax = pyro.sample("tmax", dist.Uniform(-width, width))
            theta = pyro.sample("theta", standard)
            size = surfaces.epsilon_cholesky.shape[-1]
            e = pyro.sample("epsilon", dist.Normal(zero.new_zeros(size), 1.0).to_event(1))
            centre = o.muhat if c.delta_m is None else o.muhat + c.delta_m
            scale = torch.sqrt(self.sample.distance_err.square() + c.sigma0.square())
            ds = pyro.sample("ds", dist.Normal(centre, scale))
            flux = self.flux(surfaces, c, theta, av, rv.expand(av.shape), tmax, e, ds)
            self._observe(flux)
            if self.selection is not None:
                selection_factor("selected", self.selection.log_selected(c))

    def flux(
        self,
        surfaces: Surfaces,
        c: Conditions,
        theta: Tensor,
        av: Tensor,
        rv: Tensor,
        tmax: Tensor,
        e: Tensor,
        ds: Tensor,
    ) -> Tensor:
        """Model flux of every observation, FLUXCAL, shape (S, F, T); own parameters (S,)."""
        o = self.sample.observations
        w0 = surfaces.w0 if c.w0_shift is None else surfaces.w0 + c.w0_shift[c.group]
        warp = w0 + theta[:, None, None] * surfaces.w1
        warp = warp + residual_surface(e @ surfaces.epsilon_cholesky.T, *warp.shape[1:])
        integrate = make_integrator(
            self.integrator, self.sed.surface, o.bands, o.redshift, o.mwebv
        )
        phase = o.phase - tmax.expand(len(o))[:, None, None]
        band = o.band[:, :, None].expand_as(o.phase)
        flux = integrate(phase.flatten(1), band.flatten(1), warp, av, rv)
        flux = flux * torch.exp(-LN * (self.sed.m0 + ds))[:, None]
        # Padding may stand in a band that the model does not see.
        return torch.where(o.mask, flux.view_as(o.phase), 1.0)

    def _observe(self, flux: Tensor) -> None:
        o = self.sample.observations
        expected, seen, error = flux, o.flux, o.flux_err
        if self.magnitudes:
            bright = torch.where(o.mask, o.flux, 1.0)
            expected, seen = (FLUXCAL_ZEROPOINT - f.log() / LN for f in (flux, bright))
            error = error / (LN * bright)
        noise = dist.Normal(expected, error).mask(cast(Any, o.mask)).to_event(2)
        pyro.sample("light_curves", noise, obs=seen)

    def take(self, index: Tensor) -> HierarchicalModel:
        """The model of some of the supernovae."""
        selection = None if self.selection is None else self.selection.take(index)
        return replace(self, sample=self.sample.take(index), selection=selection)


def population_rv(score: Tensor, mu_r: Tensor, sigma_r: Tensor) -> Tensor:
    """R_V at a standard-normal score of a normal population truncated below at 1.2."""
    return mu_r + sigma_r * truncated_score(score, (mu_r - RV_LEAST) / sigma_r)[0]
