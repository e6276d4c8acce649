"""The rows view: step k holds the k-th observation of every band side by side.

The order of a row's columns is that of the talk by M. Grayling (Warwick, December 2023):
``t_g t_r t_i t_z g r i z σ_g σ_r σ_i σ_z``, that is times, values, errors, each in the order of
the bands.

Letters in shapes: ``B`` objects, ``L`` sequence steps, ``F`` bands.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from sntorch.data.batch import LightCurveBatch


@dataclass
class LightCurveRows:
    """Light curves as rows; band f of an object has its observations in steps 0 … N_f - 1.

    Attributes:
        time: shape (B, L, F), MJD; 0 where padded.
        flux: shape (B, L, F); 0 where padded.
        flux_err: shape (B, L, F); 1 where padded.
        mask: True where there is an observation, shape (B, L, F).
        upper_limit: True where the value is a limit, shape (B, L, F).
        source: The batch that holds what belongs to whole objects (redshift, label, names, bands).
    """

    time: Tensor
    flux: Tensor
    flux_err: Tensor
    mask: Tensor
    upper_limit: Tensor
    source: LightCurveBatch

    @classmethod
    def from_batch(cls, batch: LightCurveBatch) -> LightCurveRows:
        """Rows of a time-sorted batch."""
        n_bands = len(batch.bands)
        index = torch.arange(n_bands, device=batch.device)
        member = (batch.band[..., None] == index) & batch.mask[..., None]
        step = member.cumsum(1) - 1
        steps = int(member.sum(1).max()) if batch.mask.any() else 0
        b, t, f = member.nonzero(as_tuple=True)
        k = step[b, t, f]

        def scatter(values: Tensor, fill: float) -> Tensor:
            out = torch.full(
                (len(batch), steps, n_bands), fill, dtype=values.dtype, device=values.device
            )
            out[b, k, f] = values[b, t]
            return out

        return cls(
            time=scatter(batch.time, 0),
            flux=scatter(batch.flux, 0),
            flux_err=scatter(batch.flux_err, 1),
            mask=scatter(batch.mask, 0),
            upper_limit=scatter(batch.upper_limit, 0),
            source=batch,
        )

    @property
    def lengths(self) -> Tensor:
        """Number of observations of each object and band, shape (B, F)."""
        return self.mask.sum(1)

    def matrix(self) -> Tensor:
        """Times, fluxes and errors in the talk's column order, shape (B, L, 3F)."""
        return torch.cat([self.time, self.flux, self.flux_err], dim=-1)

    def to_batch(self) -> LightCurveBatch:
        """The tokens view of the same observations, sorted by time, then band."""
        n, steps, n_bands = self.mask.shape
        band = torch.arange(n_bands, device=self.mask.device).expand(n, steps, n_bands)

        def flat(values: Tensor) -> Tensor:
            # Band-major, so that a stable sort by time leaves equal times in the order of the
            # bands.
            return values.transpose(1, 2).reshape(n, n_bands * steps)

        mask = flat(self.mask)
        order = torch.where(mask, flat(self.time), torch.inf).argsort(dim=1, stable=True)
        width = int(mask.sum(1).max()) if mask.any() else 0
        order = order[:, :width]

        def gather(values: Tensor) -> Tensor:
            return flat(values).gather(1, order)

        return replace(
            self.source,
            time=gather(self.time),
            flux=gather(self.flux),
            flux_err=gather(self.flux_err),
            band=torch.where(gather(self.mask), gather(band), 0),
            mask=gather(self.mask),
            upper_limit=gather(self.upper_limit),
        )
