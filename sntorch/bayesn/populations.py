"""Populations of dust and brightness: what hosts do to supernovae of one SED.

A population is one class with one method, which draws its parameters and says what every
supernova's own parameters follow:

    A_V ~ Exp(τ_A),   R_V one for all, or ~ N(μ_R, σ_R²) truncated below 1.2,
    Ds ~ N(μ̂(z) + ΔM, σ_μ² + σ0²).

Thorp et al. (2021, arXiv:2102.05678): one R_V, or a population of it. Grayling et al. (2024,
arXiv:2401.08755): dust that changes with redshift, and populations split by the hosts' mass in
magnitude or in SED. Deviation: the magnitude step ΔM is centred on the sample, (high - low) times
(share - mean share), so that M0 stays what the SED model was trained with.

The same method serves Pyro (``draw`` is ``pyro.sample``; values have no batch dimension) and the
fast density (values have a leading dimension for chains), so a population of one's own is written
once:

    class Mine(Population):
        def __call__(self, draw, sample):
            tau_a = draw("tau_a", HalfNormal(0.5))
            ...
            return Conditions(tau_a=each(tau_a), sigma0=each(sigma0), rv=each(rv))
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

import torch
from pyro import distributions as dist
from torch import Tensor

from sntorch.bayesn.options import RV_LEAST
from sntorch.errors import ConfigError, DataError, check_number, check_positive

RV_MOST = 6.0
# Values of R_V that a population's mean, or the one of all hosts, may have in training.
RV_TRAINING = (1.0, 5.0)


class Draw(Protocol):
    """``pyro.sample``, or what stands in for it."""

    def __call__(self, name: str, prior: Any) -> Tensor:
        """The value of a site, shape (..., *event)."""
        ...


class Hosts(Protocol):
    """What a population may look at: fields of ``TrainingSample``."""

    @property
    def redshift_cmb(self) -> Tensor:
        """Shape (S,)."""
        ...

    @property
    def host_mass(self) -> Tensor:
        """log10 of the stellar mass in suns, shape (S,), NaN where unknown."""
        ...


@dataclass(eq=False)
class Conditions:
    """What every supernova's own parameters follow; each of shape (..., S) or (..., 1).

    Attributes:
        tau_a: Mean of A_V, mag.
        sigma0: Scatter of the grey offset, mag.
        rv: R_V of all hosts; None where there is a population of it.
        mu_r, sigma_r: Mean and standard deviation of R_V before its truncation at 1.2.
        delta_m: Shift of the absolute magnitude, mag.
        w0_shift: What is added to W0 in each of G groups, shape (..., G, K_l, K_t).
        group: Number of each supernova's group, shape (S,).
    """

    tau_a: Tensor
    sigma0: Tensor
    rv: Tensor | None = None
    mu_r: Tensor | None = None
    sigma_r: Tensor | None = None
    delta_m: Tensor | None = None
    w0_shift: Tensor | None = None
    group: Tensor | None = None


def each(value: Tensor) -> Tensor:
    """A parameter of the population, shape (...), as one for every supernova, shape (..., 1)."""
    return value[..., None]


class Population(ABC):
    """Distribution of dust and brightness over the sample."""

    # Whether supernovae whose host mass is not known have to be left out.
    needs_host_mass = False
    # Numbers of the SED's knots in wavelength and time; the model sets them.
    knots: tuple[int, int] | None = None

    @abstractmethod
    def __call__(self, draw: Draw, sample: Hosts) -> Conditions:
        """Draw the population's parameters.

        Args:
            draw: Gives the value of a parameter, of its name and Pyro prior; the prior may depend
                on values drawn before.
            sample: The supernovae.
        """

    def extra_repr(self) -> str:
        """Settings, for a report."""
        hidden = {k for k in vars(self) if k.startswith("_")} | {"knots"}
        return ", ".join(f"{k}={v}" for k, v in vars(self).items() if k not in hidden)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.extra_repr()})"


class GlobalRV(Population):
    """One R_V for all hosts.

    Args:
        tau_a_scale: Scale of the half-Cauchy prior of τ_A, mag.
        sigma0_scale: The same of σ0, mag.
        rv_range: Ends of the uniform prior of R_V.
    """

    def __init__(
        self,
        tau_a_scale: float = 1.0,
        sigma0_scale: float = 0.1,
        rv_range: Sequence[float] = RV_TRAINING,
    ) -> None:
        self.tau_a_scale, self.sigma0_scale = tau_a_scale, sigma0_scale
        self.rv_range = _ends(rv_range)
        _check(self)

    def __call__(self, draw: Draw, sample: Hosts) -> Conditions:
        """See ``Population``."""
        return Conditions(
            sigma0=each(draw("sigma0", half_cauchy(self.sigma0_scale, sample))),
            tau_a=each(draw("tau_a", half_cauchy(self.tau_a_scale, sample))),
            rv=each(draw("rv", uniform(*self.rv_range, sample))),
        )


class PopulationRV(Population):
    """R_V of each host from a normal population, truncated below 1.2.

    Args:
        tau_a_scale, sigma0_scale: As for ``GlobalRV``.
        mu_r_range: Ends of the uniform prior of μ_R.
        sigma_r_scale: Scale of the half-normal prior of σ_R.
    """

    def __init__(
        self,
        tau_a_scale: float = 1.0,
        sigma0_scale: float = 0.1,
        mu_r_range: Sequence[float] = RV_TRAINING,
        sigma_r_scale: float = 2.0,
    ) -> None:
        self.tau_a_scale, self.sigma0_scale = tau_a_scale, sigma0_scale
        self.mu_r_range = _ends(mu_r_range)
        self.sigma_r_scale = sigma_r_scale
        _check(self)

    def __call__(self, draw: Draw, sample: Hosts) -> Conditions:
        """See ``Population``."""
        return Conditions(
            sigma0=each(draw("sigma0", half_cauchy(self.sigma0_scale, sample))),
            tau_a=each(draw("tau_a", half_cauchy(self.tau_a_scale, sample))),
            mu_r=each(draw("mu_r", uniform(*self.mu_r_range, sample))),
            sigma_r=each(draw("sigma_r", half_normal(self.sigma_r_scale, sample))),
        )


class Dust(PopulationRV):
    """A population of R_V with the wider prior of μ_R that is used where the SED is fixed."""

    def __init__(
        self,
        tau_a_scale: float = 1.0,
        sigma0_scale: float = 0.1,
        mu_r_range: Sequence[float] = (RV_LEAST, RV_MOST),
        sigma_r_scale: float = 2.0,
    ) -> None:
        super().__init__(tau_a_scale, sigma0_scale, mu_r_range, sigma_r_scale)


class DustRedshift(Dust):
    """Dust whose means change with redshift: μ_R + η z and τ_A + κ z.

    Args:
        kappa_range: Ends of the uniform prior of κ; it is cut where τ_A would reach 0 within the
            sample.
    """

    def __init__(self, kappa_range: Sequence[float] = (-0.5, 0.5), **dust: Any) -> None:
        super().__init__(**dust)
        self.kappa_range = _ends(kappa_range)
        _check(self)
        if not self.kappa_range[1] > 0:
            raise ConfigError(f"kappa_range={list(self.kappa_range)}: its end has to be above 0")

    def __call__(self, draw: Draw, sample: Hosts) -> Conditions:
        """See ``Population``."""
        at_zero = super().__call__(draw, sample)
        mu_r, tau_a = (_only(v) for v in (at_zero.mu_r, at_zero.tau_a))
        z = sample.redshift_cmb
        eta = draw("eta", dist.Uniform(RV_LEAST - mu_r, RV_MOST - mu_r))
        low, high = self.kappa_range
        least = torch.maximum(-tau_a / z.max(), torch.full_like(tau_a, low))
        kappa = draw("kappa", dist.Uniform(least, torch.full_like(tau_a, high)))
        return Conditions(
            sigma0=at_zero.sigma0,
            sigma_r=at_zero.sigma_r,
            mu_r=each(mu_r) + each(eta) * z,
            tau_a=(each(tau_a) + each(kappa) * z).clamp(min=torch.finfo(z.dtype).tiny),
        )


class HostSplit(Population):
    """Two populations of dust and scatter, of hosts below and above a mass: what splits share.

    Args:
        mass: Where to split, log10 of the stellar mass in suns.
        **dust: Priors, as for ``Dust``.
    """

    needs_host_mass = True

    def __init__(self, mass: float = 10.0, **dust: Any) -> None:
        self.mass, self.dust = mass, Dust(**dust)
        _check(self)

    def high(self, sample: Hosts) -> Tensor:
        """Whether each host is above the split, shape (S,).

        Raises:
            DataError: A mass that is not known, or no host on one side.
        """
        unknown = int(torch.isnan(sample.host_mass).sum())
        if unknown:
            raise DataError(f"host mass is not known of {unknown} supernovae: leave them out")
        high = sample.host_mass > self.mass
        if high.all() or not high.any():
            side = "above" if high.all() else "below"
            raise DataError(f"all {len(high)} hosts are {side} mass={self.mass}: another split")
        return high

    def split(self, draw: Draw, sample: Hosts, high: Tensor) -> Conditions:
        """Both populations; each supernova has its own's."""
        low_side, high_side = (
            self.dust(lambda name, prior, side=side: draw(f"{name}_{side}", prior), sample)
            for side in ("low", "high")
        )
        chosen = {
            name: torch.where(high, getattr(high_side, name), getattr(low_side, name))
            for name in ("tau_a", "sigma0", "mu_r", "sigma_r")
        }
        return Conditions(**chosen)


