"""Recurrent generators and critics.

Two pairs: ``TalkGenerator`` and ``TalkCritic`` follow the description of the recurrent GAN in the
talk by M. Grayling (Machine Learning for Transients, Warwick, December 2023), written anew;
``RecurrentGenerator`` and ``RecurrentCritic`` are the default. What the default adds: noise and
position at every step, magnitudes that are a smooth function of phase, and a critic that reads
both directions, differences and colours and pools over all steps. Photometric scatter comes from
the measurement (see ``MagnitudeEncoding.measure``), so it has the size that the errors say.

The default pair can be given conditions: the generator reads them beside the latent numbers, the
critic compares them with what it saw (projection, Miyato & Koyama 2018, arXiv:1802.05637).

A network of your own needs the ``forward`` of ``RecurrentGenerator`` (and its two sizes) or of
``RecurrentCritic``; its constructor gets ``n_bands``, ``n_condition`` and what the configuration
gives.

Letters in shapes: ``B`` objects, ``L`` sequence steps, ``F`` bands, ``Z`` latent numbers an
object, ``E`` a step, ``M`` numbers of an encoded condition.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, silu

from sntorch.errors import ConfigError
from sntorch.nn.rnn import PooledGRU, last_valid

LONGEST = 32.0
N_WAVES = 4


class Phases(Protocol):
    """The part of an encoding that networks may use."""

    def phase(self, x: Tensor) -> Tensor:
        """Standardised phases (B, L, F) of encoded rows (B, L, 3F) or of their time columns."""
        ...


def position(mask: Tensor) -> Tensor:
    """Place of a step in its band's sequence, and that sequence's length: shape (B, L, 2F)."""
    count = mask.sum(1, keepdim=True).float()
    step = torch.arange(mask.shape[1], device=mask.device, dtype=count.dtype)[None, :, None]
    along = torch.where(mask, 2 * step / (count - 1).clamp(min=1) - 1, -1.0)
    return torch.cat([along, (count.sqrt() / LONGEST**0.5).expand_as(along)], dim=-1)


class PhaseField(nn.Module):
    """A light curve as a smooth function of phase, one for each object and band.

    Two observations of one night agree but for their noise, however the rows line up.

    Args:
        n_bands: Number of bands F.
        n_latent: Latent numbers an object Z.
        n_hidden: Hidden units.
    """

    def __init__(self, n_bands: int, n_latent: int, n_hidden: int) -> None:
        super().__init__()
        self.from_latent = nn.Linear(n_latent, 2 * n_hidden)
        self.from_phase = nn.Linear(1 + 2 * N_WAVES, n_hidden, bias=False)
        self.from_band = nn.Parameter(torch.randn(n_bands, n_hidden))
        self.hidden = nn.Sequential(
            nn.SiLU(), nn.Linear(n_hidden, n_hidden), nn.SiLU(), nn.Linear(n_hidden, n_hidden)
        )
        self.values = nn.Linear(n_hidden, n_bands)

    def forward(self, z: Tensor, phase: Tensor) -> Tensor:
        """Values (B, L, F) at standardised phases (B, L, F), for latent noise ``z`` (B, Z)."""
        angle = phase[..., None] * torch.arange(1, N_WAVES + 1, device=phase.device)
        waves = torch.cat([phase[..., None], angle.sin(), angle.cos()], -1)
        scale, shift = self.from_latent(z)[:, None, None].chunk(2, dim=-1)
        first = (1 + scale) * (self.from_phase(waves) + self.from_band) + shift
        # Each band reads its own output.
        return (silu(self.hidden(first)) * self.values.weight).sum(-1) + self.values.bias


class RecurrentGenerator(nn.Module):
    """Times from a GRU, values as a function of phase, errors from the noise of each step.

    The noise of a step is common to its bands, as is the weather of a night. Scatter is what the
    measurement adds to the values. The photometric part can be given real times, which is how a
    cadence is imposed.

    Args:
        n_bands: Number of bands F.
        n_condition: Numbers of an encoded condition M.
        n_latent: Latent numbers an object Z.
        n_step_noise: Noise numbers a step E.
        n_hidden: Hidden units of each part.
    """

    def __init__(
        self,
        n_bands: int,
        n_condition: int = 0,
        n_latent: int = 16,
        n_step_noise: int = 8,
        n_hidden: int = 64,
    ) -> None:
        super().__init__()
        self.n_latent, self.n_step_noise = n_latent, n_step_noise
        n_object = n_latent + n_condition
        n_common = n_object + n_step_noise + 3 * n_bands
        self.clock = nn.GRU(n_common, n_hidden, batch_first=True)
        self.times = nn.Linear(n_hidden + n_step_noise, n_bands)
        self.field = PhaseField(n_bands, n_object, n_hidden)
        self.errors = nn.Sequential(
            nn.Linear(n_common + 2 * n_bands, n_hidden),
            nn.LeakyReLU(0.2),
            nn.Linear(n_hidden, n_hidden),
            nn.LeakyReLU(0.2),
            nn.Linear(n_hidden, n_bands),
        )

    def forward(
        self,
        z: Tensor,
        steps: Tensor,
        mask: Tensor,
        encoding: Phases,
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
            condition: Codes of the condition, shape (B, M), or None where M is 0.
        """
        if condition is not None:
            z = torch.cat([z, condition], dim=-1)
        latent = z[:, None].expand(-1, mask.shape[1], -1)
        common = torch.cat([latent, steps, position(mask), mask.float()], -1)
        common = common * mask.any(-1)[..., None]
        times = self._times(common, steps, cadence)
        phase = _masked(encoding.phase(times), mask)
        values = self.field(z, phase)
        errors = self.errors(torch.cat([common, phase, _masked(values, mask)], -1))
        return torch.cat([times, values, errors], dim=-1)

    def _times(self, common: Tensor, steps: Tensor, cadence: Tensor | None) -> Tensor:
        """Encoded times: the given ones where there are any, else generated ones."""
        if cadence is not None and not bool(cadence.isnan().any()):
            return cadence
        own = self.times(torch.cat([self.clock(common)[0], steps], -1))
        return own if cadence is None else torch.where(cadence.isnan(), own, cadence)


