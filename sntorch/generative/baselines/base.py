"""What the baselines share: the training set, what one object is drawn from, and persistence."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from sntorch.data.batch import LightCurveBatch
from sntorch.errors import ConfigError, DataError
from sntorch.generative.abilities import GENERATED, GIVEN, NOISELESS, Abilities
from sntorch.generative.base import Cadence, GenerativeModel, Seed, refuse_noiseless
from sntorch.generative.baselines.errors import fit_error_law
from sntorch.generative.baselines.training_set import (
    Drawn,
    Photometry,
    photometry_of,
    together,
    usable,
)
from sntorch.generative.baselines.turn import Turn
from sntorch.generative.lengths import asked_counts
from sntorch.generative.noise import mix
from sntorch.generative.sampling import check_options, seed_of
from sntorch.pretrained import (
    batch_tensors,
    load_pretrained,
    named,
    rebuilding,
    save_pretrained,
    training_sha256,
)

ATTEMPTS = 200


class Baseline(Abilities, GenerativeModel):
    """A generator that holds its training set; a subclass says how one object is drawn.

    A subclass is a dataclass (``@dataclass(eq=False)``) whose fields are its settings, for those
    are what is kept with the fitted model. It declares what it can: ``follows_cadence = True`` if
    it observes at the epochs of ``turn.given``, ``knows_true_flux = True`` if its photometry has
    true fluxes.

    Attributes:
        training: The usable observations of the training objects.
        photometry: The same, object by object.
        counts: Their observations in each band, shape (N, F).
        fitted: What was learned from them, by name.
    """

    training: LightCurveBatch
    photometry: list[Photometry]
    counts: Tensor
    fitted: dict[str, Tensor]
    detection_snr: ClassVar[float | None] = None
    REFUSALS: ClassVar[dict[str, str]] = Abilities.REFUSALS | {
        NOISELESS: "noiseless: {name} repeats observed fluxes with their noise; gaussian_process "
        "and parametric know true ones",
        GENERATED: "cadence generated: {name} takes the epochs of training objects; none or "
        "resampled is accepted",
        GIVEN: "{name} keeps the epochs of its training objects; cadence: none or resampled is "
        "accepted",
    }

    def fit(self, batch: LightCurveBatch) -> Self:
        """Learn from training objects.

        Args:
            batch: Light curves; upper limits and values that are not finite are left out.

        Raises:
            ConfigError: Training objects without noise, or a class that is no dataclass.
            DataError: A class with fewer than 5 objects, or a band without observations.
        """
        self._check_dataclass()
        refuse_noiseless(batch)
        self._hold(usable(batch))
        known = self.training
        law = fit_error_law(
            known.flux[known.mask],
            known.flux_err[known.mask],
            known.band[known.mask],
            len(self.bands),
        )
        self.fitted = {"error_law": law}
        # Products round differently in another order of memory, which a file does not keep.
        self.fitted |= {name: value.contiguous() for name, value in self._fit().items()}
        return self

    def _hold(self, training: LightCurveBatch) -> None:
        self.training, self.bands = training, training.bands
        self.photometry = photometry_of(training)
        self.counts = torch.stack(
            [p.band.bincount(minlength=len(self.bands)) for p in self.photometry]
        )

    def _fit(self) -> dict[str, Tensor]:
        """What the model learns from ``training``, by name."""
        return {}

    @abstractmethod
    def _draw(self, turn: Turn) -> Drawn:
        """One object; noise and choices come from ``turn`` alone."""

    def _drawn_from(self, i: int, photometry: Photometry, redshift: float | None = None) -> Drawn:
        """A generated object with the header of training object ``i``."""
        known = self.training
        z = float(known.redshift[i]) if redshift is None else redshift
        return Drawn(photometry, float(known.t_ref[i]), int(known.label[i]), z, i)

    # ---------------------------------------------------------------- sampling

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
        """Draw ``n`` light curves; see ``GenerativeModel.sample``.

        Lengths that are asked for are kept: no observation is then dropped or too faint.

        Args:
            n: Number of objects.
            lengths: Observations per band.
            condition: ``{"type": name of a class}``.
            cadence: Default and "resampled": epochs of training objects.
            seed: Seed of the draws.
            temperature: Scale of what is random about a supernova; its noise stays.
            noiseless: Whether fluxes are the true ones; a detection is one of the observed ones.

        Raises:
            ConfigError: A condition, lengths, a cadence or true fluxes that cannot be had.
            DataError: Nothing of an object is ever brighter than ``detection_snr``.
        """
        self.check_abilities(cadence, noiseless)
        drawn = self._drawn(n, lengths, condition, cadence, seed, temperature)
        return together(drawn, self.training, noiseless)

    def sample_with_parents(
        self, n: int, noiseless: bool = False, **options: Any
    ) -> tuple[LightCurveBatch, list[str]]:
        """Draw as ``sample`` does, and say which training object each one was made from."""
        self.check_abilities(options.get("cadence"), noiseless)
        drawn = self._drawn(n, **options)
        names = ["" if d.source is None else self.training.object_id[d.source] for d in drawn]
        return together(drawn, self.training, noiseless), names

    def _drawn(
        self,
        n: int,
        lengths: Tensor | int | None = None,
        condition: Mapping[str, Any] | None = None,
        cadence: Cadence | None = None,
        seed: Seed = None,
        temperature: float = 1.0,
    ) -> list[Drawn]:
        """Objects one by one; arguments as of ``sample``."""
        if not hasattr(self, "training"):
            raise ConfigError("this generator has not been fitted: call fit or load a folder")
        check_options(n, lengths, cadence)
        members = self._members(condition or {})
        counts = None if lengths is None else asked_counts(lengths, n, len(self.bands))
        given = self._given(cadence) if isinstance(cadence, LightCurveBatch) else None
        word = seed_of(seed)

        def turns(i: int) -> Iterator[Turn]:
            for attempt in range(ATTEMPTS):
                yield Turn(
                    seed=mix(word, attempt),
                    index=i,
                    members=members,
                    generator=torch.Generator().manual_seed(mix(word, attempt, i)),
                    counts=None if counts is None else counts[i],
                    given=None if given is None else given[i % len(given)],
                    temperature=temperature,
                )

        return [self._observed(turns(i), i) for i in range(n)]

    def _observed(self, turns: Iterator[Turn], i: int) -> Drawn:
        """The first draw of which the survey sees something."""
        for turn in turns:
            drawn = self._draw(turn)
            if self.detection_snr is not None and turn.counts is None:
                seen = drawn.photometry
                bright = seen.flux >= self.detection_snr * seen.flux_err
                drawn = replace(drawn, photometry=seen.at(bright))
            if len(drawn.photometry):
                return drawn
        raise DataError(
            f"object {i}: {ATTEMPTS} draws without an observation that the survey would keep; "
            f"lower detection_snr, now {self.detection_snr}, or the shifts"
        )

    def _members(self, condition: Mapping[str, Any]) -> list[int]:
        """Training objects of the class that is asked for."""
        if set(condition) - {"type"}:
            raise ConfigError(f"condition {', '.join(sorted(condition))}: only type is accepted")
        if "type" not in condition:
            return list(range(len(self.training)))
        names = self.training.classes
        label = names.index(condition["type"]) if condition["type"] in names else len(names)
        chosen = (self.training.label == label).nonzero()[:, 0].tolist()
        if not chosen:
            labels = self.training.label.unique().tolist()
            known = ", ".join(names[k] for k in labels if k >= 0) or "no types"
            raise ConfigError(f"type {condition['type']}: the training set has {known}")
        return chosen

    def _given(self, cadence: LightCurveBatch) -> list[tuple[Photometry, float]]:
        """Epochs of the light curves whose cadence a user wants."""
        if cadence.bands != self.bands:
            raise ConfigError(
                f"cadence in bands {', '.join(cadence.bands)}: this generator has "
                f"{', '.join(self.bands)}"
            )
        seen = cadence.to("cpu").to(torch.float64)
        seen = seen.where(seen.flux_err.isfinite() & (seen.flux_err > 0) & seen.flux.isfinite())
        seen = seen[(seen.n_observations > 0) & seen.t_ref.isfinite()]
        if not len(seen):
            raise ConfigError("the cadence has no observation")
        return list(zip(photometry_of(seen), seen.t_ref.tolist(), strict=True))

    # ------------------------------------------------------------- persistence

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the fitted model, its training set with it, into a folder.

        Raises:
            DataError: The folder holds something else, or cannot be written.
        """
        known = self.training
        config = {
            **named(type(self)),
            "arguments": self.arguments,
            "bands": list(known.bands),
            "classes": list(known.classes),
            "zeropoint": known.zeropoint,
            "object_id": known.object_id,
            "training_sha256": training_sha256(known),
        }
        tensors = {f"training.{k}": v for k, v in batch_tensors(known).items()}
        tensors |= {f"fitted.{k}": v for k, v in self.fitted.items()}
        save_pretrained(folder, config, tensors)

    @property
    def arguments(self) -> dict[str, Any]:
        """The settings that the constructor was given.

        Raises:
            ConfigError: The class is no dataclass, which says what they are.
        """
        self._check_dataclass()
        return {f.name: getattr(self, f.name) for f in fields(self) if f.init}  # pyright: ignore[reportArgumentType]

    def _check_dataclass(self) -> None:
        """Refuse a class whose settings could not be kept; its decorator comes after its base."""
        if not is_dataclass(self):
            raise ConfigError(
                f"{type(self).__name__}: a Baseline is a dataclass, whose fields are its "
                "settings; write @dataclass(eq=False) above the class"
            )

    @classmethod
    def from_pretrained(cls, folder: str | Path, map_location: str = "cpu") -> Self:
        """The model in a folder, ready to sample.

        Args:
            folder: Of the model.
            map_location: Changes nothing, for baselines draw on the CPU; networks take it.

        Raises:
            CheckpointError: A missing or damaged file, or the folder of another model.
        """
        config, tensors = load_pretrained(folder, of=cls)
        with rebuilding(folder):
            model = cls(**config["arguments"])
            columns = {f.name: tensors.get(f"training.{f.name}") for f in fields(LightCurveBatch)}
            model._hold(
                LightCurveBatch(
                    **{k: v for k, v in columns.items() if v is not None},  # pyright: ignore[reportArgumentType]
                    object_id=config["object_id"],
                    bands=tuple(config["bands"]),
                    classes=tuple(config["classes"]),
                    zeropoint=config["zeropoint"],
                )
            )
        prefix = "fitted."
        model.fitted = {
            k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)
        }
        return model