class MassSplit(HostSplit):
    """A split with a step in magnitude.

    Args:
        mass: Where to split, log10 of the stellar mass in suns.
        step_range: Ends of the uniform prior of ΔM (high minus low), mag.
        **dust: Priors, as for ``Dust``.
    """

    def __init__(
        self, mass: float = 10.0, step_range: Sequence[float] = (-0.2, 0.2), **dust: Any
    ) -> None:
        super().__init__(mass, **dust)
        self.step_range = _ends(step_range)
        _check(self)

    def __call__(self, draw: Draw, sample: Hosts) -> Conditions:
        """See ``Population``."""
        high = self.high(sample)
        conditions = self.split(draw, sample, high)
        step = draw("delta_m", uniform(*self.step_range, sample))
        share = high.to(step)
        conditions.delta_m = each(step) * (share - share.mean())
        return conditions


class MassSplitSED(HostSplit):
    """A split with mean surfaces of their own, W0 + δW0.

    Args:
        mass: Where to split, log10 of the stellar mass in suns.
        spread: Standard deviation of the prior of δW0, mag.
        **dust: Priors, as for ``Dust``.
    """

    def __init__(self, mass: float = 10.0, spread: float = 0.1**0.5, **dust: Any) -> None:
        super().__init__(mass, **dust)
        self.spread = spread
        _check(self)

    def __call__(self, draw: Draw, sample: Hosts) -> Conditions:
        """See ``Population``."""
        assert self.knots is not None, "the model tells the knots"
        high = self.high(sample)
        conditions = self.split(draw, sample, high)
        zero = sample.redshift_cmb.new_zeros(self.knots)
        prior = dist.Normal(zero, self.spread).to_event(2)
        sides = [draw(f"delta_w0_{side}", prior) for side in ("low", "high")]
        conditions.w0_shift = torch.stack(sides, -3)
        conditions.group = high.long()
        return conditions


