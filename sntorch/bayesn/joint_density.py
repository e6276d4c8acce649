"""The hierarchical model's log-density as one function, a block of supernovae at a time.

The same density as ``hierarchy.HierarchicalModel`` (a test holds both to 1e-10), without tracing a
model. The priors are not written again: the population and the surfaces are called with a ``draw``
that reads values from the vector of unconstrained variables, and adds up their log-densities.

Letters in shapes: ``S`` supernovae, ``C`` chains, ``G`` shared and ``K`` own variables.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from pyro import distributions as dist
from torch import Tensor
from torch.distributions import biject_to
from torch.nn.functional import logsigmoid

from sntorch.bayesn.conditional import Own, Whitening
from sntorch.bayesn.hierarchy import TMAX_RANGE, HierarchicalModel, population_rv
from sntorch.bayesn.likelihood import HALF_LOG_2PI, Likelihood
from sntorch.bayesn.linearised import Reference, linearise
from sntorch.bayesn.populations import Conditions
from sntorch.bayesn.surfaces import Surfaces
from sntorch.inference.hierarchical import Shared
from sntorch.physics.extinction import DustCurve
from sntorch.physics.sed import residual_surface

# Supernovae of a block times chains: large enough that calls cost little. What has to fit a cache
# is cut once more, by the likelihood and by ``LinearGaussian``.
BLOCK = 2000
KEPT = 2
REFERENCE_AV = 0.1
REFERENCE_RV = 3.0


@dataclass(eq=False)
class Site:
    """A shared parameter: its transform from unconstrained variables, and their shape."""

    transform: Any
    shape: torch.Size

    @property
    def size(self) -> int:
        """Number of unconstrained variables."""
        return math.prod(self.shape)


class JointDensity:
    """ln p of a hierarchical model: a ``Hierarchy`` of ``inference.hierarchical``.

    Args:
        model: The model.
        reference: Around what to linearise for the coordinates; default: the SED model's mean.
        block: Supernovae times chains done at once.
        threads: Blocks there are at least, so that every thread has one.

    Attributes:
        sites: Shared parameters in order.
        n_shared, n_own, size: G, K and S.
        own_names: Names of the supernovae's own variables, in order; ``epsilon`` is several.
        has_rv: Whether every host has its own R_V.
        group: Number of each supernova's W0, shape (S,); None where all share one.
    """

    def __init__(
        self,
        model: HierarchicalModel,
        reference: Reference | None = None,
        block: int = BLOCK,
        threads: int = 1,
    ) -> None:
        self.model, self.block, self.threads = model, block, threads
        sample = model.sample
        self.size = len(sample)
        shift = TMAX_RANGE if model.free_tmax else None
        self.likelihood = Likelihood(model.sed, sample.observations, shift, model.magnitudes)
        self.sites = self._trace()
        self.n_shared = sum(site.size for site in self.sites.values())
        scalars = ["av", *["rv_score"] * self.has_rv, *["tmax"] * model.free_tmax, "theta"]
        self.own_names = [*scalars, "epsilon", "ds"]
        self.n_own = len(scalars) + len(model.sed.epsilon_cholesky) + 1
        self.linearise(reference or self.default_reference())

    def linearise(self, reference: Reference) -> None:
        """Change the reference of the coordinates; the density stays as it is."""
        self.linear = linearise(self.likelihood, self.model.sed, reference)
        self._blocks = {}

    def default_reference(self) -> Reference:
        """The SED model's mean surface with a little dust at the expected distances."""
        sed, o = self.model.sed, self.model.sample.observations
        warp = sed.w0.expand(len(o), *sed.w0.shape)
        zero = torch.zeros_like(o.redshift)
        return Reference(warp, zero + REFERENCE_AV, zero + REFERENCE_RV, sed.m0 + o.muhat, zero)

    def blocks(self, n_chains: int) -> list[ObjectBlock]:
        """All supernovae, in the order in which the likelihood takes them."""
        if n_chains not in self._blocks:
            # Each holds data of its own: of the numbers of chains only the latest two are kept.
            for old in list(self._blocks)[: -KEPT + 1]:
                del self._blocks[old]
            order = self.likelihood.used.argsort(stable=True)
            count = max(round(self.size * n_chains / self.block), self.threads)
            self._blocks[n_chains] = [
                ObjectBlock(self, rows) for rows in order.tensor_split(count) if len(rows)
            ]
        return self._blocks[n_chains]

    def shared(self, phi: Tensor) -> tuple[Shared, Tensor]:
        """See ``Hierarchy``."""
        surfaces, c, log_prior = self._read(phi)
        if self.model.selection is not None:
            # It depends on nothing that supernovae have of their own.
            log_prior = log_prior - self.model.selection.log_selected(c).sum(-1)
        return self._tensors(surfaces, c), log_prior

    def constrain(self, phi: Tensor) -> dict[str, Tensor]:
        """Shared parameters of unconstrained ones (..., G), each (..., *event)."""
        pieces = phi.split([site.size for site in self.sites.values()], -1)
        values: dict[str, Tensor] = {}
        named = dict(zip(self.sites, pieces, strict=True))

        def draw(name: str, prior: Any) -> Tensor:
            shape = self.sites[name].shape
            free = named[name].reshape((*phi.shape[:-1], *shape))
            values[name] = biject_to(prior.support)(free)
            return values[name]

        self.model.shared(draw)
        return values

    def unconstrain(self, values: dict[str, Tensor]) -> Tensor:
        """Unconstrained variables (G,) of shared parameters without batch dimensions."""
        found = []

        def draw(name: str, prior: Any) -> Tensor:
            found.append(biject_to(prior.support).inv(values[name]).reshape(-1))
            return values[name]

        self.model.shared(draw)
        return torch.cat(found)

    def own(self, phi: Tensor, z: Tensor) -> dict[str, Tensor]:
        """Own parameters of φ (C, G) and variables (S, C, K): each (C, S), epsilon (C, S, N)."""
        own = Own.unpack(z, self.has_rv, self.model.free_tmax)
        found = {"theta": own.theta, "av": own.log_av.exp(), "ds": own.ds}
        if own.rv_score is not None:
            shared, _ = self.shared(phi)
            found["rv_sn"] = population_rv(own.rv_score, shared["mu_r"], shared["sigma_r"])
        if own.tmax is not None:
            found["tmax"] = TMAX_RANGE * (2 * torch.sigmoid(own.tmax) - 1)
        return {k: v.transpose(0, 1) for k, v in {**found, "epsilon": own.epsilon}.items()}

    def reference(self, phi: Tensor, z: Tensor) -> Reference:
        """A point of φ (1, G) and own variables (S, 1, K) to linearise around."""
        with torch.no_grad():
            shared, _ = self.shared(phi)
            own = Own.unpack(z, self.has_rv, self.model.free_tmax)
            warp = _warp(shared, own, self.group)[:, 0]
            rv = shared.get("rv")
            if own.rv_score is not None:
                rv = population_rv(own.rv_score, shared["mu_r"], shared["sigma_r"])
            assert rv is not None
            zero = torch.zeros_like(own.ds[:, 0])
            tmax = zero if own.tmax is None else _tmax(own.tmax)[:, 0]
            rv = rv.expand_as(own.ds)[:, 0].clamp(1.0, 6.0)
            grey = self.model.sed.m0 + own.ds[:, 0]
            return Reference(warp, own.log_av.exp()[:, 0], rv, grey, tmax)

    def _trace(self) -> dict[str, Site]:
        """The shared sites, from one draw of the priors."""
        sites: dict[str, Site] = {}

        def draw(name: str, prior: Any) -> Tensor:
            transform = biject_to(prior.support)
            shape = transform.inverse_shape(prior.batch_shape + prior.event_shape)
            sites[name] = Site(transform, shape)
            # A middling value: priors that depend on it are asked for next.
            return transform(self.model.sed.w0.new_zeros(shape))

        _, c = self.model.shared(draw)
        self.has_rv, self.group = c.mu_r is not None, c.group
        return sites

    def _read(self, phi: Tensor) -> tuple[Surfaces, Conditions, Tensor]:
        """Surfaces and conditions at φ (C, G), and the log-prior with its Jacobian, (C,)."""
        pieces = phi.split([site.size for site in self.sites.values()], -1)
        named = dict(zip(self.sites, pieces, strict=True))
        total = [phi.new_zeros(len(phi))]

        def draw(name: str, prior: Any) -> Tensor:
            free = named[name].reshape(len(phi), *self.sites[name].shape)
            transform = biject_to(prior.support)
            value = transform(free)
            jacobian = transform.log_abs_det_jacobian(free, value)
            total.append(prior.log_prob(value).reshape(len(phi), -1).sum(-1))
            total.append(jacobian.reshape(len(phi), -1).sum(-1))
            return value

        # A trajectory that diverges comes with anything, and priors may depend on it.
        with dist.validation_enabled(False):
            surfaces, c = self.model.shared(draw)
        return surfaces, c, torch.stack(total).sum(0)

    def _tensors(self, surfaces: Surfaces, c: Conditions) -> Shared:
        """Everything with a chain dimension: surfaces (C, ...), conditions (S or 1, C)."""

        def chains(value: Tensor, n_event: int) -> Tensor:
            return value if value.ndim > n_event else value[None]

        w0 = chains(surfaces.w0, 2)[:, None]
        if c.w0_shift is not None:
            w0 = w0 + chains(c.w0_shift, 3)
        zero = self.model.sed.w0.new_zeros(1)
        conditions = {
            "tau_a": c.tau_a,
            "sigma0": c.sigma0,
            "delta_m": zero if c.delta_m is None else c.delta_m,
            **({"rv": c.rv} if c.rv is not None else {}),
            **({"mu_r": c.mu_r, "sigma_r": c.sigma_r} if c.mu_r is not None else {}),
        }
        return {
            "w0": w0,
            "w1": chains(surfaces.w1, 2),
            "cholesky": chains(surfaces.epsilon_cholesky, 2),
            **{k: torch.atleast_2d(v).mT for k, v in conditions.items() if v is not None},
        }


