"""The zero-lower-truncated normal as a guide for Pyro's own SVI.

Uzsoy et al. (2024, arXiv:2405.06013). ``variational.fit_normal`` fits the same family many times
faster; this is for models and objectives of one's own.
"""

from __future__ import annotations

from typing import Any

import pyro
import torch
from pyro import distributions as dist
from pyro.nn import PyroModule, PyroParam
from torch import Tensor
from torch.distributions import constraints

from sntorch.errors import ConfigError
from sntorch.inference.coordinates import Truncated
from sntorch.inference.density import ModelDensity
from sntorch.inference.truncated import ZeroTruncatedMultivariateNormal

AUXILIARY = "_truncated"


class ZeroTruncatedGuide(PyroModule):
    """A full-rank normal in each object's variables, the first of them positive and truncated.

    Args:
        density: The model's posteriors; the plate is the model's last batch dimension, and its
            first site is positive.
        start: Where the fit begins, as of ``preconditioning.at_mode``.

    Raises:
        ConfigError: A model without a positive first site.

    Example:
        guide = ZeroTruncatedGuide(density, at_mode(density, start).coordinates)
        svi = SVI(model, guide, pyro.optim.Adam({"lr": 0.01}), Trace_ELBO())
    """

    def __init__(self, density: ModelDensity, start: Truncated) -> None:
        super().__init__()
        if not density.positive:
            raise ConfigError("the model's first site is not positive: nothing to truncate")
        self._density = density
        # Read back, both are tensors.
        self.loc: Any = PyroParam(start.mean.clone())
        self.scale_tril: Any = PyroParam(start.scale_tril.clone(), constraints.lower_cholesky)

    def forward(self, *args: Any, **kwargs: Any) -> dict[str, Tensor]:
        """Sample every site; the model's arguments are not needed."""
        density = self._density
        with pyro.plate(density.plate, len(density), dim=density.plate_dim):
            joint = ZeroTruncatedMultivariateNormal(self.loc, self.scale_tril)
            drawn: Any = pyro.sample(AUXILIARY, joint, infer={"is_auxiliary": True})
            free = torch.cat([drawn[..., :1].log(), drawn[..., 1:]], -1)
            found: dict[str, Any] = {}
            for i, (name, piece) in enumerate(density.pieces(free).items()):
                transform = density.transforms[name]
                value = transform(piece)
                # The first site is drawn as it is; the others are transformed.
                jacobian = transform.log_abs_det_jacobian(piece, value)
                shift: Any = torch.zeros_like(free[..., 0])
                if i:
                    shift = jacobian.reshape(*free.shape[:-1], -1).sum(-1)
                event = value.ndim - free.ndim + 1
                delta = dist.Delta(value, log_density=-shift, event_dim=event)
                found[name] = pyro.sample(name, delta)
        return found
