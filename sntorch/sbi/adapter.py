"""Trained estimators as posteriors of the ``sbi`` package: its samplers and its diagnostics.

An observation is handed over as its embedding, computed once: ``sbi`` evaluates a potential for
every chain and step, and its own ratio potential would embed the survey each time. Embeddings are
vectors, which its batched sampling and its diagnostics take, where sets or light curves fail.

Letters in shapes: ``B`` surveys, ``C`` points, ``D`` parameters, ``E`` numbers of an embedding.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from sbi.inference import MCMCPosterior, RejectionPosterior, VIPosterior
from sbi.inference.potentials.base_potential import BasePotential
from sbi.utils import BoxUniform, mcmc_transform
from torch import Tensor

from sntorch.errors import ConfigError
from sntorch.sbi.prior import BoxPrior

MCMC = ("slice_np_vectorized", "slice_np", "nuts_pyro", "hmc_pyro")
CHAINS, CANDIDATES = 10, 100


class Embedded(Protocol):
    """What is needed of an estimator; ``PosteriorEstimator`` has it."""

    prior: BoxPrior

    def log_ratio_embedded(self, theta: Tensor, embedded: Tensor) -> Tensor:
        """ln r, shape (B, C), of θ (C, D) or (B, C, D) and embeddings (B, E)."""
        ...


class EmbeddedPotential(BasePotential):
    """ln r(θ, x) + ln p(θ) with embeddings, shape (B, E), in place of data.

    Args:
        estimator: Trained.
        prior: That of the estimator, as ``sbi`` has it.
        x_o: Embedding of one observation, shape (1, E) or (E,), if known.
    """

    def __init__(self, estimator: Embedded, prior: BoxUniform, x_o: Tensor | None = None) -> None:
        self.estimator = estimator
        super().__init__(prior, x_o)

    def __call__(self, theta: Tensor, track_gradients: bool = True) -> Tensor:
        """Shape (C,), of θ (C, D): all of one observation, or each of its own."""
        theta = torch.as_tensor(theta, dtype=torch.float32)
        with torch.set_grad_enabled(track_gradients):
            if len(self.x_o) == 1:
                ratio = self.estimator.log_ratio_embedded(theta, self.x_o)[0]
            else:
                ratio = self.estimator.log_ratio_embedded(theta[:, None], self.x_o)[:, 0]
            return ratio + self.prior.log_prob(theta)  # pyright: ignore[reportOptionalMemberAccess]


def sbi_posterior(estimator: Embedded, method: str = MCMC[0], **options: Any) -> Any:
    """The posterior of an estimator as one of ``sbi``'s; its x are embeddings, ``embed(survey)``.

    Args:
        estimator: Trained; in evaluation mode.
        method: One of ``MCMC``, "rejection" or "vi".
        options: Of the posterior's class, such as ``num_chains``.

    Raises:
        ConfigError: Another method.
    """
    low, high = torch.tensor(estimator.prior.low), torch.tensor(estimator.prior.high)
    prior = BoxUniform(low, high)
    potential = EmbeddedPotential(estimator, prior)
    if method == "rejection":
        return RejectionPosterior(potential, proposal=prior, **options)
    transform = mcmc_transform(prior)
    if method == "vi":
        return VIPosterior(potential, prior=prior, theta_transform=transform, **options)
    if method not in MCMC:
        raise ConfigError(f"method {method}: {', '.join(MCMC)}, rejection or vi is accepted")
    start = {"num_candidate_samples": CANDIDATES}
    given = {"num_chains": CHAINS, "init_strategy_parameters": start, **options}
    return MCMCPosterior(
        potential, proposal=prior, theta_transform=transform, method=method, **given
    )
