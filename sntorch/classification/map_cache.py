"""What is made of light curves that come again, at every epoch of a training say, is made once:
images, or features.
"""

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

    def get(
        self,
        batch: LightCurveBatch,
        make: Callable[[LightCurveBatch], Tensor],
        salt: bytes = b"",
        beside: Tensor | None = None,
    ) -> Tensor:
        """Images of a batch, shape (B, ...): those that are known, and new ones of the rest.

        Args:
            batch: The light curves.
            make: Makes the images of light curves.
            salt: What else the images depend on.
            beside: What they depend on besides the photometry, object by object, shape (B, ...).
        """
        if not self.size:
            return make(batch)
        keys = fingerprints(batch, salt, beside)
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


def fingerprints(
    batch: LightCurveBatch, salt: bytes = b"", beside: Tensor | None = None
) -> list[bytes]:
    """What tells the photometry of each object, and what is ``beside`` it, from any other."""
    phase = batch.phase
    parts = (phase, batch.flux, batch.flux_err, batch.band, batch.upper_limit)
    columns = torch.stack([part.to(phase) for part in parts], -1).cpu()
    more = [b""] * len(batch)
    if beside is not None:
        more = [row.tobytes() for row in beside.cpu().contiguous().numpy()]
    start = salt + ",".join(batch.bands).encode()
    return [
        hashlib.blake2b(start + each + rows[seen].numpy().tobytes(), digest_size=16).digest()
        for rows, seen, each in zip(columns, batch.mask.cpu(), more, strict=True)
    ]
