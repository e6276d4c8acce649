"""Properties of objects by the names that conditions give them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sntorch.data.batch import LightCurveBatch
from sntorch.errors import ConfigError

TYPE = "type"
COLUMNS = ("redshift", "redshift_err", "mwebv")
HOST = "host_"


def column(batch: LightCurveBatch, name: str) -> Tensor:
    """A number of every object of a batch by its name, shape (B,).

    Raises:
        ConfigError: No such column.
    """
    if name in COLUMNS:
        return getattr(batch, name)
    place = name.removeprefix(HOST)
    if name.startswith(HOST) and place.isdigit() and int(place) < batch.host.shape[1]:
        return batch.host[:, int(place)]
    hosts = [f"{HOST}{i}" for i in range(batch.host.shape[1])]
    accepted = ", ".join((TYPE, *COLUMNS, *hosts))
    raise ConfigError(f"condition {name!r}: {accepted} are accepted for this data")


def numbers_of(batch: LightCurveBatch, names: Sequence[str]) -> Tensor:
    """The named numbers of every object of a batch, shape (B, P), double precision.

    Raises:
        ConfigError: No such column.
    """
    columns = [column(batch, name) for name in names]
    none = batch.time.new_zeros(len(batch), 0, dtype=torch.float64)
    return torch.stack(columns, dim=-1).double() if columns else none
