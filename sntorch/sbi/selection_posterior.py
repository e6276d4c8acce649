"""Posteriors of observed samples, whatever the estimator: draws, density, mode, and ways out.

The exact likelihood, a learnt efficiency (C), a learnt likelihood of one supernova (B) and a ratio
or a flow of the whole sample (A) all come as a ``Likelihood`` of θ, and this is what is done with
one.

Letters in shapes: ``B`` samples, ``S`` draws, ``C`` points, ``D`` parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from sntorch.sbi.ensemble import EnsembleSettings, sample
from sntorch.sbi.posterior import BoxPosterior, Likelihood
from sntorch.sbi.prior import BoxPrior

if TYPE_CHECKING:
    from pandas import DataFrame

QUANTILES = (0.025, 0.16, 0.5, 0.84, 0.975)


class SelectionPosterior:
    """Posteriors of B samples.

    Args:
        likelihood: Of the samples, or their ratios to the evidence.
        prior: Of the parameters.
        settings: Of the sampler.
    """

    def __init__(
        self, likelihood: Likelihood, prior: BoxPrior, settings: EnsembleSettings | None = None
    ) -> None:
        self.likelihood, self.prior = likelihood, prior
        self.settings = settings if settings is not None else EnsembleSettings()

    def __len__(self) -> int:
        return len(self.likelihood)

    def sample(
        self,
        n: int,
        seed: int | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> Tensor:
        """Draws from all of them at once, shape (B, S, D), S the next multiple of the walkers.

        Args:
            n: Draws of each at least.
            seed: Of the draws; default: of the settings.
            progress: Called with the fraction done, now and then.
        """
        settings = self.settings if seed is None else replace(self.settings, seed=seed)
        posterior = BoxPosterior(self.likelihood, self.prior)
        return sample(posterior, n, settings, progress=progress).theta

    def log_prob(self, theta: Tensor) -> Tensor:
        """ln p(θ | sample) up to a constant of each sample, shape (B, C), of θ (B, C, D).

        -inf outside the prior's box.
        """
        low, high = theta.new_tensor(self.prior.low), theta.new_tensor(self.prior.high)
        inside = ((theta >= low) & (theta <= high)).all(-1)
        found = self.likelihood(torch.where(inside[..., None], theta, (low + high) / 2))
        return torch.where(inside, found - self.prior.log_volume, -torch.inf)

    def map(self) -> Tensor:
        """The most probable θ of each sample, shape (B, D), within the box."""
        from sntorch.inference.laplace import laplace

        flat = BoxPosterior(self.likelihood, self.prior, flat=True)
        start = torch.zeros(len(self), self.prior.dim, dtype=torch.float64)
        return self.prior.constrain(laplace(flat, start).mean)

    def summary(self, draws: Tensor) -> DataFrame:
        """Mean, standard deviation and quantiles of draws (B, S, D), a row a parameter."""
        from pandas import DataFrame

        levels = draws.new_tensor(QUANTILES)
        rows: list[dict[str, Any]] = []
        for b, one in enumerate(draws):
            quantiles = one.quantile(levels, dim=0)
            for d, name in enumerate(self.prior.names):
                row = {"sample": b, "parameter": name, "mean": float(one[:, d].mean())}
                row |= {"sd": float(one[:, d].std())}
                row |= {f"q{level:g}": float(quantiles[k, d]) for k, level in enumerate(QUANTILES)}
                rows.append(row)
        return DataFrame(rows)

    def to_arviz(self, draws: Tensor, b: int = 0) -> Any:
        """Draws of one sample as ArviZ ``InferenceData``; the two halves of walkers are chains.

        Args:
            draws: As ``sample`` gives them.
            b: Which sample.
        """
        import arviz

        half = self.settings.walkers // 2
        chains = draws[b].reshape(-1, 2, half, self.prior.dim).transpose(0, 1).flatten(1, 2)
        names = self.prior.names
        return arviz.from_dict({name: chains[..., d].numpy() for d, name in enumerate(names)})
