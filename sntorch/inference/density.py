"""Many independent posteriors as one function, and how a Pyro model becomes one.

Letters in shapes: ``B`` objects, each with a posterior of its own, ``C`` points of each (chains,
particles), ``D`` unconstrained variables.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any, Protocol, Self, cast, runtime_checkable

import pyro
import torch
from pyro import poutine
from pyro.poutine.subsample_messenger import _Subsample
from torch import Tensor
from torch.distributions import biject_to, constraints

from sntorch.errors import ConfigError

POINTS = "_points"


@runtime_checkable
class BatchedDensity(Protocol):
    """B independent log-densities of D unconstrained variables.

    Attributes:
        dim: D.
        positive: Whether the first variable is the logarithm of a positive one that may lie close
            to zero.
    """

    dim: int
    positive: bool

    def __len__(self) -> int:
        """B."""
        ...

    def value_and_gradient(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """ln p (B, C) and its gradient (B, C, D) at z (B, C, D)."""
        ...

    def take(self, index: Tensor) -> Self:
        """The densities of the chosen objects."""
        ...


class ModelDensity:
    """The posteriors of the objects of a Pyro model's plate.

    The model is traced at every call: readable models of any kind are sampled, at the price of
    Pyro's bookkeeping. It has to accept further batch dimensions on the left of the plate.

    Args:
        model: A Pyro model; every latent site lies within ``plate``.
        plate: Name of the plate over objects.
        args, kwargs: The model's arguments.

    Attributes:
        sites: Latent sites in order, with the number of unconstrained variables of each.
        positive: Whether the first variable is the logarithm of a positive one.

    Raises:
        ConfigError: No such plate, a latent site outside it, or a discrete one.
    """

    def __init__(self, model: Callable[..., Any], plate: str, *args: Any, **kwargs: Any) -> None:
        self.model, self.plate = model, plate
        self.args, self.kwargs = args, kwargs
        self._index: Tensor | None = None
        with poutine.block(), torch.no_grad():
            trace = poutine.trace(model).get_trace(*args, **kwargs)
        nodes: list[dict[str, Any]] = [cast(Any, n) for n in trace.nodes.values()]
        sampled = [n for n in nodes if n["type"] == "sample"]
        frames = [f for n in sampled for f in n["cond_indep_stack"] if f.vectorized]
        mine = [f for f in frames if f.name == plate]
        if not mine:
            names = ", ".join(sorted({f.name for f in frames})) or "none"
            raise ConfigError(f"the model has no plate {plate!r}; its plates: {names}")
        self.plate_dim, self.size = int(mine[0].dim), int(mine[0].size)
        self.outer = min(int(f.dim) for f in frames) - 1
        self.transforms: dict[str, Any] = {}
        self.shapes: dict[str, torch.Size] = {}
        for node in sampled:
            # The plates themselves are sites as well.
            if isinstance(node["fn"], _Subsample):
                continue
            self._check(node)
            if not node["is_observed"]:
                self._add(node)
        self.sites = {name: math.prod(shape) for name, shape in self.shapes.items()}
        self.dim = sum(self.sites.values())
        first = next(n for n in sampled if n["name"] in self.sites)
        self.dtype, self.device = first["value"].dtype, first["value"].device
        # A first site that is positive, like an extinction.
        self.positive = self.sites[first["name"]] == 1 and _is_positive(first["fn"].support)

    def prior_medians(self, n: int = 25, seed: int = 0) -> Tensor:
        """Medians of n draws from the prior, unconstrained, shape (B, 1, D): where to start."""
        drawn = []
        with torch.random.fork_rng(devices=[]), torch.no_grad(), poutine.block():
            torch.manual_seed(seed)
            for _ in range(n):
                nodes = poutine.trace(self.model).get_trace(*self.args, **self.kwargs).nodes
                values = {k: self._by_objects(cast(Any, nodes[k])["value"], k) for k in self.sites}
                drawn.append(self.unconstrain(values))
        medians = torch.stack(drawn).median(0)[0]
        return medians if self._index is None else medians[self._index]

    def __len__(self) -> int:
        return self.size if self._index is None else len(self._index)

    def take(self, index: Tensor) -> Self:
        """The chosen objects; the model is still evaluated for all of them."""
        part = copy.copy(self)
        part._index = index if self._index is None else self._index[index]
        return part

    def __call__(self, z: Tensor) -> Tensor:
        """ln p, shape (B, C), of z (B, C, D), differentiable."""
        every = z
        if self._index is not None:
            every = z.new_zeros(self.size, *z.shape[1:]).index_copy(0, self._index, z)
        n_points = every.shape[1]
        values, total = {}, every.new_zeros(every.shape[:2])
        for name, free in self.pieces(every).items():
            value = self.transforms[name](free)
            jacobian = self.transforms[name].log_abs_det_jacobian(free, value)
            total = total + jacobian.flatten(2).sum(-1) if jacobian.ndim > 2 else total + jacobian
            values[name] = self._on_plates(value)
        conditioned = poutine.condition(self.model, data=values)
        # A trajectory that diverges comes here with values that no distribution accepts.
        with pyro.validation_enabled(False):
            with poutine.block(), pyro.plate(POINTS, n_points, dim=self.outer):
                trace = poutine.trace(conditioned).get_trace(*self.args, **self.kwargs)
            trace.compute_log_prob()
        for message in trace.nodes.values():
            node = cast(Any, message)
            if node["type"] == "sample" and not isinstance(node["fn"], _Subsample):
                total = total + self._by_object(node["log_prob"], n_points)
        return total if self._index is None else total[self._index]

    def value_and_gradient(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """See ``BatchedDensity``."""
        return differentiate(self, z)

    def constrain(self, z: Tensor) -> dict[str, Tensor]:
        """The sites' values at z (B, C, D), each of shape (B, C, *event)."""
        return {name: self.transforms[name](free) for name, free in self.pieces(z).items()}

    def unconstrain(self, values: dict[str, Tensor]) -> Tensor:
        """z (B, C, D) of the sites' values, each of shape (B, C, *event)."""
        free = [self.transforms[k].inv(values[k]) for k in self.sites]
        return torch.cat([f.reshape(*f.shape[:2], -1) for f in free], -1)

    def _check(self, node: dict[str, Any]) -> None:
        if self.plate not in {f.name for f in node["cond_indep_stack"]}:
            raise ConfigError(
                f"site {node['name']!r} lies outside the plate {self.plate!r}: only posteriors "
                "that are independent of each other can be sampled side by side"
            )

    def _add(self, node: dict[str, Any]) -> None:
        name, distribution = node["name"], node["fn"]
        if distribution.has_enumerate_support:
            raise ConfigError(f"site {name!r} is discrete: only continuous sites have a gradient")
        inner = [f.name for f in node["cond_indep_stack"] if f.name != self.plate and f.size > 1]
        if inner:
            raise ConfigError(
                f"site {name!r} is in the plate {inner[0]!r} as well: make that an event dimension"
            )
        self.transforms[name] = biject_to(distribution.support)
        self.shapes[name] = self.transforms[name].inverse_shape(distribution.event_shape)

    def pieces(self, z: Tensor) -> dict[str, Tensor]:
        """Each site's part of unconstrained variables (..., D), shape (..., *event)."""
        parts = z.split(list(self.sites.values()), -1)
        named = zip(self.sites, parts, strict=True)
        return {k: piece.reshape(*z.shape[:-1], *self.shapes[k]) for k, piece in named}

    def _on_plates(self, value: Tensor) -> Tensor:
        """(B, C, *event) as the model's batch dimensions want it."""
        event = value.shape[2:]
        place = self.plate_dim - self.outer
        batch = [1] * -self.outer
        batch[0], batch[place] = value.shape[1], value.shape[0]
        return value.transpose(0, 1).reshape(*batch, *event)

    def _by_objects(self, value: Tensor, name: str) -> Tensor:
        """A site's value in the model's own shape as (B, 1, *event)."""
        event = self.transforms[name].forward_shape(self.shapes[name])
        return value.reshape(self.size, 1, *event)

    def _by_object(self, log_prob: Tensor, n_points: int) -> Tensor:
        """Log-density of a site, summed over all plates but the objects', shape (B, C)."""
        place = self.plate_dim - self.outer
        batch = [1] * -self.outer
        batch[0], batch[place] = n_points, self.size
        every = log_prob.expand(torch.broadcast_shapes(log_prob.shape, torch.Size(batch)))
        return every.movedim((place, 0), (0, 1)).flatten(2).sum(-1) if len(batch) > 2 else every.T


def _is_positive(support: Any) -> bool:
    half_lines = constraints.greater_than, constraints.greater_than_eq
    if not isinstance(support, half_lines):
        return False
    return bool((torch.as_tensor(support.lower_bound) == 0).all())


def differentiate(density: Callable[[Tensor], Tensor], z: Tensor) -> tuple[Tensor, Tensor]:
    """ln p (B, C) and its gradient (B, C, D) by automatic differentiation."""
    with torch.enable_grad():
        z = z.detach().requires_grad_()
        value = density(z)
        (gradient,) = torch.autograd.grad(value.sum(), z)
    return value.detach(), gradient
