"""What every generator of light curves offers, and the way to open a trained one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sntorch.data.batch import LightCurveBatch
from sntorch.errors import ConfigError

Cadence = str | LightCurveBatch
Seed = int | torch.Generator | None


class GenerativeModel(ABC):
    """A model of a population of light curves.

    A subclass names its ``bands`` and implements ``sample``. The contract (tested by
    ``sntorch.testing.GenerativeModelContract``): the same seed gives the same objects bit for bit
    on one kind of device, and object i does not depend on how many others are drawn. That holds
    where only a number is asked for; with lengths, conditions or epochs an object each, others
    are computed beside it, and the last bits may differ. What is not to be had, true fluxes or
    given epochs, is refused.
    """

    bands: tuple[str, ...]

    @abstractmethod
    def sample(
        self,
        n: int,
        lengths: Tensor | int | None = None,
        condition: Mapping[str, Any] | None = None,
        cadence: Cadence | None = None,
        seed: Seed = None,
        temperature: float = 1.0,
        noiseless: bool = False,
    ) -> LightCurveBatch:
        """Draw ``n`` light curves.

        Args:
            n: Number of objects.
            lengths: Observations per band: one number, shape (n,), (F,) or (n, F); default: drawn
                from the joint distribution of the training set.
            condition: Properties to condition on; accepted keys depend on the model.
            cadence: "generated" lets the model make the times, "resampled" takes those of
                training objects, a batch gives those of its objects in turn; default: what suits
                the model.
            seed: Seed of the draws, or a generator that gives one; default: a new one each time.
            temperature: Scale of the latent noise; below 1 gives more typical objects.
            noiseless: Whether fluxes are the true ones, of which those that the same seed gives
                without it are measurements; errors are those of the measurements at the true
                flux. Refused by models that make what is observed in one piece.
        """

    def sample_with_parents(self, n: int, **options: Any) -> tuple[LightCurveBatch, list[str]]:
        """Draw as ``sample`` does, and say which training object each one was made from.

        Args:
            n: Number of objects.
            **options: As of ``sample``.

        Returns:
            The light curves, and names of training objects, empty where the model has none.
        """
        return self.sample(n, **options), [""] * n


class Generator:
    """A trained generator, opened from a run folder or a checkpoint.

    Args:
        model: The generative model behind it.

    Example:
        >>> Generator.from_pretrained("runs/gan_ia").sample(1000, seed=7)  # doctest: +SKIP
    """

    def __init__(self, model: GenerativeModel) -> None:
        self.model = model

    @classmethod
    def from_pretrained(cls, path: str | Path, map_location: str = "cpu") -> Generator:
        """Open the checkpoint at ``path``, the newest model under the run folder ``path``, or the
        model that was saved into the folder ``path``.

        Raises:
            CheckpointError: No checkpoint there, a damaged one, or one of another kind of model.
        """
        from sntorch.generative.opening import open_checkpoint, open_pretrained
        from sntorch.pretrained import find_model

        found = find_model(path)
        opened = open_pretrained if found.is_dir() else open_checkpoint
        return cls(opened(found, map_location))

    def __repr__(self) -> str:
        return f"Generator({type(self.model).__name__}, bands={','.join(self.bands)})"

    @property
    def bands(self) -> tuple[str, ...]:
        """Bands of the generated light curves."""
        return self.model.bands

    def sample(self, n: int, **options: Any) -> LightCurveBatch:
        """Draw ``n`` light curves; options as in ``GenerativeModel.sample``."""
        return self.model.sample(n, **options)

    def save_pretrained(self, folder: str | Path, **options: Any) -> None:
        """Write the model into a folder that ``from_pretrained`` opens.

        Args:
            folder: New, empty, or the folder of another model.
            **options: As of the model's own ``save_pretrained``.

        Raises:
            ConfigError: A model that cannot be saved, or not yet.
            DataError: The folder holds something else, or cannot be written.
        """
        save = getattr(self.model, "save_pretrained", None)
        if save is None:
            raise ConfigError(f"{type(self.model).__name__}: has no save_pretrained of its own")
        save(folder, **options)


def blank_batch(
    n: int, bands: Sequence[str], zeropoint: float, t_ref: float, device: torch.device
) -> LightCurveBatch:
    """A batch of ``n`` objects without observations, named ``gen_000000`` and so on."""
    empty = torch.zeros(n, 0, dtype=torch.float64, device=device)
    unknown = torch.full((n,), torch.nan, dtype=torch.float64, device=device)
    return LightCurveBatch(
        time=empty,
        flux=empty.clone(),
        flux_err=empty.clone(),
        band=empty.long(),
        mask=empty.bool(),
        upper_limit=empty.bool(),
        redshift=unknown,
        redshift_err=unknown.clone(),
        mwebv=unknown.clone(),
        t_ref=torch.full_like(unknown, t_ref),
        label=torch.full((n,), -1, dtype=torch.int64, device=device),
        host=empty.clone(),
        object_id=[f"gen_{i:06d}" for i in range(n)],
        bands=tuple(bands),
        zeropoint=zeropoint,
    )


def refuse_noiseless(batch: LightCurveBatch) -> None:
    """Refuse training objects without noise, for models that learn observed fluxes.

    Raises:
        ConfigError: They are noiseless.
    """
    if batch.noiseless:
        raise ConfigError(
            "the training objects are noiseless; this model learns observed fluxes "
            "(data.light_curves.noiseless=false; a flow with measurement=true takes these)"
        )