class RecurrentCritic(nn.Module):
    """A bidirectional GRU over rows, their differences and their colours, pooled over all steps.

    Args:
        n_bands: Number of bands F.
        n_condition: Numbers of an encoded condition M.
        n_hidden: Hidden units of each GRU direction.
        colours: Whether values of neighbouring bands in a row are also given as differences.
    """

    def __init__(
        self, n_bands: int, n_condition: int = 0, n_hidden: int = 64, colours: bool = True
    ) -> None:
        super().__init__()
        self.colours = colours
        n_inputs = 10 * n_bands + (3 * (n_bands - 1) if colours else 0)
        self.embed = nn.Linear(n_inputs, n_hidden)
        self.gru = PooledGRU(n_hidden, n_hidden)
        self.head = ProjectionHead(self.gru.n_outputs + n_bands, n_condition, n_hidden)

    def forward(
        self, x: Tensor, mask: Tensor, encoding: Phases, condition: Tensor | None = None
    ) -> Tensor:
        """One score an object, shape (B,), larger for what looks real.

        Args:
            x: Encoded rows, shape (B, L, 3F).
            mask: Observations, shape (B, L, F).
            encoding: The fitted encoding.
            condition: Codes of the condition, shape (B, M), or None where M is 0.
        """
        features = critic_features(x, mask, encoding, self.colours)
        embedded = leaky_relu(self.embed(features), 0.2)
        pooled = self.gru(embedded, mask.any(-1))
        counts = mask.sum(1).to(x.dtype).sqrt() / LONGEST**0.5
        return self.head(torch.cat([pooled, counts], dim=-1), condition)


class ProjectionHead(nn.Module):
    """A score from the features of an object, and from how well they suit its condition.

    With features φ, their score is ψ(φ) + <V c, φ> for the codes c of the condition (Miyato &
    Koyama 2018, equation 3).

    Args:
        n_inputs: Numbers that describe an object D.
        n_condition: Numbers of an encoded condition M.
        n_hidden: Features φ.
    """

    def __init__(self, n_inputs: int, n_condition: int, n_hidden: int) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Linear(n_inputs, n_hidden), nn.LeakyReLU(0.2))
        self.score = nn.Linear(n_hidden, 1)
        self.embedding = nn.Linear(n_condition, n_hidden, bias=False) if n_condition else None

    def forward(self, inputs: Tensor, condition: Tensor | None = None) -> Tensor:
        """Scores (B,) of what describes objects (B, D), under their conditions (B, M)."""
        features = self.features(inputs)
        score = self.score(features).squeeze(-1)
        if self.embedding is None or condition is None:
            return score
        return score + (self.embedding(condition) * features).sum(-1)


