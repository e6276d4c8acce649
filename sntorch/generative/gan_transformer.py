"""A generator and a critic that attend over the observations of a light curve.

Observations are tokens (time, band, value, error) without any order, as in
``sntorch.nn.set_transformer``. What the pair knows about light curves: bands are observed in
nights (``sntorch.generative.nights``), magnitudes are a function of phase to which the measurement
adds noise, observations of one night share their weather, and what tells light curves apart is how
an observation differs from its neighbours, in its own band and in the others.

A network of your own needs the ``forward`` of either (and the generator's two sizes); its
constructor gets ``n_bands``, ``n_condition`` and what the configuration gives.

Letters in shapes: ``B`` objects, ``L`` sequence steps, ``F`` bands, ``T`` tokens (L F of them),
``Z`` latent numbers an object, ``E`` noise numbers a step, ``M`` numbers of the condition.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, pad, softplus

from sntorch.generative.gan import Phases, position
from sntorch.generative.nights import choose_nights
from sntorch.nn.neighbours import contrasts, nearness, shared_noise
from sntorch.nn.rnn import masked_max, masked_mean
from sntorch.nn.set_transformer import SetTransformer, sinusoids

# Phases are in units of their spread, about two weeks: a night, neighbouring visits.
NIGHT, VISITS = 0.03, 0.5
# Periods of the waves in which networks see phases.
LONGEST, SHORTEST, N_WAVES = 8.0, 0.5, 5
# A first guess of when observations begin and how far nights are apart.
FIRST, GAP = -1.5, -0.6
# Noise numbers of an observation: the choice of its night, its delay, its error, its weather.
N_NOISE = 4
MANY = 32.0
# What an observation is compared in: value, error and phase.
N_COLUMNS = 3


class Epochs(Phases, Protocol):
    """The part of an encoding that the generator uses."""

    def from_phase(self, phase: Tensor) -> Tensor:
        """Time columns (B, L, F) of standardised phases (B, L, F)."""
        ...


class NightClock(nn.Module):
    """Phases of all observations: nights by a transformer, a choice of them for each band.

    Args:
        n_bands: Number of bands F.
        n_vector: Numbers of an object's vector.
        width: Features of a night inside.
        n_layers: Layers.
        n_heads: Attention heads.
    """

    def __init__(
        self, n_bands: int, n_vector: int, width: int, n_layers: int, n_heads: int
    ) -> None:
        super().__init__()
        self.nights = SetTransformer(
            N_NOISE * n_bands + 2, 1 + 2 * n_bands, n_vector, width, n_layers, n_heads
        )
        self.first = nn.Linear(n_vector, 1)
        self.band = nn.Parameter(torch.zeros(n_bands))
        self.delay = nn.Sequential(
            nn.Linear(2 + n_bands, width), nn.LeakyReLU(0.2), nn.Linear(width, 1)
        )

    def forward(self, vector: Tensor, noise: Tensor, mask: Tensor) -> Tensor:
        """Phases, shape (B, L, F).

        Args:
            vector: Of each object.
            noise: Of each observation, shape (B, L, F, N_NOISE).
            mask: Observations wanted, shape (B, L, F).
        """
        nights = mask.any(-1)
        n_bands = mask.shape[-1]
        tokens = torch.cat([noise.flatten(2), position(nights[..., None])], dim=-1)
        gap, suits, late = self.nights(tokens, nights, vector).split([1, n_bands, n_bands], -1)
        gaps = softplus(gap[:, 1:, 0] + GAP)
        night = self.first(vector) + FIRST + pad(gaps.cumsum(1), (1, 0))
        chosen = choose_nights(suits + self.band + noise[..., 0], mask)
        hours = torch.einsum("bkmf,bmf->bkf", chosen, self._late(late, noise[..., 1]))
        return torch.einsum("bkmf,bm->bkf", chosen, night) + hours

    def _late(self, late: Tensor, noise: Tensor) -> Tensor:
        """How long after a night's beginning a band is observed, shape (B, L, F)."""
        bands = torch.eye(late.shape[-1], device=late.device).expand(*late.shape, -1)
        features = torch.cat([late[..., None], noise[..., None], bands], dim=-1)
        return softplus(self.delay(features).squeeze(-1) - 4)


