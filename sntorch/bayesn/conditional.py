"""Coordinates for supernovae's own parameters, given the population and the surfaces.

With magnitudes linear in the parameters (``linearised``) and y = (t_max, θ, e, (Ds - μ̂ - ΔM) / s)
standard normal a priori, the posterior of (y, A_V) given R_V is normal, with A_V truncated at 0
and an exponential prior on top. With observations in units of their errors, Z the columns of y, a
that of A_V and r the residuals,

    I + ZᵀZ = R Rᵀ,   p_v = R⁻¹ Zᵀ v,
    A_V | R_V ~ N((aᵀr - p_aᵀp_r - 1/τ_A) / λ, 1/λ) on A_V > 0,   λ = aᵀa - p_aᵀp_a,
    y | A_V, R_V = R⁻ᵀ (p_r - A_V p_a + u),   u ~ N(0, I).

A population's R_V comes first: its score's width follows from the change of a with R_V at the
reference's A_V. Everything is differentiable in the population and the surfaces.

Letters in shapes: ``S`` supernovae, ``C`` chains, ``O`` observations, ``Y`` variables of y.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from sntorch.bayesn.hierarchy import TMAX_RANGE, population_rv
from sntorch.bayesn.linearised import Linearised
from sntorch.inference.hierarchical import Shared
from sntorch.inference.truncated import truncated_score, truncated_score_inverse
from sntorch.physics.extinction import anchors

# Precision of A_V that its exponential prior is worth, in units of 1/τ_A².
PRIOR_PRECISION = 0.04
# Truncated further out than this, a normal is an exponential to all purposes.
FARTHEST = -8.0
# Slope of t_max by its logit, days, at 0, and the standard deviation of a logistic variable.
TMAX_SLOPE = TMAX_RANGE / 2
TMAX_PRECISION = 3 / math.pi**2
HALF = 0.5


@dataclass(eq=False)
class Own:
    """Own variables by name, each (S, C), ``epsilon`` (S, C, N); as ``JointDensity`` packs them.

    Attributes:
        log_av: ln A_V.
        rv_score: Standard-normal score of R_V in its population; None where all share one.
        tmax: Logit of t_max in its range; None where it is held.
        theta: θ.
        epsilon: e.
        ds: Ds, mag.
    """

    log_av: Tensor
    rv_score: Tensor | None
    tmax: Tensor | None
    theta: Tensor
    epsilon: Tensor
    ds: Tensor

    @classmethod
    def unpack(cls, z: Tensor, has_rv: bool, has_tmax: bool) -> Own:
        """From variables (S, C, K)."""
        columns = iter(z.unbind(-1))
        log_av = next(columns)
        rv_score = next(columns) if has_rv else None
        tmax = next(columns) if has_tmax else None
        first = 1 + has_rv + has_tmax
        return cls(log_av, rv_score, tmax, z[..., first], z[..., first + 1 : -1], z[..., -1])

    def pack(self) -> Tensor:
        """Variables (S, C, K)."""
        scalars = [self.log_av, self.rv_score, self.tmax, self.theta]
        first = [v for v in scalars if v is not None]
        return torch.cat([torch.stack(first, -1), self.epsilon, self.ds[..., None]], -1)


class Whitening:
    """The map of one block of supernovae.

    Args:
        linear: Their linear model.
        muhat: Expected distance modulus, mag, shape (S,).
        distance_err: Its standard deviation, mag, shape (S,).
        group: Number of each supernova's W0, shape (S,); None where all share one.
        has_rv, has_tmax: Which variables there are.
    """

    def __init__(
        self,
        linear: Linearised,
        muhat: Tensor,
        distance_err: Tensor,
        group: Tensor | None,
        has_rv: bool,
        has_tmax: bool,
    ) -> None:
        self.linear, self.muhat, self.distance_err = linear, muhat, distance_err
        self.group, self.has_rv, self.has_tmax = group, has_rv, has_tmax
        n, n_seen = linear.grey.shape
        self.shape = n, n_seen
        self.by_knot = linear.warp.flatten(2).flatten(0, 1)
        # The residual surface: wavelength fastest, without the outer knots.
        inner = linear.warp[:, :, 1:-1].transpose(-1, -2)
        self.by_epsilon = inner.flatten(2).flatten(0, 1)

    def __call__(self, shared: Shared, x: Tensor) -> tuple[Tensor, Tensor]:
        """See ``inference.hierarchical.Block.whiten``."""
        part = _Parts(self, shared, x.shape[1])
        own = Own.unpack(x, self.has_rv, self.has_tmax)
        log_jacobian = x.new_zeros(x.shape[:2])
        rv, rv_score = shared.get("rv"), None
        if own.rv_score is not None:
            mean, precision = part.rv_score()
            rv_score = mean + own.rv_score * precision.rsqrt()
            log_jacobian = log_jacobian - 0.5 * precision.log()
            rv = part.rv(rv_score)
        p_a, ratio, root = part.av(rv)
        w, log_slope = truncated_score(own.log_av, ratio)
        # Where the truncation is far out the two cancel: light of the digits that are left.
        av = ((ratio + w) / root).clamp(min=1e-12)
        log_av = av.log()
        u = torch.cat([own.theta[..., None], own.epsilon, own.ds[..., None]], -1)
        if own.tmax is not None:
            u = torch.cat([own.tmax[..., None], u], -1)
        right = (part.p_r - av[..., None] * p_a + u).unsqueeze(-1)
        y = torch.linalg.solve_triangular(part.root.mT, right, upper=True).squeeze(-1)
        log_jacobian = log_jacobian + log_slope - root.log() - log_av
        log_jacobian = log_jacobian - part.root.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        log_jacobian = log_jacobian + part.scale.log()
        z = Own(
            log_av=log_av,
            rv_score=rv_score,
            tmax=y[..., 0] if self.has_tmax else None,
            theta=y[..., int(self.has_tmax)],
            epsilon=y[..., self.has_tmax + 1 : -1],
            ds=part.centre + part.scale * y[..., -1],
        )
        return z.pack(), log_jacobian.sum(0)

    def inverse(self, shared: Shared, z: Tensor) -> Tensor:
        """See ``inference.hierarchical.Block.unwhiten``."""
        part = _Parts(self, shared, z.shape[1])
        own = Own.unpack(z, self.has_rv, self.has_tmax)
        rv, rv_score = shared.get("rv"), None
        if own.rv_score is not None:
            mean, precision = part.rv_score()
            rv_score = (own.rv_score - mean) * precision.sqrt()
            rv = part.rv(own.rv_score)
        p_a, ratio, root = part.av(rv)
        av = own.log_av.exp()
        y = [own.theta[..., None], own.epsilon, ((own.ds - part.centre) / part.scale)[..., None]]
        if own.tmax is not None:
            y.insert(0, own.tmax[..., None])
        right = (part.root.mT @ torch.cat(y, -1).unsqueeze(-1)).squeeze(-1)
        u = right - part.p_r + av[..., None] * p_a
        return Own(
            log_av=truncated_score_inverse(av * root - ratio, ratio),
            rv_score=rv_score,
            tmax=u[..., 0] if self.has_tmax else None,
            theta=u[..., int(self.has_tmax)],
            epsilon=u[..., self.has_tmax + 1 : -1],
            ds=u[..., -1],
        ).pack()


class _Parts:
    """What both directions need of the population: R, p_r, and the distribution of A_V."""

    def __init__(self, of: Whitening, shared: Shared, n_chains: int) -> None:
        self.of, self.shared = of, shared
        linear, (n, n_seen) = of.linear, of.shape
        self.scale = torch.sqrt(of.distance_err[:, None].square() + shared["sigma0"].square())
        self.centre = of.muhat[:, None] + shared["delta_m"]
        self.scale, self.centre = (v.expand(n, n_chains) for v in (self.scale, self.centre))
        flat = shared["w1"].flatten(-2)
        by_theta = (of.by_knot @ flat.mT).view(n, n_seen, -1).transpose(1, 2)
        by_epsilon = of.by_epsilon @ shared["cholesky"].transpose(0, 1).flatten(1)
        by_epsilon = by_epsilon.view(n, n_seen, len(shared["cholesky"]), -1).transpose(1, 2)
        columns = [
            by_theta.expand(n, n_chains, n_seen)[..., None],
            by_epsilon.expand(n, n_chains, n_seen, -1),
            self.scale[:, :, None, None] * linear.grey[:, None, :, None],
        ]
        precision = torch.ones_like(shared["cholesky"][0, 0]).new_ones(by_epsilon.shape[-1] + 2)
        if of.has_tmax:
            columns.insert(0, (TMAX_SLOPE * linear.tmax)[:, None, :, None].expand_as(columns[0]))
            precision = torch.cat([precision.new_tensor([TMAX_PRECISION]), precision])
        self.columns = torch.cat(columns, -1)
        self.residual = self._residual(n_chains)
        square = self.columns.mT @ self.columns + torch.diag(precision)
        # A trajectory that diverges may come with values that are no numbers.
        self.root, _ = torch.linalg.cholesky_ex(square)
        self.p_r = self._project(self.residual)

    def av(self, rv: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """p_a; mean over standard deviation of A_V before truncation, and √λ; R_V is (·, C)."""
        assert rv is not None, "R_V is shared, or follows from its score"
        a = self._dust(rv)
        p_a = self._project(a)
        tau = self.shared["tau_a"]
        floor = PRIOR_PRECISION / tau.square()
        precision = (a.square().sum(-1) - p_a.square().sum(-1)).clamp(min=0) + floor
        linear = (a * self.residual).sum(-1) - (p_a * self.p_r).sum(-1) - 1 / tau
        root = precision.sqrt()
        return p_a, (linear / root).clamp(min=FARTHEST), root

    def rv_score(self) -> tuple[Tensor, Tensor]:
        """Mean and precision of the score of R_V, each (S, C)."""
        zero = torch.zeros_like(self.scale)
        at, more, less = (self._dust(self.rv(zero + step)) for step in (0, HALF, -HALF))
        change = self.of.linear.av[:, None, None] * (more - less)
        p_a, p_h = self._project(at), self._project(change)
        tau = self.shared["tau_a"]
        aa = at.square().sum(-1) - p_a.square().sum(-1) + PRIOR_PRECISION / tau.square()
        ah = (at * change).sum(-1) - (p_a * p_h).sum(-1)
        hh = change.square().sum(-1) - p_h.square().sum(-1)
        ar = (at * self.residual).sum(-1) - (p_a * self.p_r).sum(-1) - 1 / tau
        hr = (change * self.residual).sum(-1) - (p_h * self.p_r).sum(-1)
        precision = 1 + (hh - ah.square() / aa).clamp(min=0)
        return (hr - ah / aa * ar) / precision, precision

    def rv(self, score: Tensor) -> Tensor:
        """R_V at scores (S, C)."""
        return population_rv(score, self.shared["mu_r"], self.shared["sigma_r"])

    def _dust(self, rv: Tensor) -> Tensor:
        """Derivative of each observation by A_V, shape (S, C, O); R_V has shape (S or 1, C)."""
        linear = self.of.linear
        over_rv = anchors(rv) / rv[..., None]
        return linear.grey[:, None] + over_rv @ linear.dust.mT

    def _project(self, v: Tensor) -> Tensor:
        """p_v = R⁻¹ Zᵀ v of (S, C, O), shape (S, C, Y)."""
        right = self.columns.mT @ v.unsqueeze(-1)
        return torch.linalg.solve_triangular(self.root, right, upper=False).squeeze(-1)

    def _residual(self, n_chains: int) -> Tensor:
        """Observations minus what W0 and the expected distance predict, shape (S, C, O)."""
        of, (n, n_seen) = self.of, self.of.shape
        w0 = self.shared["w0"]
        n_groups = w0.shape[1]
        known = (of.by_knot @ w0.flatten(0, 1).flatten(1).mT).view(n, n_seen, -1, n_groups)
        if of.group is not None:
            index = of.group[:, None, None, None].expand(n, n_seen, known.shape[2], 1)
            known = known.gather(-1, index)
        linear = of.linear
        grey = linear.grey[:, None] * self.centre[..., None]
        residual = linear.constant[:, None] - known.squeeze(-1).transpose(1, 2) - grey
        return residual.expand(n, n_chains, n_seen)
