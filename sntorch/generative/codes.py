"""Properties of an object as a network is told them.

Every property may be unknown, in training too, where some are hidden at random (classifier-free
guidance, Ho & Salimans 2022, arXiv:2207.12598).

Letters in shapes: ``B`` objects, ``P`` numbers an object, ``M`` numbers of its code.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sntorch.data.batch import LightCurveBatch
from sntorch.errors import ConfigError
from sntorch.generative.properties import TYPE, numbers_of


class ConditionCodes(nn.Module):
    """The code of a class and of numbers such as the redshift.

    Args:
        names: Properties, see ``Conditions``.
        classes: Names of the classes.
        moments: Mean and scale by which numbers are encoded, shape (2, P).
    """

    moments: Tensor

    def __init__(self, names: Sequence[str], classes: Sequence[str], moments: Tensor) -> None:
        super().__init__()
        self.names, self.classes = tuple(names), tuple(classes)
        self.register_buffer("moments", moments)

    @property
    def has_type(self) -> bool:
        """Whether the class is a condition."""
        return TYPE in self.names

    @property
    def number_names(self) -> list[str]:
        """The properties that are numbers."""
        return [name for name in self.names if name != TYPE]

    @property
    def n_codes(self) -> int:
        """Numbers M of an encoded condition."""
        return (len(self.classes) + 1) * self.has_type + 2 * len(self.number_names)

    def read(self, batch: LightCurveBatch) -> tuple[Tensor, Tensor]:
        """Classes (B,), -1 where unknown or no condition, and numbers (B, P) of a batch.

        Raises:
            ConfigError: Objects of a class that is not among ``classes``.
        """
        return self._labels(batch), numbers_of(batch, self.number_names)

    def forward(self, label: Tensor, numbers: Tensor) -> Tensor:
        """Codes of shape (B, M): one of C + 1 for the class, then value and "unknown"."""
        codes = [self.scaled(numbers), (~numbers.isfinite()).double()]
        if self.has_type:
            place = torch.where(label < 0, len(self.classes), label)
            codes.append(nn.functional.one_hot(place, len(self.classes) + 1).double())
        return torch.cat(codes, dim=-1).float()

    def scaled(self, numbers: Tensor) -> Tensor:
        """Numbers (…, P) in units of their spread around their mean, 0 where unknown."""
        mean, scale = self.moments.to(numbers.device)
        return torch.where(numbers.isfinite(), (numbers - mean) / scale, 0.0)

    def unknown(self, n: int) -> Tensor:
        """Codes of ``n`` objects of which nothing is known, shape (n, M)."""
        label = torch.full((n,), -1, device=self.moments.device)
        return self(label, self.moments.new_full((n, self.moments.shape[1]), torch.nan))

    def hide(self, label: Tensor, numbers: Tensor, share: float) -> tuple[Tensor, Tensor]:
        """The same with each property unknown for a random ``share`` of the objects, and all
        of them for another such share.
        """
        n, device = len(label), label.device
        hidden = torch.rand(n, numbers.shape[1] + 1, device=device) < share
        hidden = hidden | (torch.rand(n, 1, device=device) < share)
        return (
            torch.where(hidden[:, 0], -1, label),
            torch.where(hidden[:, 1:], torch.nan, numbers),
        )

    def blurred(self, numbers: Tensor, width: float) -> Tensor:
        """Numbers (B, P) moved by normal amounts of ``width`` times their spread."""
        return numbers + width * self.moments[1] * torch.randn_like(numbers)

    def _labels(self, batch: LightCurveBatch) -> Tensor:
        """Places in ``classes`` of the classes of a batch, shape (B,)."""
        if not self.has_type:
            return torch.full_like(batch.label, -1)
        if tuple(batch.classes) == self.classes:
            return batch.label
        present = [batch.classes[k] for k in batch.label.unique().tolist() if k >= 0]
        strange = sorted(set(present) - set(self.classes))
        if strange:
            raise ConfigError(
                f"type {', '.join(strange)}: the model that this one starts from knows "
                f"{', '.join(self.classes)}"
            )
        places = {name: k for k, name in enumerate(self.classes)}
        table = [places.get(name, -1) for name in batch.classes] + [-1]
        return torch.tensor(table, device=batch.label.device)[batch.label]
