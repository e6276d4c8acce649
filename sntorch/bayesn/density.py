"""The fitting model's log-density as one function of unconstrained variables.

The same density as ``model.FitModel`` (a test holds both to 1e-10), without tracing a model: the
sampler calls this. Variables are unconstrained as in Pyro: ln A_V, and the logit of t_max and R_V
within their ranges.

Letters in shapes: ``B`` objects, ``C`` chains (or any other points) of each, ``D`` variables.
"""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from sntorch.bayesn.likelihood import HALF_LOG_2PI, Likelihood
from sntorch.bayesn.model import MUHAT_SD, population_rv
from sntorch.bayesn.observations import Observations
from sntorch.bayesn.options import RV_RANGE, FitOptions
from sntorch.errors import ConfigError
from sntorch.inference.density import differentiate
from sntorch.physics.extinction import DustCurve, fitzpatrick99
from sntorch.physics.photometry import LN
from sntorch.physics.sed import SEDModel

LARGEST_SHIFT = 10.0


class FitDensity:
    """ln p(parameters, fluxes) of B supernovae at C points of each.

    Args:
        sed: The SED model with its population.
        observations: Photometry of B objects.
        options: What is free; a free redshift needs the Pyro model.

    Attributes:
        sites: Free variables in order, with their sizes.
        dim: D.
        positive: Whether the first variable is the logarithm of a positive one (A_V).

    Raises:
        ConfigError: A free redshift.
    """

    def __init__(
        self, sed: SEDModel, observations: Observations, options: FitOptions | None = None
    ) -> None:
        self.sed, self.observations = sed, observations
        self.options = options or FitOptions()
        if self.options.free_redshift:
            raise ConfigError("a free redshift changes the quadrature: use FitModel")
        self.rv = self.options.resolved(sed)
        self.likelihood = Likelihood(sed, observations, self.options.shift)
        self.sites = self._sites()
        self.dim = sum(self.sites.values())
        self.positive = "av" in self.sites
        self._prepare_dust()

    def __len__(self) -> int:
        return len(self.observations)

    def take(self, index: Tensor) -> FitDensity:
        """The density of the chosen objects."""
        part = copy.copy(self)
        part.observations = self.observations.take(index)
        part.likelihood = self.likelihood.take(index)
        part._prepare_dust()
        return part

    def slice(self, site: str) -> slice:
        """Where a site's variables stand."""
        names = list(self.sites)
        first = sum(self.sites[name] for name in names[: names.index(site)])
        return slice(first, first + self.sites[site])

    def __call__(self, z: Tensor) -> Tensor:
        """ln p, shape (B, C), differentiable.

        Args:
            z: Unconstrained variables, shape (B, C, D).
        """
        prior, *arguments = self._terms(z)
        return prior + self.likelihood(*arguments)

    def chi_square(self, z: Tensor) -> Tensor:
        """χ² of the observations at z (B, C, D), shape (B, C)."""
        _, *arguments = self._terms(z)
        return -2 * self.likelihood.half_chi_square(*arguments)

    def profile_ds(self, z: Tensor) -> Tensor:
        """z (B, C, D) with the Ds that fits the fluxes best, all else as it is.

        The fluxes are proportional to a = 10^{-0.4 Ds}, so ln L is a parabola in a, which its
        value and slope at one point determine.
        """
        _, warp, dust, tmax, grey = self._terms(z)
        with torch.enable_grad():
            grey = grey.detach().requires_grad_()
            value = self.likelihood.half_chi_square(warp, dust, tmax, grey)
            (slope,) = torch.autograd.grad(value.sum(), grey)
        data = self.likelihood.data_square[:, None]
        cross_minus_square = -slope / LN
        square = 2 * value.detach() + data - 2 * cross_minus_square
        ratio = 1 + cross_minus_square / square
        usable = torch.isfinite(ratio) & (ratio > 0)
        shift = -torch.log(torch.where(usable, ratio, 1.0)) / LN
        z = z.clone()
        z[..., self.slice("ds")] += shift[..., None].clamp(-LARGEST_SHIFT, LARGEST_SHIFT)
        return z

    def _terms(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """ln prior, and the arguments of the likelihood."""
        v = self._unpack(z)
        o = self.observations
        zero = torch.zeros_like(v["ds"])
        theta = v.get("theta", zero + (self.options.fix_theta or 0.0))
        av, prior = self._dust(v, zero)
        tmax, of_tmax = self._tmax(v, zero)
        rv, of_rv = self._rv(v)
        dust = av[..., None, None] * self._curve(rv)
        warp = self.sed.w0 + theta[..., None, None] * self.sed.w1
        scale = math.hypot(MUHAT_SD, self.sed.sigma0)
        prior = prior + of_tmax + of_rv + _standard((v["ds"] - o.muhat[:, None]) / scale)
        prior = prior - math.log(scale)
        if "theta" in v:
            prior = prior + _standard(theta)
        if "epsilon" in v:
            warp = warp + self.sed.epsilon_surface(v["epsilon"])
            prior = prior + _standard(v["epsilon"]).sum(-1)
        return prior, warp, dust, tmax, self.sed.m0 + v["ds"]

    def value_and_gradient(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """ln p, shape (B, C), and its gradient, shape (B, C, D)."""
        return differentiate(self, z)

    def constrain(self, z: Tensor) -> dict[str, Tensor]:
        """Parameters of unconstrained variables (B, C, D): each (B, C), epsilon (B, C, N)."""
        v = self._unpack(z)
        zero = torch.zeros_like(v["ds"])
        found = {
            "theta": v.get("theta", zero + (self.options.fix_theta or 0.0)),
            "av": self._dust(v, zero)[0],
            "tmax": self._tmax(v, zero)[0],
            "rv": self._rv(v)[0].expand_as(zero),
            "ds": v["ds"],
        }
        return {**found, **({"epsilon": v["epsilon"]} if "epsilon" in v else {})}

    def _sites(self) -> dict[str, int]:
        options, n_epsilon = self.options, len(self.sed.epsilon_cholesky)
        free = {
            "av": options.fix_av is None,
            "theta": options.fix_theta is None,
            "tmax": options.fix_tmax is None,
            "rv_quantile": self.rv.mode == "population",
            "rv": self.rv.mode == "uniform",
            "epsilon": options.epsilon,
            "ds": True,
        }
        return {name: n_epsilon if name == "epsilon" else 1 for name, is_ in free.items() if is_}

    def _unpack(self, z: Tensor) -> dict[str, Tensor]:
        pieces = z.split(list(self.sites.values()), -1)
        named = zip(self.sites, pieces, strict=True)
        return {k: piece if k == "epsilon" else piece.squeeze(-1) for k, piece in named}

    def _dust(self, v: dict[str, Tensor], zero: Tensor) -> tuple[Tensor, Tensor]:
        """A_V and the logarithm of its prior, the transform's Jacobian included."""
        if "av" not in v:
            return zero + (self.options.fix_av or 0.0), zero
        av = v["av"].exp()
        return av, v["av"] - av / self.sed.tau_a - math.log(self.sed.tau_a)

    def _tmax(self, v: dict[str, Tensor], zero: Tensor) -> tuple[Tensor, Tensor]:
        if "tmax" not in v:
            return zero + (self.options.fix_tmax or 0.0), zero
        width = self.options.tmax_range
        return width * (2 * torch.sigmoid(v["tmax"]) - 1), _logit_jacobian(v["tmax"])

    def _rv(self, v: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        if "rv" in v:
            low, high = RV_RANGE
            return low + (high - low) * torch.sigmoid(v["rv"]), _logit_jacobian(v["rv"])
        if "rv_quantile" in v:
            quantile = torch.sigmoid(v["rv_quantile"])
            rv = population_rv(quantile, self.rv.mean, self.rv.spread)
            return rv, _logit_jacobian(v["rv_quantile"])
        return self.sed.w0.new_tensor(self.rv.mean), self.sed.w0.new_zeros(())

    def _prepare_dust(self) -> None:
        nodes = self.likelihood.nodes
        if self.rv.mode == "fixed":
            # The same for every chain: shape (B, 1, F, Q).
            self._fixed_curve = fitzpatrick99(nodes, self.rv.mean)[:, None]
        else:
            self._law = DustCurve(nodes.flatten(1))

    def _curve(self, rv: Tensor) -> Tensor:
        """A(λ)/A_V at the nodes, shape (B, C or 1, F, Q)."""
        if self.rv.mode == "fixed":
            return self._fixed_curve
        return self._law(rv).unflatten(-1, self.likelihood.nodes.shape[1:])


def _standard(x: Tensor) -> Tensor:
    return -0.5 * x.square() - HALF_LOG_2PI


def _logit_jacobian(z: Tensor) -> Tensor:
    return logsigmoid(z) + logsigmoid(-z)
