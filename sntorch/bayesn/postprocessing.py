"""From draws of the training to a trained model: one sign and one scale of θ, then means.

The model depends on θ and W1 through their product, which stays the same when both change sign,
or when one is multiplied by what the other is divided by. The priors leave the sign open and the
scale nearly so. As the reference (bayesn 0.4.0) does:

- each chain gets the sign that makes W1(6200 Å, 10 d) - W1(6200 Å, 0 d) positive, on the chain's
  posterior mean: a positive θ is a fast decline in the red;
- each draw gets the scale that makes the standard deviation of θ over the supernovae 1;
- the model is the posterior means.

Deviation: the reference's Cholesky factor is diag(mean σ_ε) · mean(L_Ω). Rows of a mean of such
factors are shorter than 1, the later ones most: for the 157 SNe of T21 the variances of residuals
at 40 days are two to three times too small. Here L_Σ is the factor of the posterior mean of
the covariance, which is that of a new supernova's residuals.

Extension: knots that do not reach 6200 Å, 0 d or 10 d, see ``_decline_at``.

Letters in shapes: ``C`` chains, ``S`` draws of a chain, ``B`` supernovae, ``K_l``, ``K_t`` knots,
``N`` = (K_l - 2) K_t residuals, wavelength fastest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from sntorch.errors import DataError
from sntorch.physics.parameters import SEDParameters
from sntorch.physics.sed import SEDModel
from sntorch.physics.splines import spline_matrix

Draws = Mapping[str, Tensor]
SED_DRAWS = ("w0", "w1", "sigma_epsilon", "l_omega")
SIGN_WAVE = 6200.0
SIGN_DAYS = (0.0, 10.0)


def aligned(draws: Draws, sed: SEDModel, scale: bool = True) -> dict[str, Tensor]:
    """Draws with the sign and the scale of θ fixed; θ W1 does not change.

    Args:
        draws: ``w1`` (C, S, K_l, K_t) and ``theta`` (C, S, B); all else is handed on as it is.
            Draws without ``w1`` (the SED was held fixed) are all handed on.
        sed: Any model with the knots of ``w1``.
        scale: Whether θ gets unit variance; otherwise only the sign is fixed.

    Raises:
        DataError: Shapes that do not fit the knots, or fewer than two supernovae.
    """
    if "w1" not in draws:
        return dict(draws)
    _check_surfaces(draws, sed)
    theta, w1 = draws["theta"], draws["w1"]
    if theta.shape[-1] < 2:
        raise DataError(f"theta of {theta.shape[-1]} supernova has no spread: give two or more")
    spread = theta.std(-1, correction=0) if scale else torch.ones_like(theta[..., 0])
    sign = _signs(w1, sed)[:, None]
    factor = sign * spread
    return {**draws, "theta": theta / factor[..., None], "w1": w1 * factor[..., None, None]}


def parameters_of(draws: Draws, sed: SEDModel) -> SEDParameters:
    """The trained model: posterior means, in the form of a BAYESN.YAML.

    What the draws do not have was held fixed and comes from ``sed``. A population that evolves
    with redshift is given at redshift 0.

    Args:
        draws: Of ``aligned``: surfaces ``w0``, ``w1`` (C, S, K_l, K_t), ``sigma_epsilon``
            (C, S, N) and ``l_omega`` (C, S, N, N), all four or none of them, and numbers (C, S):
            ``sigma0``, ``tau_a``, and ``rv``, or ``mu_r`` and ``sigma_r``.
        sed: The model that gave the knots, M0, and what was held fixed.

    Raises:
        DataError: Only some of the surfaces, shapes that do not fit the knots, or a population
            that is split in parts (``tau_a_low`` and ``tau_a_high``): one model cannot hold it.
    """
    _check_surfaces(draws, sed)
    _check_population(draws)
    knots = {name: getattr(sed, name).cpu().numpy() for name in ("wave_knots", "time_knots")}
    return SEDParameters(**knots, **_surfaces(draws, sed), **_population(draws, sed), m0=sed.m0)


def _signs(w1: Tensor, sed: SEDModel) -> Tensor:
    """Sign of each chain, shape (C,)."""
    wave, early, late = _decline_at(sed)
    at_wave = spline_matrix(sed.wave_knots, sed.wave_knots.new_tensor(wave), sed.wave_second)
    days = spline_matrix(sed.time_knots, sed.time_knots.new_tensor([early, late]), sed.time_second)
    mean = w1.mean(1).to(at_wave)
    decline = torch.einsum("l,clt,t->c", at_wave, mean, days[1] - days[0])
    return torch.where(decline < 0, -1.0, 1.0).to(w1)


def _decline_at(sed: SEDModel) -> tuple[float, float, float]:
    """Wavelength (Å) and two days between which W1 is to rise.

    6200 Å, 0 d and 10 d where the knots reach them; else the wavelength nearest to 6200 Å, the day
    nearest to 0, and ten days later; where the knots end before that, their last day, and where
    that leaves no two days, the ten days before it.
    """
    (blue, red), (first, last) = sed.wave_range, sed.phase_range
    length = SIGN_DAYS[1] - SIGN_DAYS[0]
    early = min(max(SIGN_DAYS[0], first), last)
    late = min(early + length, last)
    if late == early:
        early = max(last - length, first)
    return min(max(SIGN_WAVE, blue), red), early, late


def _check_surfaces(draws: Draws, sed: SEDModel) -> None:
    given = [name for name in SED_DRAWS if name in draws]
    k_l, k_t = sed.w0.shape
    n = (k_l - 2) * k_t
    shapes = {"w0": (k_l, k_t), "w1": (k_l, k_t), "sigma_epsilon": (n,), "l_omega": (n, n)}
    for name in given:
        if tuple(draws[name].shape[2:]) != shapes[name]:
            raise DataError(
                f"draws of {name} have shape {tuple(draws[name].shape)}; "
                f"the knots ask for (chains, draws, *{shapes[name]})"
            )


def _check_population(draws: Draws) -> None:
    for name in ("tau_a", "sigma0", "mu_r", "sigma_r"):
        parts = [k for k, v in draws.items() if k.startswith(f"{name}_") and v.ndim == 2]
        if name not in draws and parts:
            raise DataError(
                f"the population has {', '.join(parts)} and no {name}: a BAYESN.YAML holds one "
                "population; write one of its parts, renamed"
            )


def _surfaces(draws: Draws, sed: SEDModel) -> dict[str, Any]:
    missing = [name for name in SED_DRAWS if name not in draws]
    if 0 < len(missing) < len(SED_DRAWS):
        raise DataError(f"draws of an SED without {', '.join(missing)}: all four or none of them")
    if missing:
        arrays = {name: getattr(sed, name) for name in ("w0", "w1", "epsilon_cholesky")}
    else:
        arrays = {name: _mean(draws[name]) for name in ("w0", "w1")}
        arrays["epsilon_cholesky"] = _factor(draws["sigma_epsilon"], draws["l_omega"])
    return {name: value.double().cpu().numpy() for name, value in arrays.items()}


def _population(draws: Draws, sed: SEDModel) -> dict[str, Any]:
    def mean(name: str) -> float:
        return float(_mean(draws[name])) if name in draws else getattr(sed, name)

    if "mu_r" in draws:
        dust = {"rv": float(_mean(draws["mu_r"])), "sigma_r": mean("sigma_r")}
    else:
        dust = {"rv": mean("rv"), "sigma_r": 0.0 if "rv" in draws else sed.sigma_r}
    return {"sigma0": mean("sigma0"), "tau_a": mean("tau_a"), **dust}


def _factor(sigma: Tensor, l_omega: Tensor) -> Tensor:
    """Cholesky factor of the mean of L_Σ L_Σᵀ, shape (N, N)."""
    factors = (sigma[..., None] * l_omega).double().flatten(0, 1)
    return torch.linalg.cholesky(torch.einsum("sij,skj->ik", factors, factors) / len(factors))


def _mean(draws: Tensor) -> Tensor:
    return draws.double().mean((0, 1))
