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

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
import torch
from scipy.interpolate import CubicSpline
from torch import Tensor

from sntorch.data.batch import LightCurveBatch
from sntorch.nn.gaussian_process import WAVELENGTH_SCALE, Points, covariance
from sntorch.nn.gaussian_process_fit import fit_scales
from sntorch.physics.bandpasses import get_bandpass

WAVELENGTHS = torch.linspace(3000, 10100, 32)
# The authors' grid has both ends on it, so a column is a little more than a day.
DAYS, STEP = 180, 180 / 179
TIMES = torch.linspace(-50, 130, DAYS)
ERROR_FLOOR = 0.01
TOLERANCE = 0.03
# Grids of fewer points, and steps of more time scales than this, are not splined.
FEWEST, LONGEST_STEP = 8, 0.2
# Objects fitted together, and numbers in a block of covariances: what a core's cache holds.
CHUNK, BLOCK = 16, 1 << 18


class Processes(NamedTuple):
    """Gaussian processes with what they were fitted to; padding is at the end and masked.

    Attributes:
        points: Places of the measurements, shape (B, T).
        flux: Fluxes, shape (B, T).
        flux_err: Errors, shape (B, T).
        mask: True where there is a measurement, shape (B, T).
        amplitude: Flux units, shape (B,).
        time_scale: Days, shape (B,).
    """

    points: Points
    flux: Tensor
    flux_err: Tensor
    mask: Tensor
    amplitude: Tensor
    time_scale: Tensor

    def pick(self, index: Tensor) -> Processes:
        """Those of some objects."""
        points = Points(*(axis[index] for axis in self.points))
        return Processes(points, *(each[index] for each in self[1:]))


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
    # Objects of about one length together need the least padding.
    order = batch.n_observations.argsort(stable=True)
    order = order[batch.n_observations[order] > 0]
    parts = [order[start : start + CHUNK] for start in range(0, len(order), CHUNK)]

    def make(index: Tensor) -> None:
        with torch.no_grad():
            maps[index] = _read_off(batch[index].trim(), grid, coarse)

    _for_each(parts, make)
    return maps


def _for_each(parts: list[Tensor], make: Callable[[Tensor], None]) -> None:
    """Call ``make`` of every part, on as many threads as PyTorch has.

    Matrices of a light curve are too small to share one among threads.
    """
    threads = min(torch.get_num_threads(), len(parts))
    if threads < 2 or parts[0].is_cuda:
        for part in parts:
            make(part)
        return
    # The setting is one of the thread that makes it.
    with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        list(pool.map(make, parts))


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


def fit_processes(
    batch: LightCurveBatch, error_floor: float = ERROR_FLOOR, dtype: torch.dtype = torch.float32
) -> Processes:
    """The processes of a few objects, each with one measurement or more."""
    waves = [get_bandpass(band).pivot_wavelength for band in batch.bands]
    wave = torch.tensor(waves, dtype=dtype, device=batch.device)[batch.band]
    points, mask = Points(batch.phase.to(dtype), wave), batch.mask
    flux = torch.where(mask, batch.flux, 0.0).to(dtype)
    error = torch.hypot(batch.flux_err.to(dtype), error_floor * flux.abs().amax(1, keepdim=True))
    error = torch.where(mask, error, 1.0)
    scales = fit_scales(points, flux, error, mask, tolerance=TOLERANCE)
    return Processes(points, flux, error, mask, *scales)


def predict(known: Processes, grid: Points) -> Tensor:
    """Mean and standard deviation on a grid of times (D,) and wavelengths (W,): (B, 2, W, D)."""
    whiten, weights = _solved(known)
    size = whiten.shape[:2]
    days = _scaled_squares(known.points.phase, grid.phase, known.time_scale[:, None, None])
    waves = _scaled_squares(known.points.wave, grid.wave, WAVELENGTH_SCALE)
    rows = max(BLOCK // (size.numel() * len(grid.phase)), 1)
    parts = [
        _block(whiten, weights, days, part).unflatten(-1, (-1, len(grid.phase)))
        for part in waves.split(rows, dim=-1)
    ]
    return known.amplitude[:, None, None, None] * torch.cat(parts, dim=2)


def _solved(known: Processes) -> tuple[Tensor, Tensor]:
    """For covariances in units of A²: L⁻¹ of those of the measurements (B, T, T), and the weights
    of the mean (B, 1, T), in units of A; both are 0 where padded.
    """
    one = torch.ones_like(known.amplitude)
    prior = covariance(known.points, known.points, one, known.time_scale)
    pairs = known.mask[:, :, None] & known.mask[:, None, :]
    noise = (known.flux_err / known.amplitude[:, None]).square() + 8 * torch.finfo(one.dtype).eps
    root = torch.linalg.cholesky(torch.where(pairs, prior, 0.0) + torch.diag_embed(noise))
    unit = torch.eye(root.shape[-1], dtype=root.dtype, device=root.device)
    whiten = torch.linalg.solve_triangular(root, unit.expand_as(root), upper=False)
    whiten = torch.where(pairs, whiten, 0.0).contiguous()
    flux = (known.flux / known.amplitude[:, None])[..., None]
    return whiten, (whiten.mT @ (whiten @ flux)).mT


def _scaled_squares(a: Tensor, b: Tensor, scale: Tensor | float) -> Tensor:
    """3 times the squared distances of a (B, T) and b (Q,), shape (B, T, Q)."""
    return 3 * ((a[:, :, None] - b) / scale).square()


def _block(whiten: Tensor, weights: Tensor, days: Tensor, waves: Tensor) -> Tensor:
    """Mean and standard deviation in units of A at some wavelengths, shape (B, 2, W·D).

    In place, as this is where the time goes.
    """
    r = (days[:, :, None, :] + waves[..., None]).flatten(2).sqrt_()
    fall = r.neg().exp_()
    seen = torch.addcmul(fall, r, fall, out=r)
    mean = weights @ seen
    explained = torch.matmul(whiten, seen, out=fall).square_().sum(1, keepdim=True)
    return torch.cat([mean, explained.neg_().add_(1).clamp_(min=0).sqrt_()], dim=1)
