"""Drawing light curves from a row generator: what is drawn for each object, and in which order.

Objects are drawn one by one from streams of their own and computed in chunks of one size, so that
object i of a seed is the same to the last bit whatever the number of objects asked for.

Letters in shapes: ``B`` objects, ``L`` steps, ``F`` bands, ``Z`` and ``E`` latent numbers an
object and a step.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from sntorch.data.batch import LightCurveBatch
from sntorch.errors import ConfigError
from sntorch.generative.base import Cadence
from sntorch.generative.encoding import RowEncoding
from sntorch.generative.noise import balanced, object_noise
from sntorch.generative.prior import ObjectPrior, mask_from_counts

CHUNK = 128


@dataclass(frozen=True)
class Request:
    """What a user asked for, checked.

    Attributes:
        n: Number of objects.
        seed: Seed of the draws.
        n_steps: Length L of the padded rows.
        lengths: Observations per band, or None to draw them.
        given: Encoded times (N, L, F) and mask (N, L, F) to use in turn, or None.
        resampled: Whether the times of training objects are used.
        temperature: Scale of the latent noise.
    """

    n: int
    seed: int
    n_steps: int
    lengths: Tensor | None
    given: tuple[Tensor, Tensor] | None
    resampled: bool
    temperature: float


@dataclass(frozen=True)
class Draws:
    """Everything random about some objects.

    Attributes:
        z: Latent noise, shape (B, Z).
        steps: Noise of each step, shape (B, L, E).
        eps: Noise of each measurement, shape (B, L, F).
        mask: Observations to make, shape (B, L, F).
        times: Encoded times to use, shape (B, L, F), or None to generate them.
        level: Brightness levels, shape (B,).
    """

    z: Tensor
    steps: Tensor
    eps: Tensor
    mask: Tensor
    times: Tensor | None
    level: Tensor


def check_request(
    encoding: RowEncoding,
    prior: ObjectPrior,
    n: int,
    lengths: Tensor | int | None,
    condition: Mapping[str, Any] | None,
    cadence: Cadence | None,
    seed: int | None,
    temperature: float,
) -> Request:
    """What ``GenerativeModel.sample`` was asked for, for a model without conditions.

    Raises:
        ConfigError: Something that cannot be had, or that contradicts something else.
    """
    check_options(n, lengths, cadence)
    if condition:
        found = ", ".join(sorted(condition))
        raise ConfigError(f"condition {found}: this generator was trained without conditions")
    asked = None if lengths is None else prior.resolve(lengths, n)
    given = given_cadence(encoding, cadence) if isinstance(cadence, LightCurveBatch) else None
    longest = [prior.longest]
    longest += [int(asked.max())] if asked is not None else []
    longest += [given[1].shape[1]] if given is not None else []
    return Request(
        n=n,
        seed=int(torch.randint(2**31, ())) if seed is None else int(seed),
        n_steps=max(longest),
        lengths=asked,
        given=given,
        resampled=cadence == "resampled" if isinstance(cadence, str) else False,
        temperature=temperature,
    )


def check_options(n: int, lengths: Tensor | int | None, cadence: Cadence | None) -> None:
    """Refuse what no generator can give.

    Raises:
        ConfigError: No objects, an unknown cadence, or lengths beside a cadence.
    """
    if n < 1:
        raise ConfigError(f"n={n}: at least one light curve must be asked for")
    if isinstance(cadence, str) and cadence not in ("generated", "resampled"):
        raise ConfigError(
            f"cadence {cadence!r}: generated, resampled or light curves are accepted"
        )
    if cadence not in (None, "generated") and lengths is not None:
        raise ConfigError("lengths and a cadence were both given: a cadence has its own lengths")


def given_cadence(encoding: RowEncoding, cadence: LightCurveBatch) -> tuple[Tensor, Tensor]:
    """Encoded times and mask of the light curves whose epochs a user wants.

    Raises:
        ConfigError: Other bands than the generator's, or no observations.
    """
    if cadence.bands != encoding.bands:
        raise ConfigError(
            f"cadence in bands {', '.join(cadence.bands)}: this generator has "
            f"{', '.join(encoding.bands)}"
        )
    x, mask = encoding.encode(cadence.to(encoding.t_ref.device))
    seen = mask.any(-1).any(-1)
    if not bool(seen.any()):
        raise ConfigError("the cadence has no observation")
    return x[seen, :, : encoding.n_bands].cpu(), mask[seen].cpu()


def chunks(n: int) -> Iterator[tuple[Tensor, int]]:
    """Indices of objects in chunks of one size, and how many of each chunk count.

    The last chunk is filled up with its last object: a matrix product may round differently in
    another size.
    """
    for start in range(0, n, CHUNK):
        stop = min(start + CHUNK, n)
        yield torch.arange(start, start + CHUNK).clamp(max=stop - 1), stop - start


def draw(
    request: Request, prior: ObjectPrior, index: Tensor, n_latent: int, n_step_noise: int
) -> Draws:
    """The draws of some of the objects of a request, on the CPU."""
    n_bands = prior.counts.shape[1]
    noise = [
        object_noise(request.seed, i, n_latent, request.n_steps, n_step_noise + n_bands)
        for i in index.tolist()
    ]
    picked = torch.tensor([balanced(request.seed, i, len(prior)) for i in index.tolist()])
    z = torch.stack([latent for latent, _ in noise]) * request.temperature
    steps, eps = torch.stack([s for _, s in noise]).split([n_step_noise, n_bands], dim=-1)
    times, mask = _epochs(request, prior, index, picked)
    level = prior.smooth(prior.levels.cpu()[picked], z[:, 0])
    return Draws(z, steps, eps, mask, times, level)


def _epochs(
    request: Request, prior: ObjectPrior, index: Tensor, picked: Tensor
) -> tuple[Tensor | None, Tensor]:
    """Encoded times, where they are imposed, and the mask of the observations to make."""
    if request.given is not None:
        turn = index % len(request.given[0])
        times, mask = request.given
        return _padded(times[turn], request.n_steps), _padded(mask[turn], request.n_steps)
    if request.lengths is not None:
        return None, mask_from_counts(request.lengths[index], request.n_steps)
    mask = mask_from_counts(prior.counts.cpu()[picked], request.n_steps)
    if not request.resampled:
        return None, mask
    return _padded(prior.times.cpu()[picked], request.n_steps), mask


def _padded(rows: Tensor, n_steps: int) -> Tensor:
    return pad(rows, (0, 0, 0, n_steps - rows.shape[1]))
