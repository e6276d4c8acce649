"""``BatchedNUTS``: the batched sampler as a kernel of Pyro's ``MCMC``."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import torch
from pyro.infer.mcmc.mcmc_kernel import MCMCKernel
from torch import Tensor

from sntorch.errors import ConfigError
from sntorch.inference.density import ModelDensity
from sntorch.inference.diagnostics import diagnose
from sntorch.inference.nuts import BatchedSampler, Draws
from sntorch.inference.preconditioning import precondition

BLOCK = 25
STATISTICS = ("leapfrogs", "divergences", "accepted", "depths")


class BatchedNUTS(MCMCKernel):
    """NUTS for the independent posteriors of a model's plate, all at once.

    Every object has its own step size and dense mass matrix, started from a normal
    approximation. Chains live in the kernel, not in ``MCMC``: leave the latter's ``num_chains``
    at 1. Samples have shape (S, C, B, *event).

    Args:
        model: A Pyro model all of whose latent sites lie in ``plate``; it has to accept further
            batch dimensions on the left of its plates.
        plate: Name of the plate over objects.
        chains: Chains of each object.
        target_accept: Mean acceptance probability to adapt the step sizes to.
        max_tree_depth: Doublings of a trajectory at most.
        seed: Of the sampler's random numbers.

    Raises:
        ConfigError: Fewer than one chain.

    Example:
        kernel = BatchedNUTS(model, plate="sn")
        mcmc = MCMC(kernel, num_samples=250, warmup_steps=250)
        mcmc.run(data)
        mcmc.get_samples()["theta"]     # (250, 4, B)
    """

    def __init__(
        self,
        model: Callable[..., Any],
        plate: str,
        chains: int = 4,
        target_accept: float = 0.8,
        max_tree_depth: int = 10,
        seed: int = 0,
    ) -> None:
        if chains < 1:
            raise ConfigError(f"chains={chains}: at least 1 is accepted")
        self.model, self.plate, self.chains = model, plate, chains
        self.target_accept, self.max_tree_depth, self.seed = target_accept, max_tree_depth, seed
        # ``MCMC`` transforms what ``sample`` returns by these: it is constrained already.
        self.transforms: dict[str, Any] = {}
        self._initial: dict[str, Tensor] | None = None

    def setup(self, warmup_steps: int, *args: Any, **kwargs: Any) -> None:
        """Find the modes, and place the chains around them."""
        self.density = ModelDensity(self.model, self.plate, *args, **kwargs)
        generator = torch.Generator(device=self.density.device).manual_seed(self.seed)
        start = self.density.prior_medians()
        if self._initial is not None:
            start = self.density.unconstrain({k: v[:, None] for k, v in self._initial.items()})
        found = precondition(self.density, start[:, 0], generator).coordinates
        self.sampler = BatchedSampler(
            self.density,
            found,
            found.draw(self.chains, generator),
            generator,
            self.target_accept,
            self.max_tree_depth,
        )
        self._warmup_left = warmup_steps
        self._waiting: deque[Tensor] = deque()
        self._kept: list[Tensor] = []
        self._total: dict[str, Tensor] = {}
        self._n_sampled = 0

    @property
    def initial_params(self) -> dict[str, Tensor]:
        """The sites' first values, each (C, B, *event)."""
        return self._values(self.sampler.z)

    @initial_params.setter
    def initial_params(self, params: dict[str, Tensor]) -> None:
        """Where to search for the modes from: constrained values, each of shape (B, *event)."""
        self._initial = params

    def sample(self, params: dict[str, Tensor]) -> dict[str, Tensor]:
        """The next draw of every chain of every object; each site has shape (C, B, *event)."""
        if not self._waiting:
            self._waiting.extend(self._block().unbind(2))
        z = self._waiting.popleft()
        if self._n_sampled:
            self._kept.append(z)
        return self._values(z)

    def logging(self) -> dict[str, str]:
        """Step size and acceptance, for the progress bar."""
        size = self.sampler.step.average.exp().median()
        return {"step size": f"{float(size):.2e}"}

    def diagnostics(self) -> dict[str, Any]:
        """Per object: R-hat, bulk and tail ESS of each variable (B, D); and, shape (B,),
        divergences, mean tree depth, acceptance and leapfrogs a draw.
        """
        draws = torch.stack(self._kept, 2).permute(0, 3, 1, 2)
        found = diagnose(draws)
        mean = {k: v.sum(1) / (self.chains * self._n_sampled) for k, v in self._total.items()}
        return {
            "rhat": found.rhat,
            "ess_bulk": found.ess_bulk,
            "ess_tail": found.ess_tail,
            "divergences": self._total["divergences"].sum(1).round().long().tolist(),
            "tree_depth": mean["depths"],
            "acceptance": mean["accepted"],
            "leapfrogs": mean["leapfrogs"],
        }

    def _block(self) -> Tensor:
        """Some draws at once, so that chains need not wait for each other at each."""
        if self._warmup_left:
            n = min(BLOCK, self._warmup_left)
            self._warmup_left -= n
            return self.sampler.run(n, adapt=True).z
        draws = self.sampler.run(BLOCK)
        self._n_sampled += BLOCK
        self._count(draws)
        return draws.z

    def _count(self, draws: Draws) -> None:
        for name in STATISTICS:
            total = getattr(draws, name)
            self._total[name] = self._total.get(name, torch.zeros_like(total)) + total

    def _values(self, z: Tensor) -> dict[str, Tensor]:
        return {k: v.transpose(0, 1) for k, v in self.density.constrain(z).items()}
