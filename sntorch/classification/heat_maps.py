"""Light curves as images: Gaussian processes in time and wavelength, read off on a grid.

As SCONE does (Qu et al. 2021, arXiv:2106.04370; Qu & Sako 2022, arXiv:2207.09440), which has it
from avocado (Boone 2019, arXiv:1907.04690): a Matérn-3/2 process of wavelength scale 6000 Å is
fitted to all measurements of an object, amplitude and time scale by maximum likelihood, and its
mean and standard deviation are read off at 32 wavelengths and 180 times. The images do not depend
on which filters a survey has.

Deviations: errors have a floor of 1 % of the largest flux, below which covariances are singular in
single precision; the search for the scales ends within about 1 %, far inside their uncertainty;
mean and variance are computed at every other wavelength and time and splined in between, where the
time scale is long enough for that; upper limits are left out. Milky-Way dust is a matter of
``Deredden``: SCONE's code adds A_λ, in magnitudes, to fluxes. Its two made-up measurements of flux
zero 100 days before and after are left out, too: the mean returns to zero by itself.

Letters in shapes: ``B`` objects, ``T`` padded observations, ``W`` wavelengths, ``D`` days.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from scipy.interpolate import CubicSpline
from torch import Tensor

from sntorch.classification.processes import fit_processes, predict
from sntorch.data.batch import LightCurveBatch
from sntorch.nn.gaussian_process import Points
from sntorch.nn.groups import on_threads

WAVELENGTHS = torch.linspace(3000, 10100, 32)
# The authors' grid has both ends on it, so a column is a little more than a day.
DAYS, STEP = 180, 180 / 179
TIMES = torch.linspace(-50, 130, DAYS)
# Grids of fewer points, and steps of more time scales than this, are not splined.
FEWEST, LONGEST_STEP = 8, 0.2
# Objects fitted together: as many as a core's cache holds of their covariances, counted in numbers
# of one of the few arrays of that shape; and no more than these, which differ little in length.
CACHED, CHUNK = 1 << 17, 64


@dataclass(frozen=True)
class CoarseGrid:
    """Half as many wavelengths and times, and the way back to all of them.

    Attributes:
        grid: The places on it.
        to_waves: Splines of a column of wavelengths, shape (W, W / 2).
        to_days: Splines of a row of times, shape (D, D / 2).
        shortest: Time scale, days, from which on the steps in time are short enough.
    """

    grid: Points
    to_waves: Tensor
    to_days: Tensor
    shortest: float

    @classmethod
    def of(cls, fine: Points) -> Self | None:
        """The coarse grid of a fine one; None where that is coarse already."""
        if min(len(axis) for axis in fine) < FEWEST:
            return None
        half = [torch.linspace(a[0].item(), a[-1].item(), (len(a) + 1) // 2).to(a) for a in fine]
        to_days, to_waves = (_spline(c, a) for c, a in zip(half, fine, strict=True))
        step = float(half[0].diff().max())
        return cls(Points(*half), to_waves, to_days, step / LONGEST_STEP)

    def refined(self, maps: Tensor) -> Tensor:
        """Mean and standard deviation (B, 2, W, D) from those on the coarse grid."""
        # The variance is smooth; its root is not, where it comes near zero.
        mean, sigma = maps.unbind(1)
        both = torch.stack([mean, sigma.square()], 1)
        mean, variance = (self.to_waves @ both @ self.to_days.T).unbind(1)
        return torch.stack([mean, variance.clamp(min=0).sqrt()], 1)


def _spline(knots: Tensor, x: Tensor) -> Tensor:
    """Matrix from values at knots (K,) to those of the cubic spline at x (N,), shape (N, K)."""
    unit = np.eye(len(knots))
    return torch.from_numpy(CubicSpline(knots.cpu().numpy(), unit)(x.cpu().numpy())).to(x)


def heat_maps(
    batch: LightCurveBatch,
    wavelengths: Tensor = WAVELENGTHS,
    times: Tensor = TIMES,
    exact: bool = False,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Mean flux and its standard deviation of each object, shape (B, 2, W, D), units of the flux.

    Args:
        batch: Light curves; an object without measurements gives zeros.
        wavelengths: Observer frame, Å, increasing, shape (W,).
        times: Days since ``t_ref``, observer frame, increasing, shape (D,).
        exact: Whether to compute every pixel, none by a spline.
        dtype: Precision of everything.

    Raises:
        ConfigError: A band whose bandpass is not known.
    """
    batch = batch.where(~batch.upper_limit)
    grid = Points(times.to(batch.device, dtype), wavelengths.to(batch.device, dtype))
    coarse = None if exact else CoarseGrid.of(grid)
    maps = torch.zeros(
        (len(batch), 2, len(wavelengths), len(times)), dtype=dtype, device=batch.device
    )

    def make(index: Tensor) -> None:
        maps[index] = _read_off(batch[index].trim(), grid, coarse)

    on_threads(make, [(index,) for index in _alike(batch.n_observations)])
    return maps


def _alike(lengths: Tensor) -> list[Tensor]:
    """Objects to be fitted together, those with the most observations first; none without any.

    The work grows with the cube of the longest, so groups of those are small.
    """
    order = lengths.argsort(descending=True, stable=True)
    order = order[lengths[order] > 0]
    parts, start = [], 0
    while start < len(order):
        longest = int(lengths[order[start]])
        size = max(min(CACHED // longest**2, CHUNK), 1)
        parts.append(order[start : start + size])
        start += size
    return parts


def _read_off(batch: LightCurveBatch, grid: Points, coarse: CoarseGrid | None) -> Tensor:
    """Images of a few objects, shape (B, 2, W, D); splined where the time scale allows it."""
    known = fit_processes(batch, dtype=grid.phase.dtype)
    if coarse is None:
        return predict(known, grid)
    smooth = known.time_scale >= coarse.shortest
    maps = grid.phase.new_empty((len(batch), 2, len(grid.wave), len(grid.phase)))
    if bool(smooth.any()):
        maps[smooth] = coarse.refined(predict(known.pick(smooth), coarse.grid))
    if not bool(smooth.all()):
        maps[~smooth] = predict(known.pick(~smooth), grid)
    return maps