class TransformerGenerator(nn.Module):
    """Nights, then magnitudes as a function of phase, then errors from noise and weather.

    Args:
        n_bands: Number of bands F.
        n_condition: Numbers M of the condition; may be 0.
        n_latent: Latent numbers an object Z.
        width: Features of a token inside.
        n_layers: Layers of each part.
        n_heads: Attention heads.
    """

    def __init__(
        self,
        n_bands: int,
        n_condition: int = 0,
        n_latent: int = 16,
        width: int = 32,
        n_layers: int = 1,
        n_heads: int = 2,
    ) -> None:
        super().__init__()
        self.n_latent, self.n_step_noise = n_latent, N_NOISE * n_bands
        n_vector = n_latent + n_condition + n_bands
        self.clock = NightClock(n_bands, n_vector, width, n_layers, n_heads)
        n_phase = 1 + 2 * N_WAVES
        self.values = SetTransformer(
            n_phase + n_bands, 1 + width, n_vector, width, n_layers, n_heads
        )
        self.errors = nn.Sequential(
            nn.Linear(width + 1 + n_phase + n_bands + N_NOISE, width),
            nn.LeakyReLU(0.2),
            nn.Linear(width, width),
            nn.LeakyReLU(0.2),
            nn.Linear(width, 1),
        )

    def forward(
        self,
        z: Tensor,
        steps: Tensor,
        mask: Tensor,
        encoding: Epochs,
        cadence: Tensor | None = None,
        condition: Tensor | None = None,
    ) -> Tensor:
        """Encoded rows, shape (B, L, 3F).

        Args:
            z: Latent noise, shape (B, Z), standard normal.
            steps: Noise of each step, shape (B, L, E), standard normal.
            mask: Observations wanted, shape (B, L, F).
            encoding: The fitted encoding.
            cadence: Encoded times to use instead of generated ones, shape (B, L, F); NaN where the
                generator shall choose.
            condition: Codes of the condition, shape (B, M), or None.
        """
        vector = _joined(z, condition, _counts(mask))
        noise = steps.unflatten(-1, (mask.shape[-1], N_NOISE))
        times = self._times(vector, noise, mask, encoding, cadence)
        seen = mask.flatten(1)
        phase = torch.where(seen, encoding.phase(times).flatten(1), 0.0)
        where = torch.cat([_waves(phase), _bands(mask)], dim=-1)
        value, inside = self.values(where, seen, vector).tensor_split([1], dim=-1)
        own, weather = noise.flatten(1, 2).split(N_NOISE // 2, dim=-1)
        weather = shared_noise(weather, nearness(phase.detach(), seen, NIGHT))
        error = self.errors(torch.cat([value, inside, where, own, weather], dim=-1))
        columns = [c.squeeze(-1).unflatten(1, mask.shape[1:]) for c in (value, error)]
        return torch.cat([times, *columns], dim=-1)

    def _times(
        self,
        vector: Tensor,
        noise: Tensor,
        mask: Tensor,
        encoding: Epochs,
        cadence: Tensor | None,
    ) -> Tensor:
        """Encoded times: the given ones where there are any, else generated ones."""
        if cadence is not None and not bool(cadence.isnan().any()):
            return cadence
        own = encoding.from_phase(self.clock(vector, noise, mask))
        return own if cadence is None else torch.where(cadence.isnan(), own, cadence)


class TransformerCritic(nn.Module):
    """Attention over observations, each with its contrasts to neighbours, pooled by mean and
    maximum.

    Args:
        n_bands: Number of bands F.
        n_condition: Numbers M of the condition; may be 0.
        width: Features of a token inside.
        n_layers: Layers.
        n_heads: Attention heads.
    """

    def __init__(
        self,
        n_bands: int,
        n_condition: int = 0,
        width: int = 32,
        n_layers: int = 1,
        n_heads: int = 2,
    ) -> None:
        super().__init__()
        n_inputs = (
            2 + 1 + 2 * N_WAVES + n_bands + 2 + 2 * N_COLUMNS + 2 * (N_COLUMNS + 1) * n_bands
        )
        n_vector = n_bands + n_condition
        self.tokens = SetTransformer(n_inputs, width, n_vector, width, n_layers, n_heads)
        self.head = nn.Sequential(
            nn.Linear(2 * width + n_vector, width), nn.LeakyReLU(0.2), nn.Linear(width, 1)
        )

    def forward(
        self, x: Tensor, mask: Tensor, encoding: Phases, condition: Tensor | None = None
    ) -> Tensor:
        """One score an object, shape (B,), larger for what looks real.

        Args:
            x: Encoded rows, shape (B, L, 3F).
            mask: Observations, shape (B, L, F).
            encoding: The fitted encoding.
            condition: Codes of the condition, shape (B, M), or None.
        """
        vector = _joined(_counts(mask), condition)
        seen = mask.flatten(1)
        tokens = leaky_relu(self.tokens(critic_tokens(x, mask, encoding), seen, vector), 0.2)
        pooled = [masked_mean(tokens, seen), masked_max(tokens, seen), vector]
        return self.head(torch.cat(pooled, dim=-1)).squeeze(-1)


def critic_tokens(x: Tensor, mask: Tensor, encoding: Phases) -> Tensor:
    """What the critic sees of every observation, shape (B, T, …).

    Value, error, phase, band, place in the band's sequence; differences to the band's observations
    before and after; contrasts to the observations of all bands in the same night and nearby.
    """
    _, value, error = (torch.where(mask, part, 0.0) for part in x.chunk(3, dim=-1))
    phase = torch.where(mask, encoding.phase(x), 0.0)
    columns = torch.stack([value, error, phase], dim=-1)
    flat, seen, bands = columns.flatten(1, 2), mask.flatten(1), _bands(mask)
    place = torch.stack(position(mask).chunk(2, dim=-1), dim=-1).flatten(1, 2)
    parts = [flat[..., :2], _waves(flat[..., 2]), bands, place.to(x.dtype)]
    parts += [change.flatten(1, 2) for change in _changes(columns, mask)]
    for width in (NIGHT, VISITS):
        parts.append(2 * contrasts(flat, nearness(flat[..., 2], seen, width), bands))
    return torch.cat(parts, dim=-1)


def _changes(columns: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Differences to the observation before and after in a band, each (B, L, F, K), doubled."""
    both = (mask[:, 1:] & mask[:, :-1])[..., None]
    change = torch.where(both, 2 * columns.diff(dim=1), 0.0)
    return pad(change, (0, 0, 0, 0, 1, 0)), pad(change, (0, 0, 0, 0, 0, 1))


def _waves(phase: Tensor) -> Tensor:
    """Phases (B, T) and waves of them, shape (B, T, 1 + 2 N_WAVES)."""
    return torch.cat([phase[..., None], sinusoids(phase, LONGEST, SHORTEST, N_WAVES)], dim=-1)


def _bands(mask: Tensor) -> Tensor:
    """The band of every token, shape (B, T, F), zeros and ones."""
    unit = torch.eye(mask.shape[-1], device=mask.device)
    return unit.expand(*mask.shape, -1).flatten(1, 2)


def _counts(mask: Tensor) -> Tensor:
    """Observations of each band, shape (B, F), compressed to numbers of order one."""
    return mask.sum(1).float().sqrt() / MANY**0.5


def _joined(*parts: Tensor | None) -> Tensor:
    return torch.cat([part for part in parts if part is not None], dim=-1)
