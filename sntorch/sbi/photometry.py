"""Objects by their magnitudes in a fixed list of bands, some of them missing, and networks' views.

A network that was made for complete photometry sees magnitudes and errors as one vector
(``BandVector``); one that is native to masks sees a set of bands (``DeepSet`` with a
``BandEncoder``), in which an absent band is absent.

Letters in shapes: ``B`` objects, ``F`` bands.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Self

import torch
from torch import Tensor, nn

from sntorch.errors import DataError
from sntorch.sbi.embeddings import perceptron
from sntorch.sbi.taking import taken


@dataclass
class Photometry:
    """Magnitudes of objects.

    Attributes:
        magnitude: shape (B, F); not looked at where missing.
        error: Standard deviations, shape (B, F), positive where not missing.
        mask: Which are there, shape (B, F), bool.
    """

    magnitude: Tensor
    error: Tensor
    mask: Tensor

    def __len__(self) -> int:
        return len(self.magnitude)

    def to(self, device: torch.device | str) -> Self:
        """The same on a device."""
        return replace(self, **{f.name: getattr(self, f.name).to(device) for f in fields(self)})

    def take(self, index: Tensor | slice) -> Self:
        """The chosen objects."""
        return taken(self, index, *(f.name for f in fields(self)))

    def check(self, numbers: Tensor | None = None) -> None:
        """Refuse what nothing can be inferred from.

        Args:
            numbers: By which objects are named, shape (B,); their places here for None.

        Raises:
            DataError: An object without any band, or a magnitude or an error that is no number.
        """
        if not bool(self.mask.any(1).all()):
            b = int((~self.mask.any(1)).nonzero()[0, 0])
            raise DataError(
                f"object {_named(b, numbers)} has no band: there is nothing to infer from"
            )
        good = self.magnitude.isfinite() & (self.error > 0) & self.error.isfinite()
        bad = (self.mask & ~good).nonzero()
        if len(bad):
            b, f = bad[0].tolist()
            found = f"{float(self.magnitude[b, f]):g} and {float(self.error[b, f]):g}"
            raise DataError(
                f"object {_named(b, numbers)}, band {f}: a finite magnitude and a positive error "
                f"are accepted; found {found}"
            )


def _named(place: int, numbers: Tensor | None) -> int:
    return place if numbers is None else int(numbers[place])


class _Bands(nn.Module):
    """Scales of magnitudes and errors, band by band."""

    middle: Tensor
    spread: Tensor
    typical: Tensor

    def __init__(self, n_bands: int) -> None:
        super().__init__()
        self.n_bands = n_bands
        self.register_buffer("middle", torch.zeros(n_bands))
        self.register_buffer("spread", torch.ones(n_bands))
        self.register_buffer("typical", torch.ones(n_bands))

    def prepare(self, x: Photometry) -> None:
        """Take the scales from objects of the training set, all with some of every band."""
        for f in range(self.n_bands):
            magnitude, error = (part[x.mask[:, f], f] for part in (x.magnitude, x.error))
            self.middle[f], self.spread[f] = magnitude.mean(), magnitude.std()
            self.typical[f] = error.median()

    def _scaled(self, x: Photometry) -> tuple[Tensor, Tensor]:
        """Magnitudes and errors of order one, shape (B, F) each, float32."""
        magnitude = (x.magnitude.to(self.middle) - self.middle) / self.spread
        return magnitude, x.error.to(self.middle) / self.typical


class BandVector(_Bands):
    """Magnitudes and logarithms of errors side by side: no band may be missing.

    Args:
        n_bands: F.
        n_outputs: Numbers of the vector.
        width: Of hidden layers.
    """

    def __init__(self, n_bands: int, n_outputs: int = 32, width: int = 64) -> None:
        super().__init__(n_bands)
        self.n_outputs = n_outputs
        self.straight = nn.Linear(2 * n_bands, n_outputs)
        self.bent = perceptron(2 * n_bands, width, n_outputs)

    def forward(self, x: Photometry) -> Tensor:
        """Vectors, shape (B, ``n_outputs``).

        Raises:
            DataError: A missing band.
        """
        if not bool(x.mask.all()):
            b = int((~x.mask.all(1)).nonzero()[0, 0])
            raise DataError(
                f"object {b} lacks bands, and this network was trained without masks: "
                "SBIPlusPlus, or a DeepSet with a BandEncoder, takes it"
            )
        magnitude, error = self._scaled(x)
        both = torch.cat([magnitude, error.log()], -1)
        return self.straight(both) + self.bent(both)


class BandEncoder(_Bands):
    """What a set embedding sees of each band: which it is, its magnitude and how sure that is.

    Weighted sums of the magnitudes, and of the weights, are what a linear model with Gaussian
    noise would need.

    Args:
        n_bands: F.
    """

    def __init__(self, n_bands: int) -> None:
        super().__init__(n_bands)
        self.n_outputs = 5 * n_bands

    def forward(self, x: Photometry) -> Tensor:
        """Features, shape (B, F, 5 F)."""
        magnitude, error = self._scaled(x)
        magnitude, error = (
            torch.where(x.mask, magnitude, 0.0),
            torch.where(x.mask, error, 1.0),
        )
        weight = error**-2 / (1 + error**-2)
        columns = (torch.ones_like(error), magnitude, error.log(), weight, weight * magnitude)
        each = torch.stack(columns, -1)
        which = torch.eye(self.n_bands, device=each.device)
        return (which[:, :, None] * each[:, :, None, :]).flatten(2)
