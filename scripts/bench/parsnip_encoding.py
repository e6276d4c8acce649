"""Encoding of light curves by ParSNIP on one thread, in PLAsTiCC's sizes.

From a ``LightCurveBatch`` to the posterior of the latent numbers, putting them on the grid of
days included, and to logits, which decodes once more for the amplitude. The light curves have as
many observations in ugrizy as PLAsTiCC's training set has on average; where they lie does not
change the cost. The weights are random, which does not change it either. What the products of
matrices alone would take at the rate of a large one, measured beside it, says how far from the
end of the road an encoder is that reads every day.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import numpy as np
import torch
from table import Row, main
from torch import nn

from sntorch.classification.networks.parsnip import Parsnip
from sntorch.classification.networks.parsnip.encoder import Encoder
from sntorch.classification.networks.parsnip.grid import WINDOW
from sntorch.data.batch import LightCurveBatch
from sntorch.data.light_curve import LightCurve

BANDS = ("lsstu", "lsstg", "lsstr", "lssti", "lsstz", "lssty")
N_OBSERVATIONS, DAYS = 181, 1000.0
BATCH = 32
# Printed by astro-parsnip 1.4.3 on one thread, light curves/s: encoding, and its preprocessing.
REFERENCE, PREPROCESSING = 41, 52
TARGET = 10 * REFERENCE
SIZES = {"parsnip (the paper's size)": (1.0, 1), "parsnip_small": (0.5, 4)}


def rows(quick: bool) -> Iterable[Row]:
    """One row a size."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    batch = light_curves(BATCH)
    repeats = 2 if quick else 8
    for name, (width, stride) in SIZES.items():
        network = Parsnip(BANDS, 8, width=width, stride=stride).eval()
        yield row(name, network, batch, repeats)
        if stride == 1:
            yield arithmetic(name, network.encoder, repeats)


def row(name: str, network: Parsnip, batch: LightCurveBatch, repeats: int) -> Row:
    """Rates of encoding and of classifying."""
    context = torch.zeros(len(batch), 0)
    with torch.inference_mode():
        wall, cpu = rates(lambda: network.encode(batch), len(batch), repeats)
        logits, _ = rates(lambda: network(batch, context), len(batch), repeats)
    measured = (
        f"{wall:.0f} /s ({cpu:.0f} per CPU second); to logits {logits:.0f} /s; grid included"
    )
    return Row(
        "classification",
        f"encoding, {name}, ugrizy, {N_OBSERVATIONS} observations, one thread",
        f">= {TARGET} /s",
        measured,
        f"astro-parsnip 1.4.3, quoted: {REFERENCE} /s, preprocessing {PREPROCESSING} /s",
        f"{wall / REFERENCE:.1f}",
        "yes" if wall >= TARGET else "no",
    )


def arithmetic(name: str, encoder: Encoder, repeats: int) -> Row:
    """What a CPU second would give if the encoder were one large product of matrices."""
    size = 1024
    a = torch.randn(size, size)
    _, products = rates(lambda: a @ a, 2 * size**3, 4 * repeats)
    needed = operations(encoder)
    return Row(
        "classification",
        f"encoding, {name}: arithmetic of a light curve; a matrix product's rate beside it",
        "reported",
        f"{needed / 1e9:.2f} GFLOP; {products / 1e9:.0f} GFLOP per CPU second: at most "
        f"{products / needed:.0f} light curves",
    )


def operations(encoder: Encoder) -> float:
    """Multiplications and additions of a light curve's convolutions at every day."""
    total = 0
    for layer in encoder.modules():
        if isinstance(layer, nn.Conv1d):
            taps, reach = layer.kernel_size[0], layer.dilation[0]
            days = sum(WINDOW - abs(tap - taps // 2) * reach for tap in range(taps))
            total += 2 * layer.in_channels * layer.out_channels * days
    return total


def rates(work: Callable[[], object], n: int, repeats: int) -> tuple[float, float]:
    """Objects a second, the best of some repeats: by the clock and by the CPU's."""
    work()
    wall, cpu = [], []
    for _ in range(repeats):
        started = time.perf_counter(), time.process_time()
        work()
        wall.append(time.perf_counter() - started[0])
        cpu.append(time.process_time() - started[1])
    return n / min(wall), n / min(cpu)


def light_curves(n: int) -> LightCurveBatch:
    """Light curves that rise and fall within a survey of three years."""
    rng = np.random.default_rng(0)
    curves = []
    for i in range(n):
        phase = np.sort(rng.uniform(-DAYS / 2, DAYS / 2, N_OBSERVATIONS))
        flux = 200 * np.exp(-0.5 * (phase / 25) ** 2) + rng.normal(0, 10, N_OBSERVATIONS)
        errors = np.full(N_OBSERVATIONS, 10.0)
        bands = rng.choice(BANDS, N_OBSERVATIONS)
        header = {"redshift": rng.uniform(0.05, 1), "mwebv": 0.03}
        curves.append(LightCurve.from_arrays(f"{i}", 60000 + phase, flux, errors, bands, **header))
    return LightCurveBatch.from_light_curves(curves, bands=BANDS)


if __name__ == "__main__":
    main(rows)
