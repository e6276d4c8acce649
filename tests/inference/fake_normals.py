"""A hierarchy of normals whose posterior is known: what samplers and fits are checked on."""

from __future__ import annotations

import torch
from targets import generator

from sntorch.inference.hierarchical import Conditional

OBJECTS, OWN, SPREAD = 6, 2, 3.0
LOG_TAU = (-0.5, 0.6)


class Normals:
    """y_s ~ N(z_s, σ_s²), z_s ~ N(μ, τ²) in two dimensions; μ ~ N(0, 3²), ln τ normal.

    φ = (μ_1, μ_2, ln τ). The conditional of z_s is a normal; ``stretch`` makes the coordinates'
    wider than it is.
    """

    n_shared, n_own, size = 3, OWN, OBJECTS

    def __init__(self, stretch=1.0, block=OBJECTS):
        self.stretch, self.block = stretch, block
        random = generator(3)
        self.error = 0.2 + torch.rand(OBJECTS, generator=random, dtype=torch.float64)
        noise = torch.randn(OBJECTS, OWN, generator=random, dtype=torch.float64)
        self.y = torch.tensor([1.0, -2.0]).double() + 1.2 * noise

    def blocks(self, n_chains):
        return [Part(self, rows) for rows in torch.arange(OBJECTS).split(self.block)]

    def shared(self, phi):
        scaled = torch.cat([phi[:, :2] / SPREAD, (phi[:, 2:] - LOG_TAU[0]) / LOG_TAU[1]], 1)
        shared = {"mu": phi[:, :2], "tau": phi[:, 2].exp(), "constant": torch.ones(1).double()}
        return shared, -0.5 * scaled.square().sum(1)


class Part:
    """Some of the objects."""

    def __init__(self, of, rows):
        self.of, self.rows = of, rows
        self.y, self.error = of.y[rows, None], of.error[rows, None, None]

    def log_density(self, shared, z):
        tau = shared["tau"][:, None]
        data = ((self.y - z) / self.error).square()
        prior = ((z - shared["mu"]) / tau).square()
        return -(0.5 * (data + prior) + tau.log()).sum((0, 2))

    def _law(self, shared):
        tau = shared["tau"][:, None]
        precision = 1 / tau.square() + 1 / self.error.square()
        mean = (shared["mu"] / tau.square() + self.y / self.error.square()) / precision
        return mean, self.of.stretch * precision.rsqrt()

    def whiten(self, shared, x):
        mean, scale = self._law(shared)
        return mean + scale * x, scale.log().expand_as(x).sum((0, 2))

    def unwhiten(self, shared, z):
        mean, scale = self._law(shared)
        return (z - mean) / scale


class KnownSpread(Normals):
    """The same with τ known and μ's two parts correlated by the prior: all of it is normal."""

    n_shared, tau = 2, 0.8
    prior = torch.tensor([[2.0, 1.2], [1.2, 1.0]]).double()

    def shared(self, phi):
        half = phi @ torch.linalg.inv(self.prior)
        tau = phi.new_full((len(phi),), self.tau)
        return {"mu": phi, "tau": tau}, -0.5 * (half * phi).sum(1)

    def law(self):
        """Mean (2,) and covariance (2, 2) of μ."""
        weight = 1 / (self.tau**2 + self.error.square())
        precision = torch.linalg.inv(self.prior) + weight.sum() * torch.eye(2).double()
        return torch.linalg.solve(precision, weight @ self.y), torch.linalg.inv(precision)


def answer(model):
    """Means and variances of φ and z by a sum over ln τ, the rest in closed form."""
    log_tau = torch.linspace(-6, 4, 4001, dtype=torch.float64)
    square = (2 * log_tau).exp()[:, None]
    y, error2 = model.y, model.error.square()
    marginal = 1 / (square + error2)
    precision = marginal.sum(1) + 1 / SPREAD**2
    mean = (marginal @ y) / precision[:, None]
    log_weight = marginal.log().sum(1) - precision.log()
    log_weight = log_weight - 0.5 * (marginal @ y.square() - precision[:, None] * mean**2).sum(1)
    log_weight = log_weight - 0.5 * ((log_tau - LOG_TAU[0]) / LOG_TAU[1]).square()
    weight = (log_weight - log_weight.logsumexp(0)).exp()
    # z_s given τ: its own law with μ's uncertainty added.
    pull = 1 / square / (1 / square + 1 / error2)
    z_mean = pull[..., None] * mean[:, None] + (1 - pull)[..., None] * y
    z_variance = 1 / (1 / square + 1 / error2) + pull.square() / precision[:, None]

    def moments(value, variance):
        shape = (-1, *[1] * (value.ndim - 1))
        w = weight.view(shape)
        first = (w * value).sum(0)
        return first, (w * (variance + value.square())).sum(0) - first.square()

    return {
        "mu": moments(mean, (1 / precision)[:, None]),
        "log_tau": moments(log_tau, torch.zeros(())),
        "z": moments(z_mean, z_variance[..., None]),
    }


def coordinates(density, own_scale=1.0):
    mean = torch.tensor([1.0, -2.0, 0.0]).double()
    factor = torch.diag(torch.tensor([0.6, 0.6, 0.4]).double())
    factor[2, 0] = 0.1
    found = Conditional.around(density, mean, factor)
    shape = OBJECTS, OWN
    return Conditional(
        density,
        found.mean,
        found.scale_tril,
        torch.full(shape, 0.2 * (own_scale != 1)).double(),
        torch.full(shape, own_scale).double(),
    )


def assert_average(values, expected, name):
    """Of draws (C, S, K): chains are independent, so their scatter is the error, however short."""
    each = values.mean(1)
    off = (each.mean(0) - expected) * len(each) ** 0.5 / each.std(0)
    assert float(off.abs().max()) < 4, (name, off)
