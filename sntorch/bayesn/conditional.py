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

All of y but the distance, which is last, is ``inference.linear_gaussian``: E holds the products
of the columns of Ds, g, and of r and a, less what the others explain. The distance's column is
s g; with d² = 1 + s² E_gg the last row of p is s E_gv / d, and E_vw - E_vg E_gw s² / d² is left.
The columns of A_V are linear in powers of R_V: one, at the R_V that all share, or all powers.

Letters in shapes: ``S`` supernovae, ``C`` chains, ``O`` observations, ``Y`` variables of y but the
last, ``M`` columns in the order g, r of each group, those of A_V.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sntorch.bayesn.hierarchy import TMAX_RANGE, population_rv
from sntorch.bayesn.linearised import Linearised
from sntorch.inference.hierarchical import Shared
from sntorch.inference.linear_gaussian import LinearGaussian
from sntorch.inference.truncated import truncated_score, truncated_score_inverse
from sntorch.physics.extinction import CONSTANT, anchor_coefficients, powers

# Precision of A_V that its exponential prior is worth, in units of 1/τ_A².
PRIOR_PRECISION = 0.04
# Truncated further out than this, a normal is an exponential to all purposes.
FARTHEST = -8.0
# Precision of a logistic variable.
TMAX_PRECISION = 3 / math.pi**2
# Nearer to the ends of its range t_max hardly changes with its logit.
FARTHEST_TMAX = 0.95 * TMAX_RANGE
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
        self.muhat, self.distance_err, self.av = muhat, distance_err, linear.av
        self.group, self.has_rv, self.has_tmax = group, has_rv, has_tmax
        dust = linear.dust @ anchor_coefficients(muhat.dtype, muhat.device).T
        dust[..., CONSTANT] += linear.grey
        knots = _flat(linear.warp)
        # With respect to the expected distance: the products keep their digits.
        constant = linear.constant - muhat[:, None] * linear.grey
        single = [linear.grey, constant]
        if has_tmax:
            slope, offset = _by_logit(linear.at_tmax)
            single[1] = constant - offset[:, None] * linear.tmax
            single.append(slope[:, None] * linear.tmax)
        design = torch.cat([knots, dust, torch.stack(single, -1)], -1)
        self.n_knots, self.n_powers = knots.shape[-1], dust.shape[-1]
        n_inner = self.n_knots - 2 * linear.warp.shape[-1]
        precision = muhat.new_ones(1 + has_tmax + n_inner)
        if has_tmax:
            precision[0] = TMAX_PRECISION
        self.model = LinearGaussian(design, n_inner, precision, 1 + has_tmax)

    def __call__(self, shared: Shared, x: Tensor) -> tuple[Tensor, Tensor]:
        """See ``inference.hierarchical.Block.whiten``."""
        own = Own.unpack(x, self.has_rv, self.has_tmax)
        part = _Parts(self, shared, self._others(x))
        log_jacobian = part.log_jacobian
        rv_score, scores = None, []
        if own.rv_score is not None:
            mean, precision = part.rv_score()
            rv_score = mean + own.rv_score * precision.rsqrt()
            scores = [rv_score[..., None]]
            log_jacobian = log_jacobian - 0.5 * precision.log()
        dust = part.dust(rv_score)
        ratio, root = part.av(dust)
        w, log_slope = truncated_score(own.log_av, ratio)
        # Where the truncation is far out the two cancel: light of the digits that are left.
        av = ((ratio + w) / root).clamp(min=1e-12)
        log_av = av.log()
        remaining = part.residual - av[..., None] * dust
        last = (part.last(remaining) + own.ds) / part.width
        y = part.noise + part.others(remaining, last)
        ds = part.centre + part.scale * last
        log_jacobian = log_jacobian + log_slope - root.log() - log_av
        z = torch.cat([log_av[..., None], *scores, y, ds[..., None]], -1)
        return z, log_jacobian.sum(0)

    def inverse(self, shared: Shared, z: Tensor) -> Tensor:
        """See ``inference.hierarchical.Block.unwhiten``."""
        own = Own.unpack(z, self.has_rv, self.has_tmax)
        others = self._others(z)
        part = _Parts(self, shared, others)
        scores = []
        if own.rv_score is not None:
            mean, precision = part.rv_score()
            scores = [((own.rv_score - mean) * precision.sqrt())[..., None]]
        dust = part.dust(own.rv_score)
        ratio, root = part.av(dust)
        av = own.log_av.exp()
        score = truncated_score_inverse(av * root - ratio, ratio)
        remaining = part.residual - av[..., None] * dust
        last = (own.ds - part.centre) / part.scale
        u = part.score(others - part.others(remaining, last))
        ds = part.width * last - part.last(remaining)
        return torch.cat([score[..., None], *scores, u, ds[..., None]], -1)

    def _others(self, x: Tensor) -> Tensor:
        """What is linear but for the distance, (t_max, θ, e), of all own variables."""
        return x[..., 1 + self.has_rv : -1]


