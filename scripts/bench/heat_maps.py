"""Images of light curves for SCONE: DES-mini, beside one scikit-learn process an object.

Reads DES-mini below $SNTORCH_SHARED (../shared by default). Both fit the amplitude and the time
scale and predict 32 x 180 means and standard deviations; scikit-learn searches by L-BFGS from the
same start, with its gradients, and its wavelength scale is fixed. The ratio is of one thread each;
the target is of images made on all cores.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from table import Row, main

from sntorch.classification.heat_maps import TIMES, WAVELENGTHS, heat_maps
from sntorch.classification.processes import ERROR_FLOOR
from sntorch.data.batch import LightCurveBatch
from sntorch.data.io import read
from sntorch.data.light_curve import LightCurve
from sntorch.nn.gaussian_process import WAVELENGTH_SCALE
from sntorch.nn.gaussian_process_fit import FIRST_TIME_SCALE, TIME_SCALES, WIDEST_AMPLITUDE
from sntorch.physics.bandpasses import get_bandpass

SHARED = Path(
    os.environ.get("SNTORCH_SHARED", Path(__file__).resolve().parents[2].parent / "shared")
)
DES = SHARED / "data" / "des_mini"
TARGET = 500
SEED = 0


def rows(quick: bool) -> Iterable[Row]:
    """Objects a second of both, and how far apart their images are."""
    if not DES.is_dir():
        command = "SNTORCH_SHARED=FOLDER python scripts/bench/heat_maps.py"
        yield Row("classification", "images of DES-mini", f"> {TARGET} / s", command, met="run")
        return
    torch.set_num_threads(1)
    whole = read(DES).to_batch()
    order = torch.randperm(len(whole), generator=torch.Generator().manual_seed(SEED))
    batch, few = whole[order[: 256 if quick else 2048]], whole[order[: 12 if quick else 60]]
    heat_maps(batch[:32])
    ours = len(batch) / seconds(lambda: heat_maps(batch))
    exact = len(few) / seconds(lambda: heat_maps(few, exact=True))
    known: list[np.ndarray] = []
    other = len(few) / seconds(lambda: known.extend(by_scikit_learn(few)))
    together = on_all_cores(batch)
    median = int(batch.n_observations.median())
    what = f"SCONE images, griz, {median} observations (median)"
    yield Row(
        "classification",
        f"{what}: all cores, wall time",
        f"> {TARGET} / s on 2 cores",
        f"{together:.0f} / s on {cores()}",
        met="yes" if together > TARGET else "no",
    )
    yield Row(
        "classification",
        f"{what}: one thread, CPU time",
        "reported",
        f"{ours:.0f} / s",
        f"{other:.2f} / s (scikit-learn, one by one)",
        f"{ours / other:.0f}x as fast",
    )
    apart = distances(heat_maps(few), np.stack(known))
    yield Row(
        "classification",
        "SCONE images beside scikit-learn's: largest difference of mean, sigma in units of the "
        "brightest; median object, worst; exact pixels a second",
        "reported",
        f"{apart}; {exact:.0f} / s",
    )


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def on_all_cores(batch: LightCurveBatch) -> float:
    """Images a second, wall time, with a thread on every core."""
    torch.set_num_threads(cores())
    started = time.perf_counter()
    heat_maps(batch)
    taken = time.perf_counter() - started
    torch.set_num_threads(1)
    return len(batch) / taken


def seconds(action: Callable[[], object]) -> float:
    """CPU time, which other programs on the machine lengthen less than wall time."""
    started = time.process_time()
    action()
    return time.process_time() - started


def by_scikit_learn(batch: LightCurveBatch) -> Iterable[np.ndarray]:
    """Images (2, 32, 180) by one process an object."""
    waves, days = np.meshgrid(WAVELENGTHS.numpy(), TIMES.numpy(), indexing="ij")
    grid = np.stack([days.ravel(), waves.ravel()], -1)
    for light_curve, t_ref in zip(batch.to_light_curves(), batch.t_ref.tolist(), strict=True):
        mean, sigma = fitted(light_curve, t_ref).predict(grid, return_std=True)[:2]
        yield np.stack([np.asarray(mean), np.asarray(sigma)]).reshape(2, *waves.shape)


def fitted(light_curve: LightCurve, t_ref: float) -> Any:
    """The process of an object. scikit-learn cannot fix one of several length scales, so that of
    wavelengths is held in a tiny interval.
    """
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern

    top = np.abs(light_curve.flux).max()
    variance: Any = light_curve.flux_err**2 + (ERROR_FLOOR * top) ** 2
    snr = np.abs(light_curve.flux) / np.hypot(light_curve.flux_err, 0.01 * top)
    guess = (0.5 * np.abs(light_curve.flux[snr.argmax()])) ** 2
    wide = np.exp(2 * WIDEST_AMPLITUDE)
    fixed = (WAVELENGTH_SCALE * (1 - 1e-9), WAVELENGTH_SCALE * (1 + 1e-9))
    lengths: Any = [FIRST_TIME_SCALE, WAVELENGTH_SCALE]
    shape = Matern(lengths, [TIME_SCALES, fixed], nu=1.5)  # pyright: ignore[reportArgumentType]
    kernel = ConstantKernel(guess, (guess / wide, guess * wide)) * shape
    wave = np.array([get_bandpass(b).pivot_wavelength for b in light_curve.bands])
    seen = np.stack([light_curve.time - t_ref, wave[light_curve.band_index]], -1)
    return GaussianProcessRegressor(kernel, alpha=variance).fit(seen, light_curve.flux)


def distances(ours: torch.Tensor, other: np.ndarray) -> str:
    """Largest differences on an image, of the median object and of the worst."""
    top = other[:, :1].max((2, 3), keepdims=True)
    apart = np.abs((ours.numpy() - other) / top).max((2, 3))
    median, worst = np.median(apart, 0), apart.max(0)
    return f"{median[0]:.4f}, {median[1]:.4f}; {worst[0]:.3f}, {worst[1]:.3f}"


if __name__ == "__main__":
    main(rows)
