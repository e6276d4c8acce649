"""Sources: what a supernova of given parameters looks like at given times and in given bands."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sntorch.errors import ConfigError
from sntorch.physics.parameters import SEDParameters
from sntorch.physics.sed import SEDModel
from sntorch.physics.splines import second_derivative_matrix, spline_matrix
from sntorch.simulation.distributions import Distribution, Exponential, Normal
from sntorch.simulation.spectral import covered
from sntorch.simulation.streams import Streams

Parameters = Mapping[str, Tensor]

# Lower limit of BayeSN's R_V population (Thorp et al. 2021, section 3.2): Rayleigh scattering.
LOWEST_RV = 1.2


class Source(ABC):
    """A model of supernovae of one kind.

    A subclass sets the three attributes and implements ``flux`` and ``covers``; it is tested by
    ``sntorch.simulation.testing.SourceContract``.

    Attributes:
        parameters: Names that ``flux`` reads from its parameters, beside ``redshift``, ``distmod``
            and ``mwebv``.
        phase_range: First and last rest-frame phase at which the model is defined, days.
        defaults: Distributions of those parameters that a population need not give.
    """

    parameters: tuple[str, ...]
    phase_range: tuple[float, float]
    defaults: Mapping[str, Distribution] = MappingProxyType({})

    @abstractmethod
    def flux(
        self, phase: Tensor, band: Tensor, bands: Sequence[str], parameters: Parameters
    ) -> Tensor:
        """True fluxes of B objects.

        Args:
            phase: Rest-frame days from peak, shape (B, T).
            band: Index into ``bands``, shape (B, T).
            bands: Names of F bands.
            parameters: Tensors with B objects first: ``redshift`` and ``distmod`` (mag), ``mwebv``
                (mag), and what ``self.parameters`` names.

        Returns:
            FLUXCAL (zero point 27.5), shape (B, T).
        """

    @abstractmethod
    def covers(self, bands: Sequence[str], redshift: Tensor) -> Tensor:
        """Whether the model reaches over each band at each redshift (B,), bool, shape (B, F)."""

    def draw(self, streams: Streams) -> dict[str, Tensor]:
        """Parameters that are the model's own affair, B objects first; default: ``defaults``."""
        return {name: law.sample(streams, name) for name, law in self.defaults.items()}


class BayeSNSource(Source):
    """SNe Ia from a BayeSN model (Mandel et al. 2022; Thorp et al. 2021; Ward et al. 2023).

    Intrinsic shape theta, dust A_V and R_V, residual surface epsilon and grey offset delta_m
    follow the population that the model was trained on unless a population says otherwise.

    Args:
        model: Name of a packaged model ("t21", "m20", "w22"), a BAYESN.YAML file, or its content.
        epsilon: Whether to draw residual surfaces; without them all SNe lie on the theta sequence.
        wave_range: Rest-frame wavelengths to rely on, Å; default: those of the model. Within them
            a narrower range only keeps bands out. Beyond them the warp of the template goes on as
            the model's natural splines do, linearly, and the model itself stays as it was.
    """

    parameters = ("theta", "av", "rv", "delta_m", "epsilon")

    def __init__(
        self,
        model: str | Path | SEDParameters = "w22",
        epsilon: bool = True,
        wave_range: tuple[float, float] | None = None,
    ) -> None:
        trained = _parameters(model)
        knots = trained.wave_knots
        self.epsilon = epsilon
        self.wave_range = tuple(wave_range or (float(knots[0]), float(knots[-1])))
        self.extension = _extension(knots, self.wave_range)
        self.trained, self.sed = SEDModel(trained), SEDModel(_extended(trained, self.extension))
        self.phase_range = self.sed.phase_range
        self.defaults = {
            "theta": Normal(0.0, 1.0),
            "av": Exponential(trained.tau_a),
            "rv": Normal(trained.rv, trained.sigma_r, low=LOWEST_RV),
            "delta_m": Normal(0.0, trained.sigma0),
        }

    def draw(self, streams: Streams) -> dict[str, Tensor]:
        """theta, A_V, R_V, grey offset, shape (B,), and epsilon, shape (B, K_lambda, K_t)."""
        drawn = super().draw(streams)
        white = streams.normal("epsilon", len(self.trained.epsilon_cholesky))
        return {**drawn, "epsilon": self.trained.epsilon_surface(white) * float(self.epsilon)}

    def flux(
        self, phase: Tensor, band: Tensor, bands: Sequence[str], parameters: Parameters
    ) -> Tensor:
        """FLUXCAL, shape (B, T); see ``Source.flux``; epsilon is at the trained model's knots."""
        return self.sed.to(phase.device).flux_at(
            phase,
            band,
            bands,
            theta=parameters["theta"],
            av=parameters["av"],
            rv=parameters["rv"],
            epsilon=torch.from_numpy(self.extension).to(phase) @ parameters["epsilon"],
            redshift=parameters["redshift"],
            distmod=parameters["distmod"],
            mwebv=parameters["mwebv"],
            delta_m=parameters["delta_m"],
        )

    def covers(self, bands: Sequence[str], redshift: Tensor) -> Tensor:
        """Whether the model reaches over each band at each redshift, shape (B, F)."""
        return covered(bands, redshift, *self.wave_range)


def _parameters(model: str | Path | SEDParameters) -> SEDParameters:
    if isinstance(model, SEDParameters):
        return model
    if str(model).lower().endswith((".yaml", ".yml")):
        return SEDParameters.from_yaml(model)
    return SEDParameters.from_name(str(model))


def _extension(knots: NDArray[np.float64], wave_range: tuple[float, ...]) -> NDArray[np.float64]:
    """Values at the knots (K,) to values at the knots and beyond, shape (K + 0 … 2, K)."""
    first, last = wave_range
    if not first < last:
        raise ConfigError(f"wave_range is first < last, Å; found {first} and {last}")
    ends = torch.tensor([w for w in (first, last) if not knots[0] <= w <= knots[-1]])
    own = torch.from_numpy(knots)
    rows = spline_matrix(own, ends.to(own), second_derivative_matrix(own)).numpy()
    below = int(first < knots[0])
    return np.concatenate([rows[:below], np.eye(len(knots)), rows[below:]])


def _extended(trained: SEDParameters, extension: NDArray[np.float64]) -> SEDParameters:
    """The same surfaces on the knots of ``extension``.

    A natural cubic spline through its own linear continuation is the same spline.
    """
    knots = extension @ trained.wave_knots
    return replace(trained, wave_knots=knots, w0=extension @ trained.w0, w1=extension @ trained.w1)
