"""An ensemble of walkers for each of many posteriors, all moved together.

Two kinds of moves in turn, each of one half of the walkers by what the other half shows
(Foreman-Mackey et al. 2013, arXiv:1202.3665, for why halves are exact): proposals from a Student-t
fitted to the other half, nearly independent where a posterior is nearly normal; and the stretch
move of Goodman & Weare (2010, CAMCoS 5, 65), which gets along with any shape. Both are invariant
under affine transformations, so that no scales have to be set. Walkers start from the normal
approximation at the mode, or from draws of a density estimator.

Letters in shapes: ``B`` posteriors, ``W`` walkers, ``D`` variables, ``S`` draws of each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from sntorch.errors import ConfigError
from sntorch.sbi.posterior import BoxPosterior

FREEDOM = 6.0
STRETCH = 2.0
INFLATION = 1.2
JITTER = 1e-9


@dataclass(frozen=True)
class EnsembleSettings:
    """How walkers walk.

    Attributes:
        walkers: Number for each posterior, even, at least four times the variables.
        burn_in: Pairs of moves before anything is kept.
        thin: Pairs of moves from one kept ensemble to the next.
        at_once: Posteriors moved together; more need more memory.
        seed: Any integer.
    """

    walkers: int = 100
    burn_in: int = 20
    thin: int = 2
    at_once: int = 64
    seed: int = 0


@dataclass(frozen=True, eq=False)
class EnsembleDraws:
    """What walkers found.

    Attributes:
        theta: Parameters, shape (B, S, D); walkers of one time stand side by side.
        log_prob: ln p of the unconstrained variables, up to a constant, shape (B, S).
        acceptance: Fraction of moves accepted, fitted and stretched, shape (B, 2).
        walkers: W; S is a multiple of it.
    """

    theta: Tensor
    log_prob: Tensor
    acceptance: Tensor
    walkers: int


def sample(
    posterior: BoxPosterior,
    n: int,
    settings: EnsembleSettings | None = None,
    start: Tensor | None = None,
    progress: Callable[[float], None] | None = None,
) -> EnsembleDraws:
    """Draw from every posterior.

    Args:
        posterior: B posteriors.
        n: Draws of each at least; a multiple of the walkers is given.
        settings: How; a posterior's draws depend on ``at_once``, as they share random numbers.
        start: Parameters where walkers start, shape (B, W, D), such as draws of a density
            estimator; default: about the mode.
        progress: Called with the fraction done, now and then.

    Raises:
        ConfigError: Walkers too few or odd, no draws, or not as many starts as walkers.
    """
    settings = settings if settings is not None else EnsembleSettings()
    if settings.walkers < 4 * posterior.dim or settings.walkers % 2:
        raise ConfigError(
            f"walkers: an even number, {4 * posterior.dim} at least for {posterior.dim} "
            f"parameters; found {settings.walkers}"
        )
    if n < 1:
        raise ConfigError(f"n is the number of draws, at least 1; found {n}")
    wanted = (len(posterior), settings.walkers, posterior.dim)
    if start is not None and start.shape != wanted:
        raise ConfigError(f"start: shape {wanted} is accepted; found {tuple(start.shape)}")
    generator = torch.Generator().manual_seed(settings.seed)
    indices = torch.arange(len(posterior)).split(settings.at_once)
    parts = [
        _sample(
            posterior.take(index),
            n,
            settings,
            generator,
            None if start is None else posterior.prior.unconstrain(start[index]),
            _part(progress, i, len(indices)),
        )
        for i, index in enumerate(indices)
    ]
    return EnsembleDraws(
        torch.cat([p.theta for p in parts]),
        torch.cat([p.log_prob for p in parts]),
        torch.cat([p.acceptance for p in parts]),
        settings.walkers,
    )


def _part(progress: Callable[[float], None] | None, i: int, n: int) -> Callable[[float], None]:
    """Progress of the i-th of n parts, told as that of the whole."""
    if progress is None:
        return lambda done: None
    return lambda done: progress((i + done) / n)


@torch.no_grad()
def _sample(
    posterior: BoxPosterior,
    n: int,
    settings: EnsembleSettings,
    generator: torch.Generator,
    start: Tensor | None,
    progress: Callable[[float], None],
) -> EnsembleDraws:
    walk = _Walk(posterior, settings.walkers, generator, start)
    rounds = -(-n // settings.walkers)
    total = settings.burn_in + rounds * settings.thin
    for step in range(settings.burn_in):
        walk.step()
        progress((step + 1) / total)
    walk.accepted.zero_()
    kept: list[Tensor] = []
    log_prob: list[Tensor] = []
    for i in range(rounds):
        for _ in range(settings.thin):
            walk.step()
        progress((settings.burn_in + (i + 1) * settings.thin) / total)
        kept.append(torch.cat(walk.z, 1))
        log_prob.append(torch.cat(walk.log_prob, 1))
    theta = posterior.prior.constrain(torch.cat(kept, 1))
    tried = rounds * settings.thin * settings.walkers
    return EnsembleDraws(theta, torch.cat(log_prob, 1), walk.accepted / tried, settings.walkers)


class _Walk:
    """Two halves of walkers, shape (B, W / 2, D) each."""

    def __init__(
        self,
        posterior: BoxPosterior,
        walkers: int,
        generator: torch.Generator,
        start: Tensor | None,
    ) -> None:
        self.posterior, self.generator = posterior, generator
        self.z = list((self._about_mode(walkers) if start is None else start).chunk(2, 1))
        self.log_prob = [posterior(half) for half in self.z]
        self.accepted = torch.zeros(len(posterior), 2)

    def _about_mode(self, walkers: int) -> Tensor:
        from sntorch.inference.laplace import laplace

        batch, dim = len(self.posterior), self.posterior.dim
        normal = laplace(self.posterior, torch.zeros(batch, dim, dtype=torch.float64))
        spread = self._normal(batch, walkers, dim) @ normal.scale_tril.mT
        return normal.mean[:, None] + INFLATION * spread

    def step(self) -> None:
        """Both kinds of moves of both halves."""
        for kind, move in enumerate((self._fitted, self._stretched)):
            for i in range(2):
                proposal, log_ratio = move(self.z[i], self.z[1 - i])
                self._accept(i, kind, proposal, log_ratio)

    def _accept(self, i: int, kind: int, proposal: Tensor, log_ratio: Tensor) -> None:
        log_prob = self.posterior(proposal)
        gain = (log_prob - self.log_prob[i] + log_ratio).nan_to_num(nan=-torch.inf)
        taken = self._uniform(*gain.shape).log() < gain
        self.z[i] = torch.where(taken[..., None], proposal, self.z[i])
        self.log_prob[i] = torch.where(taken, log_prob, self.log_prob[i])
        self.accepted[:, kind] += taken.sum(1)

    def _fitted(self, z: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        """Proposals from a Student-t with the other half's moments; ln q(z) - ln q(proposal)."""
        n, dim = z.shape[1:]
        mean = other.mean(1, keepdim=True)
        covariance = (other - mean).mT @ (other - mean) / (n - 1)
        size = covariance.diagonal(dim1=1, dim2=2)
        factor = torch.linalg.cholesky(covariance + torch.diag_embed(JITTER * size + 1e-30))
        step = self._normal(*z.shape)
        # A chi-squared number of an even number of degrees of freedom is a sum of exponentials.
        halves = self._uniform(int(FREEDOM) // 2, *z.shape[:2]).log().sum(0)
        step = step * (FREEDOM / (-2 * halves)).sqrt()[..., None]
        whitened = torch.linalg.solve_triangular(factor, (z - mean).mT, upper=False).mT
        proposal = mean + step @ factor.mT
        return proposal, _log_t(whitened, dim) - _log_t(step, dim)

    def _stretched(self, z: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        """Proposals along the line to a walker of the other half."""
        batch, n, dim = z.shape
        partner = torch.randint(n, (batch, n, 1), generator=self.generator).expand(-1, -1, dim)
        root = STRETCH**-0.5 + self._uniform(batch, n) * (STRETCH**0.5 - STRETCH**-0.5)
        anchor = other.gather(1, partner)
        return anchor + root[..., None] ** 2 * (z - anchor), (dim - 1) * 2 * root.log()

    def _normal(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.generator, dtype=torch.float64)

    def _uniform(self, *shape: int) -> Tensor:
        u = torch.rand(shape, generator=self.generator, dtype=torch.float64)
        return u.clamp(min=2.0**-54)


def _log_t(whitened: Tensor, dim: int) -> Tensor:
    """ln of the Student-t density of whitened variables up to a constant."""
    return -(FREEDOM + dim) / 2 * torch.log1p((whitened**2).sum(-1) / FREEDOM)
