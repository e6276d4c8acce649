"""Light curves for a Lightning trainer: read once, split by object, served as batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from torch.utils.data import DataLoader

from sntorch.data.batch import LightCurveBatch
from sntorch.data.datasets import BatchDataset, EpochSampler, balanced_weights
from sntorch.data.filters import by_wavelength, canonical
from sntorch.data.light_curve import LightCurves
from sntorch.data.splits import PARTS, fold_split, given_split, read_split
from sntorch.data.synthetic import Sides
from sntorch.data.transforms import Transform
from sntorch.errors import ConfigError, DataError

Sample = LightCurves | LightCurveBatch
Loadable = Sample | Callable[[], Sample]


def split_by_object(
    label: np.ndarray, fractions: Sequence[float], seed: int, stratify: bool = True
) -> list[np.ndarray]:
    """Indices of the parts of a sample; every object is in exactly one part.

    Args:
        label: Class of each object, shape (B,); used when stratifying.
        fractions: Fraction of each part; they add up to one.
        seed: Seed of the shuffle.
        stratify: Whether each class is divided by these fractions on its own.

    Raises:
        ConfigError: Fractions that are negative or do not add up to one.
    """
    if min(fractions) < 0 or not np.isclose(sum(fractions), 1):
        raise ConfigError(f"split {tuple(fractions)}: fractions must be >= 0 and add up to 1")
    rng = np.random.default_rng(seed)
    groups = (
        [np.flatnonzero(label == c) for c in np.unique(label)]
        if stratify
        else [np.arange(len(label))]
    )
    parts: list[list[np.ndarray]] = [[] for _ in fractions]
    for group in groups:
        # The random offset keeps many small classes from all being rounded to the same part.
        edges = (np.cumsum(fractions)[:-1] * len(group) + rng.uniform()).astype(int)
        for part, members in zip(parts, np.split(rng.permutation(group), edges), strict=True):
            part.append(members)
    return [np.sort(np.concatenate(part)) for part in parts]


class LightCurveDataModule(L.LightningDataModule):
    """Training, validation and test objects as ``LightCurveBatch``es.

    Synthetic objects of a sample (``data.provenance``) are for training only, and the real ones
    are split as if there were no others. Those made from validation or test objects are left out.
    Where all objects are synthetic, they are split as real ones are.

    Args:
        light_curves: The sample, or a callable that reads or simulates it.
        validation: A separate validation sample; then none is split off.
        test: A separate test sample; then none is split off.
        batch_size: Objects a training batch.
        bands: Bands to keep, in this order; default: all that occur in the training sample, from
            blue to red.
        classes: Names of the classes; default: those that occur.
        host: Columns of the light curves' ``meta`` to keep in ``LightCurveBatch.host``.
        split: Fractions of training, validation and test objects; a part that is given as a
            sample of its own must have the fraction 0.
        seed: Seed of the order of training objects, and of the split unless that has its own.
        split_seed: Seed of the split.
        split_file: A split of one's own in place of fractions, see ``splits.read_split``: a
            path, or a mapping of its arguments.
        fold: Cross-validation in place of fractions: which of ``n_folds`` is the test part; the
            validation objects are the share ``split[1]`` of the others.
        n_folds: Number of folds.
        stratify: Whether every class is split by these fractions.
        balance: Whether to draw training objects so that the classes are equally common.
        transform: Applied once to each part after reading (cuts, dereddening).
        augment: Applied to every training batch when it is served.
        by_length: Whether training objects of similar length go into one batch, which saves
            padding.
        drop_last: Whether an incomplete last training batch is left out.
        num_workers: Worker processes; 0 serves from the main process, the fastest for data in
            memory.

    Raises:
        DataError: No objects left for training.
        ConfigError: A split that contradicts the samples given.
    """

    def __init__(
        self,
        light_curves: Loadable,
        validation: Loadable | None = None,
        test: Loadable | None = None,
        batch_size: int = 64,
        bands: Sequence[str] | None = None,
        classes: Sequence[str] | None = None,
        host: Sequence[str] = (),
        split: Sequence[float] = (0.8, 0.1, 0.1),
        seed: int = 0,
        split_seed: int | None = None,
        split_file: str | Path | Mapping[str, Any] | None = None,
        fold: int | None = None,
        n_folds: int = 5,
        stratify: bool = True,
        balance: bool = False,
        transform: Transform | None = None,
        augment: Transform | None = None,
        by_length: bool = False,
        drop_last: bool = False,
        num_workers: int = 0,
    ) -> None:
        super().__init__()
        self.samples = {"train": light_curves, "val": validation, "test": test}
        self.batch_size = batch_size
        self.bands = None if bands is None else tuple(canonical([b])[b] for b in bands)
        self.classes = None if classes is None else tuple(classes)
        self.host = tuple(host)
        self.split = tuple(split)
        self.seed = seed
        self.split_seed = seed if split_seed is None else split_seed
        self.split_file = split_file
        self.fold = fold
        self.n_folds = n_folds
        self.stratify = stratify
        self.balance = balance
        self.transform = transform
        self.augment = augment
        self.by_length = by_length
        self.drop_last = drop_last
        self.num_workers = num_workers
        self._parts: dict[str, LightCurveBatch] = {}
        self._check_split()

    def setup(self, stage: str | None = None) -> None:
        """Read or simulate the samples and split them; a second call does nothing."""
        if self._parts:
            return
        sample = self._load("train")
        parts = {
            name: sample.split[torch.from_numpy(piece)].trim()
            for name, piece in zip(PARTS, self._pieces(sample.split), strict=True)
        }
        separate = [name for name in ("val", "test") if self.samples[name] is not None]
        parts |= {name: self._load(name).held_out(name) for name in separate}
        parts["train"] = sample.training(parts, separate, self._given_parts)
        if not len(parts["train"]):
            n = len(sample.real) + len(sample.synthetic)
            raise DataError(f"no objects to train on: {n} read, split {self.split}")
        # Only now: a failed reading leaves nothing that a second call would take for complete.
        self._parts = parts

    def train_batch(self) -> LightCurveBatch:
        """All training objects."""
        return self._part("train")

    def val_batch(self) -> LightCurveBatch:
        """All validation objects."""
        return self._part("val")

    def test_batch(self) -> LightCurveBatch:
        """All test objects."""
        return self._part("test")

    def train_dataloader(self) -> DataLoader[LightCurveBatch]:
        """Shuffled (or class-balanced) training batches."""
        batch = self.train_batch()
        weights = balanced_weights(batch.label) if self.balance else None
        sampler = EpochSampler(
            len(batch),
            self.batch_size,
            self.seed,
            drop_last=self.drop_last,
            weights=weights,
            lengths=batch.n_observations.numpy() if self.by_length else None,
        )
        return self._loader(BatchDataset(batch, self.augment), sampler)

    def val_dataloader(self) -> DataLoader[LightCurveBatch]:
        """Validation batches in their own order; empty without validation objects."""
        return self._ordered(self.val_batch())

    def test_dataloader(self) -> DataLoader[LightCurveBatch]:
        """Test batches in their own order; empty without test objects."""
        return self._ordered(self.test_batch())

    def predict_dataloader(self) -> DataLoader[LightCurveBatch]:
        """The test batches."""
        return self.test_dataloader()

    def _pieces(self, whole: LightCurveBatch) -> list[np.ndarray]:
        """Indices of training, validation and test objects."""
        label = whole.label.numpy()
        if self.split_file is not None:
            where = str(self._split_options["path"])
            return given_split(whole.object_id, self._given_parts, where)
        if self.fold is not None:
            return fold_split(label, self.fold, self.n_folds, self.split[1], self.split_seed)
        return split_by_object(label, self.split, self.split_seed, self.stratify)

    @property
    def _split_options(self) -> dict[str, Any]:
        given = self.split_file
        return dict(given) if isinstance(given, Mapping) else {"path": given}

    @cached_property
    def _given_parts(self) -> dict[str, str]:
        """Part by name of the object, as the split file has it."""
        return read_split(**self._split_options) if self.split_file is not None else {}

    def names(self) -> dict[str, list[str]]:
        """Names of the objects of each part, for ``splits.write_split``."""
        return {part: self._part(part).object_id for part in ("train", "val", "test")}

    def _check_split(self) -> None:
        if len(self.split) != 3:
            raise ConfigError(
                f"split {self.split}: three fractions are accepted (train, validation, test)"
            )
        if self.split_file is not None and self.fold is not None:
            raise ConfigError("split_file and fold are two ways to split; give one of them")
        for name, fraction in zip(("val", "test"), self.split[1:], strict=True):
            if self.samples[name] is not None and fraction > 0:
                raise ConfigError(
                    f"split {self.split}: a separate {name} sample was given, "
                    "so its fraction must be 0"
                )

    def read(self, name: str = "train") -> Sample:
        """A sample as it is read or simulated, before bands, classes and the transform.

        Args:
            name: ``train`` for the one that parts are split off, ``val``, ``test``.

        Raises:
            DataError: Something else than light curves or a batch.
        """
        sample = self.samples[name]
        if callable(sample) and not isinstance(sample, LightCurves | LightCurveBatch):
            sample = sample()
        if not isinstance(sample, LightCurves | LightCurveBatch):
            raise DataError(
                f"{name} sample: light curves or a batch are accepted, "
                f"found {type(sample).__name__}"
            )
        return sample

    def _load(self, name: str) -> Sides:
        sample = self.read(name)
        origin = sample if isinstance(sample, LightCurves) else None
        if isinstance(sample, LightCurves):
            bands = self.bands or by_wavelength(set(canonical(sample.bands).values()))
            sample = sample.to_batch(bands=bands, classes=self.classes, host=self.host)
        for key in ("bands", "classes"):
            wanted = getattr(self, key)
            if wanted is None:
                setattr(self, key, getattr(sample, key))
            elif getattr(sample, key) != wanted:
                raise DataError(
                    f"{name} sample has the {key} {getattr(sample, key)}; {wanted} are asked for"
                )
        sides = Sides.of(sample, origin)
        return sides.map(self.transform) if self.transform else sides

    def _part(self, name: str) -> LightCurveBatch:
        self.setup()
        return self._parts[name]

    def _ordered(self, batch: LightCurveBatch) -> DataLoader[LightCurveBatch]:
        # Scores are those of all objects on every rank, not means over shares of them.
        sampler = EpochSampler(len(batch), self.batch_size, shuffle=False, shared=False)
        return self._loader(BatchDataset(batch), sampler)

    def _loader(self, dataset: BatchDataset, sampler: EpochSampler) -> DataLoader[LightCurveBatch]:
        # With batch_size None the sampler's lists reach the dataset whole, and nothing is
        # collated again.
        return DataLoader(
            dataset,
            sampler=sampler,
            batch_size=None,
            num_workers=self.num_workers,
            persistent_workers=self.num_workers > 0,
            pin_memory=torch.cuda.is_available(),
        )
