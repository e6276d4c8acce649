"""What is known of an object besides its photometry: redshift, host galaxy, extinction.

Which of it a classifier may use is a choice that every score has to state (none, the host's
photometric redshift, a spectroscopic one). Values are standardised by the training objects; what
is unknown is said to be unknown by a flag, and is hidden from some training objects so that a
classifier copes without. Parametric features of the light curve itself may stand beside it, see
``FeatureContext``.

Networks compare brightnesses on a logarithmic scale, and what a redshift says of an object is
mostly how luminous it is: by its distance modulus, which a network that is told z alone has to
learn. ``mu_redshift`` and ``mu_host_0``, … are the distance moduli at these redshifts, unknown at
0 and below (objects of our own galaxy).

Letters in shapes: ``B`` objects, ``M`` numbers of context.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sntorch.classification.feature_context import FeatureContext
from sntorch.data.batch import LightCurveBatch
from sntorch.errors import ConfigError, DataError
from sntorch.physics.cosmology import Cosmology

NAMED = ("redshift", "redshift_err", "mwebv")
HOST, DISTANCE = "host_", "mu_"


class Context(nn.Module):
    """Encodes columns of a batch as numbers.

    Args:
        columns: Of ``redshift``, ``redshift_err``, ``mwebv``, and ``host_0``, ``host_1``, … for
            the columns that the data module was told to keep (``data.host``); with ``mu_`` before
            ``redshift`` or a host column, the distance modulus there, mag (``Cosmology()``).
        required: Whether an object with none of the columns is refused.
        features: What computes features of the light curves, if anything.

    Raises:
        ConfigError: Another name.
    """

    mean: Tensor
    spread: Tensor

    def __init__(
        self,
        columns: Sequence[str] = (),
        required: bool = False,
        features: FeatureContext | None = None,
    ) -> None:
        super().__init__()
        for name in columns:
            if not _is_column(name):
                raise ConfigError(
                    f"context column {name!r}: accepted are {', '.join(NAMED)}, {HOST}0, "
                    f"{HOST}1, …, {DISTANCE}redshift, {DISTANCE}{HOST}0, …"
                )
        self.columns = tuple(columns)
        self.required = required
        self.features = features
        self.register_buffer("mean", torch.zeros(len(self.columns)))
        self.register_buffer("spread", torch.ones(len(self.columns)))

    @property
    def n_outputs(self) -> int:
        """Numbers M."""
        return 2 * len(self.columns) + (0 if self.features is None else self.features.n_outputs)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the features, if any."""
        return () if self.features is None else self.features.names

    def build(self, bands: Sequence[str], names: Sequence[str]) -> None:
        """Make room for what is known of the features of these names, in these bands."""
        if self.features is not None:
            self.features.build(bands, names)

    def fit(self, batch: LightCurveBatch) -> None:
        """Mean and spread of what training objects have.

        Raises:
            DataError: A column that no training object has, or features that they do not have.
        """
        if self.features is not None:
            self.features.fit(batch)
        values = self._values(batch)
        for i, name in enumerate(self.columns):
            known = values[:, i][values[:, i].isfinite()]
            if not len(known):
                raise DataError(
                    f"context column {name}: no training object has a value; leave it out of "
                    "model.context, or keep the host's columns with data.host"
                )
            self.mean[i] = known.mean()
            self.spread[i] = known.std(correction=0).clamp(min=1e-6)

    def forward(self, batch: LightCurveBatch, hidden: Tensor | None = None) -> Tensor:
        """Standardised values and flags of what is known, shape (B, M).

        Args:
            batch: The light curves.
            hidden: True for objects of which nothing is to be told, shape (B,).

        Raises:
            DataError: An object with none of the columns, where they are required.
        """
        values = self._values(batch)
        known = values.isfinite()
        if self.required and self.columns and hidden is None:
            self._require(batch, known)
        if hidden is not None:
            known = known & ~hidden[:, None]
        scaled = (values - self.mean) / self.spread
        found = [torch.where(known, scaled, 0.0), known.to(scaled.dtype)]
        if self.features is not None:
            told = self.features(batch)
            # Features may hold the redshift, so they are hidden with it.
            found.append(told if hidden is None else torch.where(hidden[:, None], 0.0, told))
        return torch.cat(found, dim=1)

    def extra_repr(self) -> str:
        """Show the columns."""
        return ", ".join(self.columns) or "none"

    def _values(self, batch: LightCurveBatch) -> Tensor:
        found = [column(batch, name).float() for name in self.columns]
        empty = torch.zeros(len(batch), 0, device=batch.device)
        return torch.stack(found, dim=1) if found else empty

    def _require(self, batch: LightCurveBatch, known: Tensor) -> None:
        lacking = (~known.any(1)).nonzero()[:, 0].tolist()
        if lacking:
            others = f" and {len(lacking) - 1} others" if len(lacking) > 1 else ""
            raise DataError(
                f"{batch.object_id[lacking[0]]}{others}: none of {', '.join(self.columns)} is "
                "known, which this classifier needs; give them, or train with "
                "model.context_required=false"
            )


def column(batch: LightCurveBatch, name: str) -> Tensor:
    """Values of a column, shape (B,), NaN where unknown.

    Args:
        batch: The light curves.
        name: One of ``Context``'s.

    Raises:
        DataError: A host column that the light curves do not have.
    """
    if name.startswith(DISTANCE):
        return _distance_modulus(column(batch, source(name)))
    if name in NAMED:
        return getattr(batch, name)
    number = int(name.removeprefix(HOST))
    if number >= batch.host.shape[1]:
        raise DataError(
            f"context column {name}: the light curves have {batch.host.shape[1]} host "
            "columns; name them in data.host"
        )
    return batch.host[:, number]


def source(name: str) -> str:
    """The column that a column of the context is made of: ``redshift`` of ``mu_redshift``."""
    return name.removeprefix(DISTANCE)


def told_name(name: str, host: Sequence[str]) -> str:
    """A column of the context in words, the host's by its name in the files, if it has one.

    Args:
        name: Of the context.
        host: Names of the host's columns, in their order.
    """
    origin = source(name)
    place = origin.removeprefix(HOST)
    if place.isdigit():
        named = host[int(place)] if int(place) < len(host) else ""
        origin = f"{origin} ({named or 'unnamed'})"
    return origin if source(name) == name else f"distance modulus at {origin}"


def _is_column(name: str) -> bool:
    origin = source(name)
    if origin.startswith(HOST):
        return origin.removeprefix(HOST).isdigit()
    return origin == "redshift" if origin != name else name in NAMED


def _distance_modulus(redshift: Tensor) -> Tensor:
    """Shape (B,), NaN at redshifts that are not known or not positive."""
    outside = redshift > 0
    modulus = Cosmology().distmod(torch.where(outside, redshift, 1.0).double())
    return torch.where(outside, modulus.to(redshift), torch.nan)
