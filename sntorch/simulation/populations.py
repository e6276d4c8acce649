"""Populations: what kinds of supernovae there are, and how their parameters are distributed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from sntorch.errors import ConfigError
from sntorch.physics.cosmology import Cosmology
from sntorch.simulation.distributions import Constant, Distribution
from sntorch.simulation.sources import Source
from sntorch.simulation.streams import Streams, pick


class Population(ABC):
    """Parameters of the supernovae of one class; subclass it for correlations of your own.

    Attributes:
        type: Node of the class taxonomy ("Ia", "IIn", …).
        redshift_range: Least and largest redshift that ``draw`` may give.
    """

    type: str
    redshift_range: tuple[float, float]

    @abstractmethod
    def draw(self, streams: Streams, source: Source) -> dict[str, Tensor]:
        """Parameters of B objects: ``redshift``, ``distmod``, ``mwebv`` and those of ``source``.

        Args:
            streams: One stream an object.
            source: The model that will be given the parameters.

        Returns:
            Tensors with B objects first, float64.
        """


@dataclass(frozen=True)
class IndependentPopulation(Population):
    """Every parameter drawn on its own; what is not given here, the source draws by its defaults.

    Attributes:
        type: Node of the class taxonomy.
        redshift: Distribution of the true redshift.
        parameters: Distributions of the source's parameters, by name.
        mwebv: Distribution of the Milky Way's E(B-V), mag.
        cosmology: Gives distances.
    """

    type: str
    redshift: Distribution
    parameters: Mapping[str, Distribution] = field(default_factory=dict)
    mwebv: Distribution = field(default_factory=lambda: Constant(0.0))
    cosmology: Cosmology = field(default_factory=Cosmology)

    @property
    def redshift_range(self) -> tuple[float, float]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Redshifts between which all but two objects in 10⁹ lie."""
        return self.redshift.extent

    def draw(self, streams: Streams, source: Source) -> dict[str, Tensor]:
        """Parameters of B objects; see ``Population.draw``."""
        self._check(source)
        redshift = self.redshift.sample(streams, "redshift")
        drawn = source.draw(streams.within("source"))
        drawn.update({name: law.sample(streams, name) for name, law in self.parameters.items()})
        missing = [name for name in source.parameters if name not in drawn]
        if missing:
            raise ConfigError(f"population {self.type}: no distribution of {', '.join(missing)}")
        return {
            "redshift": redshift,
            "distmod": self.cosmology.distmod(redshift),
            "mwebv": self.mwebv.sample(streams, "mwebv"),
            **drawn,
        }

    def _check(self, source: Source) -> None:
        unknown = [name for name in self.parameters if name not in source.parameters]
        if unknown:
            raise ConfigError(
                f"population {self.type}: {type(source).__name__} has no parameter "
                f"{', '.join(unknown)}; it has {', '.join(source.parameters)}"
            )


class Mixture:
    """Several populations in given fractions.

    Args:
        populations: One a class, or mixtures of several; a list, or a mapping with any keys.
        fractions: Relative numbers of explosions before any selection; need not add up to 1. A
            list in the order of the populations, or a mapping with the same keys.

    Attributes:
        populations: One a class, mixtures taken apart.
        fractions: Their relative numbers, which add up to 1.
    """

    def __init__(
        self,
        populations: Sequence[Population | Mixture] | Mapping[str, Population | Mixture],
        fractions: Sequence[float] | Mapping[str, float],
    ) -> None:
        parts, shares = _aligned(populations, fractions)
        if len(parts) != len(shares) or not parts:
            raise ConfigError(
                f"a mixture needs one fraction a population; found {len(parts)} populations "
                f"and {len(shares)} fractions"
            )
        if min(shares) < 0 or sum(shares) <= 0:
            raise ConfigError(f"fractions are not negative and not all zero; found {shares}")
        self.populations: list[Population] = []
        self.fractions: list[float] = []
        for part, share in zip(parts, shares, strict=True):
            own = part.populations if isinstance(part, Mixture) else [part]
            self.populations += own
            within = part.fractions if isinstance(part, Mixture) else [1.0]
            self.fractions += [share / sum(shares) * f for f in within]

    @property
    def types(self) -> tuple[str, ...]:
        """Class of each population."""
        return tuple(p.type for p in self.populations)

    def choose(self, streams: Streams) -> Tensor:
        """Index of each object's population, shape (B,)."""
        return pick(streams.uniform("class"), self.fractions)


def core_collapse_mixture(
    classes: Mapping[str, Mapping[str, Any]],
    redshift: Distribution,
    av: Distribution,
    rv: Distribution,
    mwebv: Distribution,
    cosmology: Cosmology | None = None,
) -> Mixture:
    """Populations that differ only in their luminosity function.

    Args:
        classes: For each class its ``fraction`` and the distribution of its peak ``magnitude``.
        redshift: Distribution of the redshift.
        av: Distribution of the host's A_V, mag.
        rv: Distribution of the host's R_V.
        mwebv: Distribution of the Milky Way's E(B-V), mag.
        cosmology: Gives distances.
    """
    shared = {"av": av, "rv": rv}
    populations = [
        IndependentPopulation(
            name,
            redshift,
            {**shared, "magnitude": one["magnitude"]},
            mwebv,
            cosmology or Cosmology(),
        )
        for name, one in classes.items()
    ]
    return Mixture(populations, [float(one["fraction"]) for one in classes.values()])


def _aligned(populations: Any, fractions: Any) -> tuple[list[Population | Mixture], list[float]]:
    if isinstance(populations, Mapping) != isinstance(fractions, Mapping):
        raise ConfigError("a mixture's populations and fractions are both lists or both mappings")
    if not isinstance(populations, Mapping):
        return list(populations), [float(f) for f in fractions]
    if set(populations) != set(fractions):
        raise ConfigError(
            f"a mixture of {', '.join(populations)} has fractions of {', '.join(fractions)}; "
            "the two must agree"
        )
    return list(populations.values()), [float(fractions[key]) for key in populations]