def half_cauchy(scale: float, like: Hosts) -> dist.HalfCauchy:
    """Prior of a positive parameter."""
    return dist.HalfCauchy(_number(scale, like))


def half_normal(scale: float, like: Hosts) -> dist.HalfNormal:
    """Prior of a positive parameter."""
    return dist.HalfNormal(_number(scale, like))


def uniform(low: float, high: float, like: Hosts) -> dist.Uniform:
    """Prior of a parameter within a range."""
    return dist.Uniform(_number(low, like), _number(high, like))


def _number(value: float, like: Hosts) -> Tensor:
    return like.redshift_cmb.new_tensor(value)


def _only(value: Tensor | None) -> Tensor:
    """The parameter of a population that is the same for every supernova, shape (...)."""
    assert value is not None
    return value[..., 0]


def _ends(given: Any) -> tuple[float, float]:
    """A range as it is kept; ``_check`` refuses what is none."""
    several = isinstance(given, Sequence) and not isinstance(given, str)
    return cast(Any, tuple(given) if several else given)


def _check(population: Population) -> None:
    """Refuse settings that are no numbers, scales that are not positive, ranges without width.

    Raises:
        ConfigError: One of them.
    """
    for name, value in vars(population).items():
        if name.endswith("_range"):
            _check_range(name, value)
        elif name == "mass":
            _check_finite(name, value)
        elif name.endswith("_scale") or name == "spread":
            _check_finite(name, value)
            check_positive(name, value)


def _check_range(name: str, value: Any) -> None:
    ends = value if isinstance(value, tuple) else ()
    for end in ends:
        _check_finite(name, end)
    if len(ends) != 2 or not ends[0] < ends[1]:
        given = list(value) if isinstance(value, tuple) else value
        raise ConfigError(f"{name}={given}: two increasing numbers are accepted")


def _check_finite(name: str, value: Any) -> None:
    check_number(name, value)
    if value is None or not math.isfinite(value):
        raise ConfigError(f"{name}={value}: a finite number is accepted")
