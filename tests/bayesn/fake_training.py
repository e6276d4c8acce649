"""Draws as a sampler of the training would give them, around a packaged model."""

from __future__ import annotations

import torch

from sntorch.physics.sed import SEDModel


def fake_draws(
    sed: SEDModel,
    chains: int = 4,
    length: int = 100,
    objects: int = 12,
    noise: float = 0.02,
    seed: int = 0,
) -> dict[str, torch.Tensor]:
    """Independent draws: the model's numbers plus noise; see the caller's shapes (C, S, ...)."""
    g = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(chains, length, *shape, generator=g, dtype=torch.float64)

    n = len(sed.epsilon_cholesky)
    sigma = sed.epsilon_cholesky.norm(dim=1)
    rows = sed.epsilon_cholesky / sigma[:, None] + noise * normal(n, n).tril()
    theta = torch.linspace(-1.5, 1.5, objects, dtype=torch.float64)
    return {
        "w0": sed.w0 + noise * normal(*sed.w0.shape),
        "w1": sed.w1 + noise * normal(*sed.w1.shape),
        "sigma_epsilon": sigma * torch.exp(5 * noise * normal(n)),
        "l_omega": rows / rows.norm(dim=-1, keepdim=True),
        "sigma0": sed.sigma0 * torch.exp(0.1 * normal()),
        "tau_a": sed.tau_a * torch.exp(0.1 * normal()),
        "rv": sed.rv + 0.2 * normal(),
        "theta": theta + 0.1 * normal(objects),
        "av": normal(objects).abs() * sed.tau_a,
        "ds": 35 + 0.1 * normal(objects),
    }