class _Parts:
    """What both directions need of the population.

    Args:
        of: The whitening.
        shared: The population and the surfaces.
        u: Standard-normal numbers of all but the distance, shape (S, C, Y).

    Attributes:
        centre, scale: Of the distance, shape (S, C).
        width: d, shape (S, C).
        residual: The residuals as columns' weights, shape (S, C, M).
        noise: R⁻ᵀ u, shape (S, C, Y).
        log_jacobian: Of y by u, shape (S, C).
    """

    def __init__(self, of: Whitening, shared: Shared, u: Tensor) -> None:
        self.of, self.shared = of, shared
        n_chains = u.shape[1]
        # Surfaces that are held have no chains: all solve with the same matrix.
        self.together = n_chains > 1 and len(shared["w0"]) == len(shared["w1"]) == 1
        self.n_groups = shared["w0"].shape[1]
        rv = shared.get("rv")
        self.by_power = self.together or rv is None or len(rv) > 1
        self.mixing, self.factor = self._mixing(), shared["cholesky"]
        if not self.together:
            self.mixing = self.mixing.expand(n_chains, -1, -1)
            self.factor = self.factor.expand(n_chains, -1, -1)
        solution = of.model.solve(self.mixing, self.factor, self._columns(u))
        self.mean, self.noise = solution.mean, self._rows(solution.noise)
        left, log_det = solution.left.transpose(0, 1), solution.log_det.T
        self.centre = of.muhat[:, None] + shared["delta_m"]
        self.scale = torch.sqrt(of.distance_err[:, None].square() + shared["sigma0"].square())
        by_grey = left[:, :, 0]
        square = self.scale.square()
        width = 1 + square * left[:, :, 0, 0]
        self.width = width.sqrt()
        self.by_grey = (self.scale / self.width)[..., None] * by_grey
        share = (square / width)[..., None, None]
        self.left = left - share * by_grey[..., :, None] * by_grey[..., None, :]
        self.residual = self._residual()
        self.log_jacobian = log_det + (self.scale / self.width).log()

    def dust(self, rv_score: Tensor | None) -> Tensor:
        """Derivative by A_V as columns' weights, shape (S or 1, C, M)."""
        if not self.by_power:
            return self._unit(-1)
        rv = self.shared["rv"] if rv_score is None else self._rv(rv_score)
        return nn.functional.pad(powers(rv), (1 + self.n_groups, 0))

    def av(self, dust: Tensor) -> tuple[Tensor, Tensor]:
        """A_V's mean over its standard deviation before truncation, and √λ, each (S, C)."""
        tau = self.shared["tau_a"]
        by_dust = self._times(dust)
        precision = _dot(by_dust, dust).clamp(min=0) + PRIOR_PRECISION / tau.square()
        root = precision.sqrt()
        linear = _dot(by_dust, self.residual) - 1 / tau
        return (linear / root).clamp(min=FARTHEST), root

    def rv_score(self) -> tuple[Tensor, Tensor]:
        """Mean and precision of the score of R_V, each (S, C)."""
        zero = torch.zeros_like(self.scale)
        at, more, less = (self.dust(zero + step) for step in (0, HALF, -HALF))
        change = self.of.av[:, None, None] * (more - less)
        tau = self.shared["tau_a"]
        by_at, by_change = self._times(at), self._times(change)
        aa = _dot(by_at, at) + PRIOR_PRECISION / tau.square()
        ah, hh = _dot(by_at, change), _dot(by_change, change)
        ar, hr = _dot(by_at, self.residual) - 1 / tau, _dot(by_change, self.residual)
        precision = 1 + (hh - ah.square() / aa).clamp(min=0)
        return (hr - ah / aa * ar) / precision, precision

    def last(self, weights: Tensor) -> Tensor:
        """p's row of the distance, (S, C), of columns' weights."""
        return _dot(self.by_grey, weights)

    def others(self, weights: Tensor, last: Tensor) -> Tensor:
        """Posterior mean of all but the distance, (S, C, Y), which is held at ``last``."""
        grey = (self.scale * last)[..., None] * self._unit(0)
        return self._rows(self.mean @ self._columns(weights - grey))

    def score(self, y: Tensor) -> Tensor:
        """u of y = R⁻ᵀ u, each (S, C, Y)."""
        return self._rows(self.of.model.score(self.mixing, self.factor, self._columns(y)))

    def _rv(self, score: Tensor) -> Tensor:
        return population_rv(score, self.shared["mu_r"], self.shared["sigma_r"])

    def _times(self, weights: Tensor) -> Tensor:
        return (self.left * weights[..., None, :]).sum(-1)

    def _unit(self, index: int) -> Tensor:
        unit = self.mixing.new_zeros(self.mean.shape[-1])
        unit[index] = 1
        return unit.expand(1, 1, -1)

    def _residual(self) -> Tensor:
        """What observations are more than W0 and the expected distance, as columns' weights."""
        group = self.of.group
        number = 1 + (
            torch.zeros_like(self.of.muhat, dtype=torch.long) if group is None else group
        )
        chosen = nn.functional.one_hot(number, self.mean.shape[-1])[:, None].to(self.mean)
        return chosen - self.shared["delta_m"][..., None] * self._unit(0)

    def _columns(self, x: Tensor) -> Tensor:
        """(S, C, Y) as (C, S, Y, 1), or (1, S, Y, C) if all chains have the same matrix."""
        return x.mT[None] if self.together else x.transpose(0, 1)[..., None]

    def _rows(self, x: Tensor) -> Tensor:
        """The inverse of ``_columns``."""
        return x[0].mT if self.together else x[..., 0].transpose(0, 1)

    def _mixing(self) -> Tensor:
        """Columns t_max, θ; g, r, a of the design's, shape (C or 1, N, f)."""
        of, w1 = self.of, _flat(self.shared["w1"])
        w0 = _flat(self.shared["w0"])
        n, n_columns = of.n_knots, of.n_knots + of.n_powers + 2 + of.has_tmax
        n_dust = of.n_powers if self.by_power else 1
        first = of.model.n_first
        chains = 1 if self.together else max(len(w0), len(w1))
        mixing = w1.new_zeros(chains, n_columns, first + 1 + self.n_groups + n_dust)
        if of.has_tmax:
            mixing[:, -1, 0] = 1
        mixing[:, :n, first - 1] = w1
        mixing[:, n + of.n_powers, first] = 1
        mixing[:, n + of.n_powers + 1, first + 1 : first + 1 + self.n_groups] = 1
        mixing[:, :n, first + 1 : first + 1 + self.n_groups] = -w0.mT
        powered = mixing[:, n : n + of.n_powers, -n_dust:]
        if self.by_power:
            powered.diagonal(dim1=-2, dim2=-1).fill_(1)
        else:
            powered.copy_(powers(self.shared["rv"][0])[..., None])
        return mixing


def _by_logit(tmax: Tensor) -> tuple[Tensor, Tensor]:
    """t_max as a straight line in its logit, near a reference: slope and offset, days."""
    share = (tmax.clamp(-FARTHEST_TMAX, FARTHEST_TMAX) / TMAX_RANGE + 1) / 2
    slope = 2 * TMAX_RANGE * share * (1 - share)
    return slope, TMAX_RANGE * (2 * share - 1) - slope * torch.logit(share)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(-1)


def _flat(surface: Tensor) -> Tensor:
    """Knots (..., K_l, K_t) as a residual surface has them, then the outer ones: (..., W)."""
    inner = surface[..., 1:-1, :].transpose(-1, -2).flatten(-2)
    return torch.cat([inner, surface[..., 0, :], surface[..., -1, :]], -1)
