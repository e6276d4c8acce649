"""Where training begins: a model brought to other knots, or nothing at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.distributions.transforms import (
    ComposeTransform,
    ExpTransform,
    IndependentTransform,
    Transform,
)

from sntorch.bayesn.joint_density import JointDensity
from sntorch.errors import ConfigError
from sntorch.physics.parameters import SEDParameters
from sntorch.physics.sed import SEDModel
from sntorch.physics.splines import spline_matrix
from sntorch.physics.template import FIRST_DAY, LAST_DAY

SIGMA, LEAST_SIGMA = 0.1, 0.03
# How much of a model's residual correlations is believed at first.
CORRELATION = 0.5
POSITIVE = 0.2
FIRST_COMPONENT = 0.05
LEAST_KNOTS = 3
TEMPLATE = (1000.0, 25000.0)


def at_knots(
    parameters: SEDParameters,
    wave_knots: Sequence[float] | None = None,
    time_knots: Sequence[float] | None = None,
) -> SEDParameters:
    """A model's surfaces at other knots; residuals of 0.1 mag without correlation there.

    Beyond the model's own knots its surfaces go on as they end.

    Args:
        parameters: The model.
        wave_knots: Rest-frame wavelengths, Å, increasing; None keeps the model's.
        time_knots: Rest-frame days, increasing; None likewise.

    Raises:
        ConfigError: Knots that do not increase, fewer than three, or outside the template.
    """
    if wave_knots is None and time_knots is None:
        return parameters
    wave = _knots("wave_knots", wave_knots, parameters.wave_knots, TEMPLATE)
    time = _knots("time_knots", time_knots, parameters.time_knots, (FIRST_DAY, LAST_DAY))
    rows = _rows(parameters.wave_knots, wave), _rows(parameters.time_knots, time)
    w0, w1 = (rows[0] @ w @ rows[1].T for w in (parameters.w0, parameters.w1))
    size = (len(wave) - 2) * len(time)
    return replace(
        parameters,
        wave_knots=wave,
        time_knots=time,
        w0=w0,
        w1=w1,
        epsilon_cholesky=SIGMA * np.eye(size),
    )


def from_scratch(parameters: SEDParameters) -> SEDParameters:
    """The knots of a model with the bare template: flat surfaces, residuals of 0.1 mag."""
    zero = np.zeros_like(parameters.w0)
    size = len(parameters.epsilon_cholesky)
    return replace(parameters, w0=zero, w1=zero, epsilon_cholesky=SIGMA * np.eye(size))


def starting_point(density: JointDensity, seed: int = 0) -> Tensor:
    """Unconstrained shared parameters, shape (G,): the SED model's surfaces, middling populations.

    Args:
        density: The model's density.
        seed: Of the small first component that a flat W1 gets: at zero it has no gradient.
    """
    sed = density.model.sed
    sigma, factor = _residuals(sed)
    known = {"w0": sed.w0, "w1": _first_component(sed, seed), "sigma_epsilon": sigma}
    known["l_omega"] = factor
    pieces = []
    for name, site in density.sites.items():
        if name in known:
            pieces.append(site.transform.inv(known[name]).reshape(-1))
            continue
        free = sed.w0.new_zeros(site.size)
        if _is_positive(site.transform):
            free = free + np.log(POSITIVE)
        pieces.append(free)
    return torch.cat(pieces)


def _is_positive(transform: Transform) -> bool:
    """Whether its values have a lower end only, as scales do."""
    if isinstance(transform, IndependentTransform):
        return _is_positive(transform.base_transform)
    if isinstance(transform, ComposeTransform):
        return any(_is_positive(part) for part in transform.parts)
    return isinstance(transform, ExpTransform)


def _residuals(sed: SEDModel) -> tuple[Tensor, Tensor]:
    """σ_ε (N,) and the Cholesky factor of the correlations (N, N), half of them believed."""
    covariance = sed.epsilon_cholesky @ sed.epsilon_cholesky.T
    sigma = covariance.diagonal().sqrt().clamp(min=LEAST_SIGMA)
    correlation = covariance / (sigma[:, None] * sigma)
    identity = torch.eye(len(sigma), dtype=sigma.dtype, device=sigma.device)
    mixed = CORRELATION * correlation.fill_diagonal_(1) + (1 - CORRELATION) * identity
    return sigma, torch.linalg.cholesky(mixed)


def _first_component(sed: SEDModel, seed: int) -> Tensor:
    if sed.w1.abs().max() > 0:
        return sed.w1
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(sed.w1.shape, generator=generator, dtype=sed.w1.dtype)
    return (FIRST_COMPONENT * noise).to(sed.w1.device)


def _knots(
    name: str, asked: Sequence[float] | None, own: np.ndarray, ends: tuple[float, float]
) -> np.ndarray:
    if asked is None:
        return own
    try:
        knots = np.array(list(asked), dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{name}={asked}: a list of numbers is accepted") from error
    if knots.ndim != 1 or len(knots) < LEAST_KNOTS or not (np.diff(knots) > 0).all():
        raise ConfigError(f"{name}={knots.tolist()}: {LEAST_KNOTS} or more increasing numbers")
    if knots[0] < ends[0] or knots[-1] > ends[1]:
        raise ConfigError(
            f"{name}={knots.tolist()}: the template reaches from {ends[0]:g} to {ends[1]:g}"
        )
    return knots


def _rows(own: np.ndarray, new: np.ndarray) -> np.ndarray:
    inside = np.clip(new, own[0], own[-1])
    return spline_matrix(torch.from_numpy(own), torch.from_numpy(inside)).numpy()