def critic_features(x: Tensor, mask: Tensor, encoding: Phases, colours: bool = True) -> Tensor:
    """Rows with phase, first differences, position and colours: shape (B, L, 10 F + 3 (F - 1))."""
    time, value, error = x.chunk(3, dim=-1)
    phase = encoding.phase(x)
    both = mask[:, 1:] & mask[:, :-1]
    parts = [_masked(part, mask) for part in (time, value, error, phase)]
    parts += [mask.to(x.dtype), position(mask).to(x.dtype)]
    for part in (value, error, phase):
        change = torch.where(both, part.diff(dim=1), 0.0)
        parts.append(nn.functional.pad(change, (0, 0, 1, 0)) * 2)
    if colours:
        pair = mask[..., 1:] & mask[..., :-1]
        parts += [torch.where(pair, part.diff(dim=-1), 0.0) * 3 for part in (value, phase)]
        parts.append(pair.to(x.dtype))
    return torch.cat(parts, dim=-1)


class TalkGenerator(nn.Module):
    """Two GRU layers fed with the same latent vector at every step; the output's range is that of
    tanh.

    Args:
        n_bands: Number of bands F; 3 F columns come out.
        n_condition: 0, for it takes no conditions.
        n_latent: Latent numbers an object Z.
        n_hidden: Hidden units of each layer.
        dropout: Dropped share of each layer's outputs while training.
    """

    n_step_noise = 0

    def __init__(
        self,
        n_bands: int,
        n_condition: int = 0,
        n_latent: int = 10,
        n_hidden: int = 100,
        dropout: float = 0.25,
    ) -> None:
        super().__init__()
        _without_conditions(n_condition)
        self.n_latent = n_latent
        self.gru = nn.GRU(n_latent, n_hidden, 2, batch_first=True, dropout=dropout)
        self.dropout = nn.Dropout(dropout)
        self.rows = nn.Linear(n_hidden, 3 * n_bands)

    def forward(
        self,
        z: Tensor,
        steps: Tensor,
        mask: Tensor,
        encoding: Phases,
        cadence: Tensor | None = None,
        condition: Tensor | None = None,
    ) -> Tensor:
        """Encoded rows, shape (B, L, 3F), in [-1, 1]; ``z`` (B, Z) is repeated L times."""
        if cadence is not None:
            raise ValueError("this generator cannot be given times")
        states, _ = self.gru(z[:, None].expand(-1, mask.shape[1], -1).contiguous())
        return self.rows(self.dropout(states)).tanh()


class TalkCritic(nn.Module):
    """Two GRU layers; the score is read from the state at the last valid step.

    Args:
        n_bands: Number of bands F.
        n_condition: 0, for it takes no conditions.
        n_hidden: Hidden units of each layer.
        dropout: Dropped share of each layer's outputs while training.
    """

    def __init__(
        self, n_bands: int, n_condition: int = 0, n_hidden: int = 100, dropout: float = 0.25
    ) -> None:
        super().__init__()
        _without_conditions(n_condition)
        self.gru = nn.GRU(3 * n_bands, n_hidden, 2, batch_first=True, dropout=dropout)
        self.dropout = nn.Dropout(dropout)
        self.score = nn.Linear(n_hidden, 1)

    def forward(
        self, x: Tensor, mask: Tensor, encoding: Phases, condition: Tensor | None = None
    ) -> Tensor:
        """One score an object, shape (B,); ``x`` (B, L, 3F), ``mask`` (B, L, F)."""
        states, _ = self.gru(torch.where(mask.repeat(1, 1, 3), x, 0.0))
        last = last_valid(states, mask.any(-1).sum(1))
        return self.score(self.dropout(last)).squeeze(-1)


def _masked(x: Tensor, mask: Tensor) -> Tensor:
    return torch.where(mask, x, 0.0)


def _without_conditions(n_condition: int) -> None:
    if n_condition:
        raise ConfigError(
            "the networks of the talk take no conditions: set model.conditions to [], or choose "
            "model=gan/recurrent"
        )
