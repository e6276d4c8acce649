"""Images of light curves that come again, at every epoch of a training say, are made once."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from sntorch.data.batch import LightCurveBatch


class MapCache:
    """The last images that were made, by the photometry that they show.

    A light curve that was cut, shifted or made noisy is another one and gets an image of its own.
    Copies and pickles of a cache begin empty.

    Args:
        size: How many images to keep; 0 for none.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.maps: OrderedDict[bytes, Tensor] = OrderedDict()

    def get(self, batch: LightCurveBatch, make: Callable[[LightCurveBatch], Tensor]) -> Tensor:
        """Images of a batch, shape (B, ...): those that are known, and new ones of the rest.

        Args:
            batch: The light curves.
            make: Makes the images of light curves.
        """
        if not self.size:
            return make(batch)
        keys = fingerprints(batch)
        found = {key: self.maps[key] for key in keys if key in self.maps}
        missing = [i for i, key in enumerate(keys) if key not in found]
        if missing:
            new = make(batch[torch.tensor(missing)]).cpu()
            found.update((keys[i], each.clone()) for i, each in zip(missing, new, strict=True))
        self._keep(found)
        return torch.stack([found[key] for key in keys]).to(batch.device)

    def _keep(self, found: dict[bytes, Tensor]) -> None:
        for key, image in found.items():
            self.maps[key] = image
            self.maps.move_to_end(key)
        while len(self.maps) > self.size:
            self.maps.popitem(last=False)

    def __getstate__(self) -> dict[str, Any]:
        return {"size": self.size, "maps": OrderedDict()}


def fingerprints(batch: LightCurveBatch) -> list[bytes]:
    """What tells the photometry of each object from any other."""
    phase, keep = batch.phase, batch.mask & ~batch.upper_limit
    columns = torch.stack([phase, batch.flux, batch.flux_err, batch.band.to(phase)], -1).cpu()
    names = ",".join(batch.bands).encode()
    return [
        hashlib.blake2b(names + rows[seen].numpy().tobytes(), digest_size=16).digest()
        for rows, seen in zip(columns, keep.cpu(), strict=True)
    ]
