"""Where the search for the mode of a supernova's posterior begins."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor

from sntorch.bayesn.density import FitDensity

# Peak dates in files are off by up to nine days.
TMAX = (-8.0, -5.0, -2.5, 0.0, 2.5, 5.0, 8.0)
AV = (0.05, 0.3, 1.0)
THETA = (-1.0, 1.0)


def starting_points(density: FitDensity, n: int = 1) -> Tensor:
    """The n best of a grid in t_max, A_V and θ, with the distance fitted, shape (B, n, D)."""
    axes = {
        "tmax": [
            _logit(t / density.options.tmax_range)
            for t in TMAX
            if abs(t) < density.options.tmax_range
        ],
        "av": [math.log(a) for a in AV],
        "theta": list(THETA),
    }
    free = {site: values for site, values in axes.items() if site in density.sites}
    o = density.observations
    grid = list(itertools.product(*free.values()))
    z = o.muhat.new_zeros(len(o), len(grid), density.dim)
    for k, site in enumerate(free):
        z[..., density.slice(site)] = z.new_tensor([point[k] for point in grid])[:, None]
    z[..., density.slice("ds")] = o.muhat[:, None, None]
    with torch.no_grad():
        z = density.profile_ds(z)
        best = torch.nan_to_num(density(z), nan=-torch.inf).topk(n, dim=1).indices
    return z.gather(1, best[..., None].expand(-1, -1, density.dim))


def _logit(fraction: float) -> float:
    """Unconstrained value of a point in (-1, 1)."""
    return math.log((1 + fraction) / (1 - fraction))
