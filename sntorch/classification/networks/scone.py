"""SCONE: a small convolutional network on images of light curves.

Qu et al. (2021, AJ 162, 67, arXiv:2106.04370); early classification Qu & Sako (2022, AJ 163, 57,
arXiv:2207.09440). The image is the mean and the standard deviation of a Gaussian process at 32
wavelengths and 180 days, see ``heat_maps.py``, divided by the largest. Then, in the order of
the authors' code,

    [pad 1 day, convolve (all wavelengths x 3 days) with n filters, ELU,
     make the filter axis the wavelength axis, batch-normalise] x 2, halve both axes by maxima,

once with n = 32, once with n = 16; flatten, dropout 0.5, append what is known besides, 32 ReLU
units, dropout 0.3, logits: 22,614 numbers for six classes, as there, among them 8 running moments.

Deviations: logits of C classes also for two, where the code has one sigmoid; what is appended is
the context (redshift and its error in the paper), encoded as for all networks; images are divided
by their largest |mean|, not by their largest mean, which may be as good as zero. Those of
``heat_maps.py`` come on top. The authors train by Adam at 5e-5 in batches of 32 for 400 epochs;
here that is the module's matter.

By default the image begins 20 days before the trigger, as in the second paper. In the first it
begins 50 days before the peak, which the authors read from the header of the simulation. Nobody
knows that date of a real supernova, and light curves that are cut for early scores no longer say
it: ``centre: brightest`` takes the brightest detection instead, known from the data alone.

Letters in shapes: ``B`` objects, ``T`` padded observations, ``W`` wavelengths, ``D`` days.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from sntorch.classification.base import ClassifierNetwork, appended
from sntorch.classification.heat_maps import DAYS, STEP, WAVELENGTHS, heat_maps
from sntorch.classification.map_cache import MapCache
from sntorch.data.batch import LightCurveBatch
from sntorch.errors import ConfigError

SIGNIFICANT = 5.0
HIDDEN = 32
# Days of the image before the date that it is centred on.
BEFORE = {"trigger": 20.0, "brightest": 50.0}
# What Keras has where PyTorch has 1e-5 and 0.1.
NORM_EPS, NORM_MOMENTUM = 1e-3, 0.01


class Scone(ClassifierNetwork):
    """A convolutional network on Gaussian-process images.

    Args:
        bands: Names of the bands.
        n_classes: Number of classes C.
        n_context: Numbers M of the context.
        centre: ``trigger``, the first detection above 5 sigma that is a day or more after the
            first such detection, or ``brightest``, the detection of the largest flux.
        days: Columns of the image, 1.006 days each, a multiple of 4.
        cached_maps: How many images to keep for when the same light curve comes again, 46 kB each;
            0 where light curves are cut or changed at every epoch.
    """

    def __init__(
        self,
        bands: Sequence[str],
        n_classes: int,
        n_context: int = 0,
        centre: str = "trigger",
        days: int = DAYS,
        cached_maps: int = 0,
    ) -> None:
        super().__init__(bands, n_classes, n_context)
        if centre not in BEFORE:
            raise ConfigError(f"centre={centre}: {' or '.join(BEFORE)} is accepted")
        if days % 4 or days < 4:
            raise ConfigError(f"days={days}: a positive multiple of 4 is accepted")
        self.centre, self.cache = centre, MapCache(cached_maps)
        first = -BEFORE[centre]
        self.times = torch.linspace(first, first + (days - 1) * STEP, days)
        n = len(WAVELENGTHS)
        self.features = nn.Sequential(
            FullHeight(2, n), FullHeight(1, n), nn.MaxPool2d(2),
            FullHeight(1, n // 2), FullHeight(1, n // 2), nn.MaxPool2d(2),
            nn.Flatten(), nn.Dropout(0.5),
        )  # fmt: skip
        self.hidden = nn.Linear(n // 4 * (days // 4) + n_context, HIDDEN)
        self.head = nn.Sequential(nn.ReLU(), nn.Dropout(0.3), nn.Linear(HIDDEN, n_classes))
        self.apply(_as_keras)

    def forward(self, batch: LightCurveBatch, context: Tensor) -> Tensor:
        """Logits, shape (B, C)."""
        features = self.features(self.images(batch))
        return self.head(self.hidden(appended(features, context)))

    def images(self, batch: LightCurveBatch) -> Tensor:
        """What the network sees, shape (B, 2, W, D): 1 at the largest |mean|."""
        batch = replace(batch, t_ref=CENTRES[self.centre](batch))
        maps = self.cache.get(batch, lambda part: heat_maps(part, times=self.times))
        size = maps[:, 0].abs().amax((1, 2))
        scale = torch.where(size > 0, size, 1.0)
        return maps / scale[:, None, None, None]


class FullHeight(nn.Module):
    """A convolution over all wavelengths and 3 days; its filters are the new wavelengths.

    Args:
        n_channels: Channels of the image.
        n_waves: Wavelengths W, and filters.
    """

    def __init__(self, n_channels: int, n_waves: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(n_channels, n_waves, (n_waves, 3), padding=(0, 1))
        self.norm = nn.BatchNorm2d(1, eps=NORM_EPS, momentum=NORM_MOMENTUM)

    def forward(self, image: Tensor) -> Tensor:
        """An image (B, channels, W, D) as one of one channel, (B, 1, W, D)."""
        return self.norm(nn.functional.elu(self.convolution(image)).transpose(1, 2))


def trigger_time(batch: LightCurveBatch) -> Tensor:
    """MJD of the first detection a day or more after the first, shape (B,).

    The first one where there is no second, else the first observation.
    """
    detected = _detected(batch)
    first = _first(batch.time, detected)
    again = _first(batch.time, detected & (batch.time >= first[:, None] + 1))
    any_ = _first(batch.time, batch.mask)
    found = torch.where(again.isfinite(), again, torch.where(first.isfinite(), first, any_))
    return torch.where(found.isfinite(), found, 0.0)


def brightest_time(batch: LightCurveBatch) -> Tensor:
    """MJD of the detection of the largest flux, shape (B,).

    Of the measurement of the largest flux where nothing was detected.
    """
    if not batch.time.shape[1]:
        return batch.time.new_zeros(len(batch))
    detected, measured = _detected(batch), batch.mask & ~batch.upper_limit
    chosen = torch.where(detected.any(1, keepdim=True), detected, measured)
    which = torch.where(chosen, batch.flux, -torch.inf).argmax(1, keepdim=True)
    return batch.time.gather(1, which)[:, 0]


CENTRES = {"trigger": trigger_time, "brightest": brightest_time}


def _detected(batch: LightCurveBatch) -> Tensor:
    """Which measurements are detections, shape (B, T)."""
    return batch.mask & ~batch.upper_limit & (batch.flux > SIGNIFICANT * batch.flux_err)


def _first(time: Tensor, chosen: Tensor) -> Tensor:
    """Earliest of the chosen times, shape (B,); inf where there is none."""
    latest = time.new_full((len(time), 1), torch.inf)
    return torch.cat([torch.where(chosen, time, torch.inf), latest], 1).amin(1)


def _as_keras(module: nn.Module) -> None:
    """Keras' first weights: Glorot's uniform ones, and no biases."""
    if isinstance(module, nn.Linear | nn.Conv2d):
        nn.init.xavier_uniform_(module.weight)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
