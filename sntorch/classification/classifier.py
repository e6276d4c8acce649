"""A trained classifier for use: light curves in, a table of class probabilities out.

Letters in shapes: ``S`` draws, ``B`` objects, ``C`` classes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from sntorch.classification.asked import BATCH, Asked
from sntorch.classification.early import until
from sntorch.classification.module import ClassifierModule
from sntorch.classification.preparation import Preparation
from sntorch.classification.probabilities import by_object, probability_table
from sntorch.classification.uncertainty import sampled_logits
from sntorch.data.batch import LightCurveBatch
from sntorch.data.light_curve import LightCurve
from sntorch.errors import CheckpointError, ConfigError

if TYPE_CHECKING:
    from pandas import DataFrame

# Classifiers that come with the package, a folder each.
MODELS = Path(__file__).with_name("models")
Given = str | Path | Iterable[LightCurve] | LightCurveBatch


class Classifier:
    """One trained network, or several as a deep ensemble, whose probabilities are averaged.

    Args:
        members: Trained modules for the same bands, in the same order, and classes.

    Raises:
        CheckpointError: No members, or members that differ.

    Example:
        >>> classifier = Classifier.from_pretrained("outputs/transformer")  # doctest: +SKIP
        >>> classifier.predict("survey/")  # doctest: +SKIP
    """

    def __init__(self, members: Sequence[ClassifierModule]) -> None:
        self.members = [member.eval() for member in members]
        if not self.members:
            raise CheckpointError("no classifier given")
        first = self.members[0]
        for i, member in enumerate(self.members[1:], start=2):
            for name in ("classes", "bands", "zeropoint", "host"):
                ours, theirs = getattr(first, name), getattr(member, name)
                if ours != theirs:
                    raise CheckpointError(
                        f"classifier {i} has the {name} {_listed(theirs)}, the first one "
                        f"{_listed(ours)}: members of an ensemble must agree"
                    )

    @classmethod
    def from_pretrained(
        cls, path: str | Path | Sequence[str | Path], map_location: str = "cpu"
    ) -> Classifier:
        """Open a checkpoint, the newest one under a run's folder, or a saved folder.

        Args:
            path: One of these, or several: a deep ensemble.
            map_location: Device.

        Raises:
            CheckpointError: Nothing there, a damaged file, one of another kind of model, or
                members that differ.
        """
        paths = [path] if isinstance(path, str | Path) else list(path)
        return cls([ClassifierModule.open(one, map_location) for one in paths])

    @classmethod
    def from_name(cls, name: str, map_location: str = "cpu") -> Classifier:
        """A packaged classifier, trained on simulated DES-like SNe; its card lies beside it.

        Args:
            name: ``des-causal-transformer`` (early and late) or ``des-supernnova``: SNe Ia against
                the rest in DES griz, photometry alone.
            map_location: Device.

        Raises:
            ConfigError: Another name.
        """
        names = sorted(path.name for path in MODELS.iterdir() if path.is_dir())
        if name not in names:
            raise ConfigError(
                f"no classifier {name!r}; packaged are {', '.join(names)}; "
                "Classifier.from_pretrained opens others"
            )
        return cls.from_pretrained(MODELS / name, map_location)

    @property
    def bands(self) -> tuple[str, ...]:
        """Bands that are used; observations in others are left out."""
        return self.members[0].bands

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the C classes."""
        return self.members[0].classes

    def predict(
        self,
        light_curves: Given,
        epochs: Sequence[float] | None = None,
        samples: int = 0,
        since: str = "trigger",
        sample_by: str | None = None,
        seed: int = 0,
        batch_size: int = BATCH,
    ) -> DataFrame:
        """Class probabilities.

        Args:
            light_curves: The objects: what ``sntorch.read`` returns, any light curves one after
                another, a batch, or a path to read.
            epochs: Days at which probabilities are given from the data up to then; default: from
                all data.
            samples: Draws of each network (MC dropout, or SWAG where it was collected); 0: none.
            since: What epochs count from, in the observer frame: ``trigger``, the first detection
                with S/N > 5 (before it, and without it, there is nothing to classify), or
                ``peak``, which the light curves have to know.
            sample_by: ``dropout`` or ``swag``; default: the latter where it was collected.
            seed: Of the draws.
            batch_size: Objects that go through a network together.

        Returns:
            A row an object, or a row an object and epoch: see ``probability_table``. Objects
            without an observation in the classifier's bands have NaN, and are counted in one
            warning.

        Raises:
            DataError: No light curves, none in the classifier's bands, no redshift where one is
                needed, or no time of peak where epochs count from it.
            ConfigError: Epochs or draws that are none.
        """
        from pandas import concat

        from sntorch.data.io import read

        objects = read(light_curves) if isinstance(light_curves, str | Path) else light_curves
        asked = Asked(epochs, samples, since, sample_by, seed, batch_size)
        return concat(list(self._tables(objects, asked)), ignore_index=True)

    def tables(
        self, light_curves: Iterable[LightCurve] | LightCurveBatch, *asked: Any, **named: Any
    ) -> Iterator[DataFrame]:
        """What ``predict`` returns, in pieces of ``batch_size`` objects, one after another.

        Args:
            light_curves: The objects.
            *asked, **named: As of ``predict``.
        """
        return self._tables(light_curves, Asked(*asked, **named))

    def _tables(
        self, light_curves: Iterable[LightCurve] | LightCurveBatch, asked: Asked
    ) -> Iterator[DataFrame]:
        how = asked.samples, asked.sample_by, asked.seed
        preparation = Preparation(self.members[0], asked.since)
        for batch in preparation.batches(light_curves, asked.batch_size):
            if asked.epochs is None:
                draws = self.probabilities(batch, *how)
                yield probability_table(batch, draws, self.classes)
                continue
            pieces = []
            for days in asked.epochs:
                cut = until(batch, float(days), asked.since)
                draws = self.probabilities(cut, *how)
                pieces.append(probability_table(cut, draws, self.classes, days))
            yield by_object(pieces)

    def predict_files(
        self,
        path: str | Path,
        out: str | Path,
        epochs: Sequence[float] | None = None,
        samples: int = 0,
        since: str = "trigger",
        sample_by: str | None = None,
        seed: int = 0,
        batch_size: int = BATCH,
        progress: Callable[[int, int | None], None] | None = None,
        **reading: Any,
    ) -> int:
        """Classify files of any size into a table, a batch in memory at a time.

        Args:
            path: File or folder of light curves; Parquet is streamed.
            out: ``.parquet`` or ``.csv``; it appears when it is complete.
            epochs, samples, since, sample_by, seed, batch_size: As of ``predict``.
            progress: Called with the number of objects done, and of all where that is known.
            **reading: Options of ``sntorch.read``: ``format``, ``survey``, ``bands``, ….

        Returns:
            Number of objects.

        Raises:
            DataError: As ``predict``, or files that cannot be read or written.
        """
        from sntorch.classification.streaming import write_tables
        from sntorch.data.io import Stream

        stream = Stream(path, **reading)
        asked = Asked(epochs, samples, since, sample_by, seed, batch_size)
        n_epochs = 1 if epochs is None else len(epochs)
        tables = self._tables(stream, asked)
        return write_tables(tables, Path(out), n_epochs, stream.total, progress)

    @torch.no_grad()
    def probabilities(
        self,
        batch: LightCurveBatch,
        samples: int = 0,
        sample_by: str | None = None,
        seed: int = 0,
    ) -> NDArray[np.float64]:
        """Draws of the probabilities of a batch in the classifier's bands, shape (S, B, C).

        S is the number of members, times ``samples`` where these are drawn.
        """
        found = []
        for k, member in enumerate(self.members):
            if samples:
                logits = sampled_logits(member, batch, samples, sample_by, seed + k)
            else:
                logits = member.logits(batch)[None]
            found.append(logits.double().softmax(-1))
        return torch.cat(found).cpu().numpy()


def _listed(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
