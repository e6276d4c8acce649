"""The objects that a baseline draws from, and putting drawn ones together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from sntorch.data.batch import LightCurveBatch
from sntorch.errors import DataError

FEWEST = 5


@dataclass(frozen=True)
class Photometry:
    """Measurements of one object.

    Attributes:
        phase: Days since the reference time, observer frame, shape (T,).
        band: Indices of bands, shape (T,).
        flux: Fluxes, shape (T,).
        flux_err: Their errors, shape (T,).
        true_flux: Fluxes without noise, shape (T,); NaN where nobody knows them.
    """

    phase: Tensor
    band: Tensor
    flux: Tensor
    flux_err: Tensor
    true_flux: Tensor

    def __len__(self) -> int:
        return len(self.phase)

    def at(self, index: Tensor) -> Photometry:
        """The measurements that a mask or indices pick."""
        return Photometry(*(getattr(self, name)[index] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Drawn:
    """A generated object.

    Attributes:
        photometry: Its measurements.
        t_ref: Reference time, MJD.
        label: Class, -1 where unknown.
        redshift: NaN where the model has none.
        source: The training object whose Milky-Way dust and host it has, or None.
    """

    photometry: Photometry
    t_ref: float
    label: int
    redshift: float = float("nan")
    source: int | None = None


def usable(batch: LightCurveBatch) -> LightCurveBatch:
    """The measured, finite observations of a batch, float64, on the CPU, without empty objects.

    Raises:
        DataError: A band without observations, or a class with too few objects.
    """
    batch = batch.to("cpu").to(torch.float64)
    good = batch.time.isfinite() & batch.flux.isfinite() & batch.flux_err.isfinite()
    good &= (batch.flux_err > 0) & ~batch.upper_limit & batch.t_ref.isfinite()[:, None]
    batch = batch.where(good)
    batch = batch[batch.n_observations > 0]
    _check_classes(batch)
    for f, band in enumerate(batch.bands):
        if not bool((batch.mask & (batch.band == f)).any()):
            raise DataError(
                f"band {band} has no observation in the training set; choose bands that have"
            )
    return batch


def _check_classes(batch: LightCurveBatch) -> None:
    found = {int(k): int((batch.label == k).sum()) for k in batch.label.unique()} or {-1: 0}
    for label, count in found.items():
        if count < FEWEST:
            kind = f"class {batch.classes[label]}: " if label >= 0 else ""
            raise DataError(
                f"{kind}{count} objects with observations in the training set; at least {FEWEST} "
                "are needed to draw others like them"
            )


def observed(phase: Tensor, band: Tensor, flux: Tensor, flux_err: Tensor) -> Photometry:
    """Measurements whose true fluxes nobody knows; arguments as of ``Photometry``."""
    return Photometry(phase, band, flux, flux_err, torch.full_like(flux, torch.nan))


def photometry_of(batch: LightCurveBatch) -> list[Photometry]:
    """The objects of a batch one by one."""
    phase = batch.phase
    return [
        observed(phase[i, m], batch.band[i, m], batch.flux[i, m], batch.flux_err[i, m])
        for i, m in enumerate(batch.mask)
    ]


def together(
    drawn: Sequence[Drawn], training: LightCurveBatch, noiseless: bool
) -> LightCurveBatch:
    """A batch of generated objects in the bands and classes of the training set.

    Args:
        drawn: The objects.
        training: The training set.
        noiseless: Whether fluxes are the true ones.
    """
    ordered = [d.photometry.at(_order(d.photometry)) for d in drawn]
    column = {
        name: pad_sequence([getattr(p, name) for p in ordered], True, 1.0 * (name == "flux_err"))
        for name in Photometry.__dataclass_fields__
    }
    mask = pad_sequence([torch.ones(len(p), dtype=torch.bool) for p in ordered], True, False)
    t_ref = torch.tensor([d.t_ref for d in drawn], dtype=torch.float64)
    unknown = torch.full((len(drawn),), torch.nan, dtype=torch.float64)
    known = torch.tensor([d.source is not None for d in drawn])
    source = torch.tensor([d.source or 0 for d in drawn])
    return replace(
        training,
        time=torch.where(mask, column["phase"] + t_ref[:, None], 0.0),
        flux=column["true_flux" if noiseless else "flux"],
        flux_err=column["flux_err"],
        band=column["band"],
        mask=mask,
        upper_limit=torch.zeros_like(mask),
        redshift=torch.tensor([d.redshift for d in drawn], dtype=torch.float64),
        redshift_err=torch.where(known, training.redshift_err[source], unknown),
        mwebv=torch.where(known, training.mwebv[source], unknown),
        t_ref=t_ref,
        label=torch.tensor([d.label for d in drawn], dtype=torch.int64),
        host=torch.where(known[:, None], training.host[source], torch.nan),
        object_id=[f"gen_{i:06d}" for i in range(len(drawn))],
        noiseless=noiseless,
    )


def _order(photometry: Photometry) -> Tensor:
    return torch.from_numpy(np.lexsort((photometry.band.numpy(), photometry.phase.numpy())))
