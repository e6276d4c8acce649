"""What a network needs to learn the posterior of a Tripp sample: simulations and an encoder."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from sntorch.errors import ConfigError, SntorchWarning
from sntorch.physics.cosmology import Cosmology
from sntorch.sbi.encoders import SCATTER, n_products, products
from sntorch.sbi.prior import BoxPrior
from sntorch.sbi.summary_simulator import draw_prior
from sntorch.sbi.tripp import PRIOR, TrippSample, simulate_tripp
from sntorch.sbi.tripp_cuts import FitCuts
from sntorch.sbi.tripp_files import read_tripp
from sntorch.sbi.tripp_limit import ProbitLimit
from sntorch.sbi.tripp_selection import TrippSelection

# M0, α and β of the residuals that are shown; typical stretch and colour.
FIDUCIAL = (-19.3, 0.14, 3.0)
TYPICAL = (1.0, 0.1)
# Errors are shown relative to these: of m, x1 and c.
ERRORS = (0.15, 0.3, 0.04)


@dataclass(frozen=True, eq=False)
class TrippSimulator:
    """Pairs of parameters and samples like a given one, at its redshifts and errors.

    Attributes:
        sample: Redshifts, distances and covariances.
        selection: What is kept; None keeps everything.
        prior: Of the parameters.
        seed: Any integer.
    """

    sample: TrippSample
    selection: TrippSelection | None
    prior: BoxPrior = PRIOR
    seed: int = 0

    @classmethod
    def from_file(
        cls,
        path: str | Path,
        selection: TrippSelection | None,
        prior: BoxPrior = PRIOR,
        seed: int = 0,
        h0: float = 70.0,
        om0: float = 0.3,
        quality: bool = False,
    ) -> Self:
        """Of the supernovae of a FITRES table; see ``read_tripp`` and ``with_quality``."""
        sample = read_tripp(path, Cosmology(h0=h0, om0=om0), quality)
        return cls(sample, with_quality(selection) if quality else selection, prior, seed)

    def __call__(self, first: int, count: int) -> tuple[Tensor, TrippSample]:
        """Parameters, shape (B, 8), and samples ``first`` … ``first + count - 1``."""
        theta = draw_prior(self.prior, count, self.seed, first)
        return theta, simulate_tripp(self.sample, theta, self.selection, self.seed, first)

    def within(self, prior: BoxPrior) -> Self:
        """The same with another prior."""
        return replace(self, prior=prior)

    def facts(self) -> dict[str, Any]:
        """What is kept.

        Raises:
            ConfigError: A selection that does not say what it is.
        """
        if self.selection is None:
            return {"selection": None}
        if not is_dataclass(self.selection):
            raise ConfigError(
                f"selection: a frozen dataclass is accepted; found {type(self.selection).__name__}"
            )
        return {"selection": asdict(self.selection)}


def with_quality(selection: TrippSelection | None) -> FitCuts:
    """A magnitude limit, or none, and |x1| < 3 and |c| < 0.3 of the fits.

    Raises:
        ConfigError: Another selection: it has to say itself which fits it keeps.
    """
    if selection is not None and not isinstance(selection, ProbitLimit):
        raise ConfigError(
            f"quality=true: with a magnitude limit or selection=null it is accepted; {selection} "
            "has to say itself which fits are kept"
        )
    return FitCuts(selection)


def check_selection(
    path: str, trained_on: Mapping[str, Any] | None, simulator: TrippSimulator
) -> None:
    """Refuse a network that learnt another selection than the one stated here.

    Args:
        path: Of the network.
        trained_on: What it says of its simulations; None where it says nothing, which is warned
            of.
        simulator: Of the selection stated here.

    Raises:
        ConfigError: It learnt another one.
    """
    if trained_on is None or "selection" not in trained_on:
        warnings.warn(
            f"{path}: does not say which selection it learnt; its posterior is right only for "
            "that one",
            SntorchWarning,
            stacklevel=2,
        )
        return
    learnt = trained_on["selection"]
    if learnt != simulator.facts()["selection"]:
        here = simulator.selection or "everything"
        raise ConfigError(
            f"{path}: learnt that {_in_words(learnt)} was kept; here it is {here}: a network of "
            "the same selection is accepted (selection.limit=…, or train anew)"
        )


def _in_words(learnt: Mapping[str, Any] | None) -> str:
    """A selection in words; settings that another version had are told as they are."""
    if learnt is None:
        return "everything"
    settings = dict(learnt)
    limit = settings.get("limit")
    if isinstance(limit, Mapping):
        settings["limit"] = ProbitLimit(**limit)
    kind = FitCuts if {"x1", "c"} <= set(settings) else ProbitLimit
    names = [f.name for f in fields(kind)]
    if any(name not in settings for name in names):
        return str(settings)
    more = (f", {name}={value}" for name, value in settings.items() if name not in names)
    return f"{kind(**{name: settings[name] for name in names})}{''.join(more)}"


class TrippEncoder(nn.Module):
    """Hubble residual, stretch, colour, their errors, and products of any two of them."""

    sample: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.n_outputs = n_products(7)
        self.register_buffer("sample", torch.zeros(3, dtype=torch.float64))

    def prepare(self, x: TrippSample) -> None:
        """Keep which sample this is for: its redshifts and errors are no random numbers."""
        self.sample.copy_(_fingerprint(x))

    def knows(self, x: TrippSample) -> bool:
        """Whether a sample has the redshifts and errors of the one this is for."""
        return bool(torch.allclose(self.sample.double(), _fingerprint(x).to(self.sample), 1e-5))

    def forward(self, x: TrippSample) -> Tensor:
        """Features of order one, shape (B, N, F), float32."""
        return products(shown(x.redshift, x.mu, x.data, x.covariance).float())


def shown(redshift: Tensor, mu: Tensor, data: Tensor, covariance: Tensor) -> Tensor:
    """Hubble residual, stretch, colour, redshift, and errors of the fit, all of order one.

    Args:
        redshift: shape (N,) or (B, N).
        mu: Distance moduli, shape (N,) or (B, N).
        data: m, x1 and c, shape (B, N, 3).
        covariance: Of them, shape (N, 3, 3) or (B, N, 3, 3).

    Returns:
        Shape (B, N, 7).
    """
    m, x1, c = data.unbind(-1)
    m0, alpha, beta = FIDUCIAL
    residual = (m - mu - m0 + alpha * x1 - beta * c) / SCATTER
    error = covariance.diagonal(dim1=-2, dim2=-1).sqrt()
    known = (error / error.new_tensor(ERRORS)).log().expand(len(data), -1, -1)
    # Over the redshifts of nearby supernovae: of order one.
    place = (torch.log(redshift) + 3.3).expand(len(data), -1)
    columns = [residual, x1 / TYPICAL[0], c / TYPICAL[1], place, *known.unbind(-1)]
    return torch.stack(columns, -1)


def _fingerprint(x: TrippSample) -> Tensor:
    """Number, redshifts and errors of the supernovae, shape (3,)."""
    n = x.redshift.new_tensor(float(len(x.redshift)))
    return torch.stack([n, (x.redshift**2).sum(), x.covariance.diagonal(dim1=1, dim2=2).sum()])
