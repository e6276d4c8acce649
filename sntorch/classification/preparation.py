"""Light curves of any origin as batches that a classifier understands.

Observations in bands that it does not know are left out; what is left of each object is counted,
so that one line can say which objects nothing is left of.

Letters in shapes: ``B`` objects, ``T`` observations, ``F`` bands.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np
import torch

from sntorch.classification.module import ClassifierModule
from sntorch.data.batch import TOKEN_FIELDS, LightCurveBatch
from sntorch.data.filters import canonical
from sntorch.data.light_curve import LightCurve, LightCurves
from sntorch.errors import DataError, SntorchWarning


class Preparation:
    """Makes batches for one classifier, and counts the objects that it cannot judge.

    Args:
        module: The classifier.
        since: What epochs count from; ``peak`` is refused where it is not known.
    """

    def __init__(self, module: ClassifierModule, since: str = "trigger") -> None:
        self.module = module
        self.since = since
        self.n = self.n_empty = 0
        self._first = ""
        self._others: set[str] = set()

    def batches(
        self, light_curves: Iterable[LightCurve] | LightCurveBatch, size: int
    ) -> Iterator[LightCurveBatch]:
        """Batches of at most ``size`` objects in the classifier's bands, in order.

        Raises:
            DataError: No light curves, none of them in the classifier's bands, or no time of peak
                where epochs count from it.
        """
        if isinstance(light_curves, LightCurveBatch):
            parts = (light_curves[i : i + size] for i in range(0, len(light_curves), size))
            made = (self._from_batch(part) for part in parts)
        else:
            made = (self._from_objects(part) for part in _groups(light_curves, size))
        for batch in made:
            yield batch.to(self.module.device)
        self._report()

    def _from_objects(self, objects: list[LightCurve]) -> LightCurveBatch:
        if self.since == "peak":
            self._require_peak(objects)
        kept = [_in_bands(lc, self.module.bands) for lc in objects]
        for before, after in zip(objects, kept, strict=True):
            self._count(before.object_id, len(after), LightCurves([before]).bands)
        return LightCurveBatch.from_light_curves(
            kept,
            bands=self.module.bands,
            host=self.module.host,
            zeropoint=self.module.zeropoint,
        )

    def _from_batch(self, batch: LightCurveBatch) -> LightCurveBatch:
        kept = in_bands(batch, self.module.bands, self.module.zeropoint)
        for i, n in enumerate(kept.n_observations.tolist()):
            bands = () if n else (batch.bands[k] for k in batch.band[i][batch.mask[i]].unique())
            self._count(batch.object_id[i], n, bands)
        return kept

    def _count(self, name: str, n_observations: int, bands: Iterable[str]) -> None:
        self.n += 1
        if n_observations:
            return
        self.n_empty += 1
        found = sorted(bands)
        self._others |= set(found)
        if not self._first:
            self._first = f"{name}, in {', '.join(found)}" if found else f"{name}, which is empty"

    def _require_peak(self, objects: Sequence[LightCurve]) -> None:
        unknown = [lc.object_id for lc in objects if len(lc) and not np.isfinite(lc.peak_mjd)]
        if unknown:
            others = f" and {len(unknown) - 1} others" if len(unknown) > 1 else ""
            raise DataError(
                f"{unknown[0]}{others}: the time of peak is not known, which epochs count from; "
                "since=trigger needs none"
            )

    def _report(self) -> None:
        if not self.n:
            raise DataError("no light curves to classify")
        known = ", ".join(self.module.bands)
        if self.n_empty == self.n and self._others:
            raise DataError(
                f"light curves in {', '.join(sorted(self._others))}; this classifier knows "
                f"{known}: use one that was trained in their bands, or say which bandpass a "
                "filter is when reading (bands=…)"
            )
        if self.n_empty:
            warnings.warn(
                f"{self.n_empty} of {self.n} light curves have no observation in {known} and "
                f"get no probabilities, the first: {self._first}",
                SntorchWarning,
                stacklevel=4,
            )


def in_bands(batch: LightCurveBatch, bands: Sequence[str], zeropoint: float) -> LightCurveBatch:
    """A batch in other bands, in their order, and at another zero point.

    Args:
        batch: The light curves.
        bands: Names of the F bands; observations in others are left out.
        zeropoint: Of the fluxes that come out.
    """
    if batch.bands == tuple(bands) and batch.zeropoint == zeropoint:
        return batch
    names, place = canonical(batch.bands), {name: i for i, name in enumerate(bands)}
    table = torch.tensor([place.get(names[b], -1) for b in batch.bands], device=batch.device)
    index = table[batch.band] if len(table) else batch.band
    scale = 10 ** (0.4 * (zeropoint - batch.zeropoint))
    scaled = replace(
        batch,
        flux=batch.flux * scale,
        flux_err=batch.flux_err * scale,
        band=index.clamp(min=0),
        bands=tuple(bands),
        zeropoint=zeropoint,
    )
    return _sorted(scaled.where(index >= 0))


def _sorted(batch: LightCurveBatch) -> LightCurveBatch:
    """Observations ordered by time, then band, as in every batch."""
    order = batch.band.argsort(dim=1, stable=True)
    time = torch.where(batch.mask, batch.time, torch.inf).gather(1, order)
    order = order.gather(1, time.argsort(dim=1, stable=True))
    return replace(batch, **{k: getattr(batch, k).gather(1, order) for k in TOKEN_FIELDS})


def _in_bands(light_curve: LightCurve, bands: Sequence[str]) -> LightCurve:
    names = canonical(light_curve.bands)
    known = np.array([names[band] in bands for band in light_curve.bands], dtype=bool)
    return light_curve if known.all() else light_curve.keep(known[light_curve.band_index])


def _groups(objects: Iterable[LightCurve], size: int) -> Iterator[list[LightCurve]]:
    remaining = iter(objects)
    while group := list(islice(remaining, size)):
        yield group