class ObjectBlock:
    """Some of the supernovae: see ``inference.hierarchical.Block``.

    Args:
        of: The density.
        rows: Which supernovae, shape (S',).
    """

    def __init__(self, of: JointDensity, rows: Tensor) -> None:
        self.rows, self.of = rows, of
        model, o = of.model, of.model.sample.observations
        self.likelihood = of.likelihood.take(rows)
        self.law = DustCurve(self.likelihood.nodes.flatten(1))
        self.muhat, self.distance_err = o.muhat[rows], model.sample.distance_err[rows]
        self.group = None if of.group is None else of.group[rows]
        self.whitening = Whitening(
            of.linear.take(rows).without_grey(model.sed.m0),
            self.muhat,
            self.distance_err,
            self.group,
            of.has_rv,
            model.free_tmax,
        )

    def log_density(self, shared: Shared, z: Tensor) -> Tensor:
        """See ``Block``."""
        s = self._mine(shared)
        own = Own.unpack(z, self.of.has_rv, self.of.model.free_tmax)
        av = own.log_av.exp()
        total = own.log_av - av / s["tau_a"] - s["tau_a"].log()
        scale = torch.sqrt(self.distance_err[:, None].square() + s["sigma0"].square())
        distance = (own.ds - self.muhat[:, None] - s["delta_m"]) / scale
        total = total + _standard(distance) - scale.log()
        total = total + _standard(own.theta) + _standard(own.epsilon).sum(-1)
        rv, tmax = s.get("rv"), torch.zeros_like(av)
        if own.rv_score is not None:
            total = total + _standard(own.rv_score)
            rv = population_rv(own.rv_score, s["mu_r"], s["sigma_r"])
        if own.tmax is not None:
            total = total + logsigmoid(own.tmax) + logsigmoid(-own.tmax)
            tmax = _tmax(own.tmax)
        assert rv is not None
        dust = av[..., None] * self.law(rv.expand_as(av))
        dust = dust.unflatten(-1, self.likelihood.nodes.shape[1:])
        warp = _warp(s, own, self.group)
        grey = self.of.model.sed.m0 + own.ds
        return (total + self.likelihood(warp, dust, tmax, grey)).sum(0)

    def whiten(self, shared: Shared, x: Tensor) -> tuple[Tensor, Tensor]:
        """See ``Block``."""
        return self.whitening(self._mine(shared), x)

    def unwhiten(self, shared: Shared, z: Tensor) -> Tensor:
        """See ``Block``."""
        return self.whitening.inverse(self._mine(shared), z)

    def _mine(self, shared: Shared) -> Shared:
        """With the conditions of these supernovae."""
        surfaces = ("w0", "w1", "cholesky")
        return {k: v if k in surfaces or len(v) == 1 else v[self.rows] for k, v in shared.items()}


def _warp(shared: Shared, own: Own, group: Tensor | None) -> Tensor:
    """W at the knots, shape (S, C, K_l, K_t)."""
    w0 = shared["w0"].transpose(0, 1)
    w0 = w0 if group is None else w0[group]
    residual = torch.einsum("scn,cmn->scm", own.epsilon, _chains(shared["cholesky"], own))
    warp = w0 + own.theta[..., None, None] * shared["w1"]
    return warp + residual_surface(residual, *warp.shape[-2:])


def _chains(cholesky: Tensor, own: Own) -> Tensor:
    return cholesky.expand(own.ds.shape[1], -1, -1)


def _tmax(free: Tensor) -> Tensor:
    return TMAX_RANGE * (2 * torch.sigmoid(free) - 1)


def _standard(x: Tensor) -> Tensor:
    return -0.5 * x.square() - HALF_LOG_2PI
