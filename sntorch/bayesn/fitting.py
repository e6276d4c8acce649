"""Fits of single supernovae, a chunk at a time: posteriors by NUTS, variational or Laplace."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sntorch.bayesn.density import FitDensity
from sntorch.bayesn.model import MUHAT_SD, PLATE, FitModel, population_rv
from sntorch.bayesn.observations import Observations
from sntorch.bayesn.options import FitOptions
from sntorch.bayesn.posterior import Posterior
from sntorch.bayesn.preparation import Prepared
from sntorch.bayesn.starting import starting_points
from sntorch.data.batch import LightCurveBatch
from sntorch.errors import ConfigError, check_number
from sntorch.inference.coordinates import Affine, Truncated
from sntorch.inference.density import ModelDensity
from sntorch.inference.diagnostics import diagnose, psis_k_hat, psis_weights
from sntorch.inference.nuts import BatchedSampler, Draws
from sntorch.inference.preconditioning import Preconditioned, at_mode, precondition
from sntorch.inference.variational import log_ratios
from sntorch.physics.sed import SEDModel

if TYPE_CHECKING:
    from pandas import DataFrame

log = logging.getLogger(__name__)

SAMPLERS = ("nuts", "vi", "laplace", "map")
REPORTED = ("ds", "theta", "av", "tmax", "rv", "rv_quantile", "redshift")
SUMS = ("leapfrogs", "divergences", "accepted", "depths")
RHAT = 1.02
RERUN_ABOVE = 1.018
LONGER = 4
# Variance, in coordinates that should have 1, that calls for better coordinates.
POOR = 2.0
DIVERGENT_SHARE = 0.01
K_HAT = 0.7
CHI_SQUARE_DRAWS = 50
# χ² an observation beyond which neither the errors nor the parameters can be believed.
POOR_FIT = 3.0
# Share of the prior's half-width beyond which a time of peak presses against its end.
AT_EDGE = 0.95


@dataclass(frozen=True)
class SamplerSettings:
    """How posteriors are sampled.

    Attributes:
        sampler: ``nuts``, ``vi`` (zero-lower-truncated normal, Uzsoy et al. 2024), ``laplace`` or
            ``map``.
        chains, warmup, draws: Chains, warm-up trajectories and kept draws of each; ``vi`` and
            ``laplace`` give ``chains`` × ``draws`` independent draws.
        target_accept: Mean acceptance probability that NUTS adapts to.
        max_tree_depth: Doublings of a trajectory at most.
        reruns: How often a supernova whose R-hat is too large is run again, four times longer
            (and thinned): first its chains go on, then they begin anew with the covariance found.
        vi_iterations, vi_draws: Steps of the variational fit, and draws of each.
        resample: Whether variational draws are resampled by their importance.
        seed: Of all random numbers; results do not depend on how many are fitted together only
            within a chunk.

    Raises:
        ConfigError: A value that is not accepted.
    """

    sampler: str = "nuts"
    chains: int = 4
    warmup: int = 250
    draws: int = 250
    target_accept: float = 0.8
    max_tree_depth: int = 8
    reruns: int = 2
    vi_iterations: int = 250
    vi_draws: int = 8
    resample: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.sampler not in SAMPLERS:
            raise ConfigError(f"sampler={self.sampler}: accepted are {', '.join(SAMPLERS)}")
        least = {"chains": 1, "warmup": 1, "draws": 4, "max_tree_depth": 1, "vi_iterations": 1}
        for name in (*least, "reruns", "vi_draws", "seed"):
            check_number(name, getattr(self, name), whole=True)
        check_number("target_accept", self.target_accept)
        for name, value in least.items():
            if getattr(self, name) < value:
                raise ConfigError(f"{name}={getattr(self, name)}: at least {value} is accepted")
        if self.vi_draws < 2 or self.vi_draws % 2:
            raise ConfigError(f"vi_draws={self.vi_draws}: an even number is accepted")
        if not 0 < self.target_accept < 1:
            raise ConfigError(f"target_accept={self.target_accept}: between 0 and 1 is accepted")


@dataclass(eq=False)
class Sampled:
    """Draws of a chunk and what the sampler says of them.

    Attributes:
        z: Unconstrained draws, shape (B, C, S, D).
        divergent: Divergent trajectories, shape (B,).
        depth, acceptance: Means over trajectories, shape (B,); NaN where there are none.
        k_hat: Pareto k of the importance ratios, shape (B,); NaN for NUTS.
        reruns: How often each was run again, shape (B,).
        converged: Whether the mode was found, shape (B,).
        trajectories: Over how many ``divergent`` was counted, shape (B,); 0 without any.
    """

    z: Tensor
    divergent: Tensor
    depth: Tensor
    acceptance: Tensor
    k_hat: Tensor
    reruns: Tensor
    converged: Tensor
    trajectories: Tensor


def fit_chunk(
    sed: SEDModel,
    prepared: Prepared,
    options: FitOptions,
    settings: SamplerSettings,
    progress: Callable[[float], None] | None = None,
) -> Posterior:
    """The posteriors of some supernovae, fitted side by side.

    Args:
        sed: The SED model, on the device to use.
        prepared: The supernovae.
        options: What is free.
        settings: How to sample.
        progress: Called with the fraction of the work done, now and then.
    """
    batch = LightCurveBatch.from_light_curves(prepared.light_curves).to(sed.w0.device)
    muhat = torch.tensor(prepared.muhat, dtype=torch.float64, device=sed.w0.device)
    observations = Observations.from_batch(batch.to(sed.w0.dtype), muhat, options.error_floor)
    density, start = _density(sed, observations, options)
    generator = torch.Generator(device=sed.w0.device).manual_seed(settings.seed)
    with torch.no_grad():
        sampled = sample(density, start, settings, generator, progress)
        draws = parameters(sed, observations, options, density, sampled.z, generator)
        chi_square = _chi_square(density, sampled.z)
    statistics = _statistics(prepared, sampled, draws, chi_square, settings, options)
    return Posterior(sed, batch, draws, statistics)


def sample(
    density: FitDensity | ModelDensity,
    start: Tensor,
    settings: SamplerSettings,
    generator: torch.Generator,
    progress: Callable[[float], None] | None = None,
) -> Sampled:
    """Draws from every posterior, as ``settings`` say; ``start`` has shape (B, D)."""
    tell = progress or (lambda _: None)
    if settings.sampler in ("laplace", "map"):
        found = at_mode(density, start)
        return _independent(density, found, settings, generator)
    short = settings.sampler == "nuts"
    found = precondition(
        density,
        start,
        generator,
        settings.vi_iterations // 2 if short else settings.vi_iterations,
        settings.vi_draws,
        (lambda done: tell(0.15 * done)) if short else tell,
    )
    if not short:
        return _independent(density, found, settings, generator)
    return _nuts(density, found, settings, generator, lambda done: tell(0.15 + 0.85 * done))


def _independent(
    density: FitDensity | ModelDensity,
    found: Preconditioned,
    settings: SamplerSettings,
    generator: torch.Generator,
) -> Sampled:
    """Independent draws of a normal approximation, and how far it is from the posterior."""
    coordinates, mode = found.coordinates, found.mode
    n = settings.chains * settings.draws
    zero = torch.zeros_like(mode.log_density)
    nan = zero + torch.nan
    if settings.sampler == "map":
        z = mode.mean[:, None, None]
        return Sampled(z, zero, nan, nan, nan, zero, mode.converged, zero)
    shape = len(mode.mean), n, mode.mean.shape[1]
    x = torch.randn(shape, generator=generator, dtype=zero.dtype, device=zero.device)
    ratios = log_ratios(density, coordinates, x)
    if settings.resample:
        weights = psis_weights(ratios)
        # Where a ratio is not finite k-hat says so, and the draws stay as they are.
        usable = torch.isfinite(weights).all(1, keepdim=True) & (weights.sum(1, keepdim=True) > 0)
        weights = torch.where(usable, weights, 1.0)
        chosen = torch.multinomial(weights, n, replacement=True, generator=generator)
        picked = x.gather(1, chosen[..., None].expand_as(x))
        x = torch.where(usable[..., None], picked, x)
    z = coordinates.outside(x).unflatten(1, (settings.chains, settings.draws))
    return Sampled(z, zero, nan, nan, psis_k_hat(ratios), zero, mode.converged, zero)


def _nuts(
    density: FitDensity | ModelDensity,
    found: Preconditioned,
    settings: SamplerSettings,
    generator: torch.Generator,
    tell: Callable[[float], None],
) -> Sampled:
    start = found.coordinates.draw(settings.chains, generator)
    sampler = _warmed(density, found.coordinates, start, settings, generator, tell)
    total = sampler.run(settings.draws, progress=lambda done: tell(0.5 + 0.5 * done))
    reruns = torch.zeros_like(found.mode.log_density)
    trajectories = torch.full_like(reruns, settings.chains * settings.draws)
    for attempt in range(1, settings.reruns + 1):
        # Where every tree is as deep as can be, more of them would not help.
        hopeless = total.depths.mean(1) / settings.draws > settings.max_tree_depth - 1
        poor = _worst_rhat(density, total.z) > RERUN_ABOVE
        bad = (poor & ~hopeless).nonzero().squeeze(1)
        if not len(bad):
            break
        reruns[bad] = attempt
        times = LONGER
        log.info("%d supernovae are run %d times longer", len(bad), times)
        before = total.z[bad]
        if attempt == 1:
            # Nothing is wrong with the chains but their length: they go on.
            more = sampler.take(bad).run((times - 1) * settings.draws)
            more = _joined(_taken(total, bad), more)
        else:
            coordinates = _from_draws(found.coordinates.take(bad), before)
            last = before[:, :, -1]
            again = _warmed(density.take(bad), coordinates, last, settings, generator, tell)
            more = again.run(times * settings.draws)
        _replace(total, bad, more, times)
        trajectories[bad] = settings.chains * more.z.shape[2]
    n = settings.chains * settings.draws
    return Sampled(
        total.z,
        total.divergences.sum(1),
        total.depths.sum(1) / n,
        total.accepted.sum(1) / n,
        torch.full_like(reruns, torch.nan),
        reruns,
        found.mode.converged,
        trajectories,
    )


def _taken(total: Draws, index: Tensor) -> Draws:
    """Draws and sums of some objects."""
    return Draws(**{f.name: getattr(total, f.name)[index] for f in fields(total)})


def _joined(first: Draws, then: Draws) -> Draws:
    """Draws one after another, and the sums of both."""
    sums = {name: getattr(first, name) + getattr(then, name) for name in SUMS}
    energy = torch.cat([first.energy, then.energy], 2)
    return Draws(torch.cat([first.z, then.z], 2), **sums, energy=energy)


def _warmed(
    density: FitDensity | ModelDensity,
    coordinates: Affine | Truncated,
    start: Tensor,
    settings: SamplerSettings,
    generator: torch.Generator,
    tell: Callable[[float], None],
) -> BatchedSampler:
    """A sampler after its warm-up, half-way through which poor coordinates are mended."""
    sampler = BatchedSampler(
        density, coordinates, start, generator, settings.target_accept, settings.max_tree_depth
    )
    first = settings.warmup // 2
    if first:
        seen = sampler.run(first, adapt=True, progress=lambda done: tell(0.25 * done))
        sampler.use(_from_draws(coordinates, seen.z[:, :, first // 3 :]))
    rest = settings.warmup - first
    sampler.run(rest, adapt=True, progress=lambda done: tell(0.25 + 0.25 * done))
    return sampler


def _replace(total: Draws, index: Tensor, longer: Draws, times: int) -> None:
    """Put longer runs in place of some objects' draws, thinned, and their sums brought to that."""
    total.z[index] = longer.z[:, :, times - 1 :: times]
    n = total.z.shape[2]
    for name in ("leapfrogs", "accepted", "depths"):
        getattr(total, name)[index] = getattr(longer, name) * (n / longer.z.shape[2])
    total.divergences[index] = longer.divergences


def _from_draws(coordinates: Affine | Truncated, z: Tensor) -> Affine | Truncated:
    """Coordinates with the mean and covariance of draws (B, C, S, D), where they were poor.

    Good ones are left: a covariance from some hundred draws is noisier than theirs.
    """
    x = coordinates.inside(z.flatten(1, 2))
    mean = x.mean(1)
    centred = x - mean[:, None]
    n, size = x.shape[1:]
    identity = torch.eye(size, dtype=x.dtype, device=x.device)
    # As if 5 D further draws had the covariance that was thought before.
    total = centred.transpose(1, 2) @ centred + 5 * size * identity
    # One supernova whose draws are no numbers must not stop its neighbours.
    covariance = torch.nan_to_num(total / (n + 5 * size), 0, 0, 0)
    widths = torch.linalg.eigvalsh(covariance)
    poor = ((widths[:, -1] > POOR) | (widths[:, 0] < 1 / POOR))[:, None]
    factor, failed = torch.linalg.cholesky_ex(covariance)
    poor = poor & (failed == 0)[:, None] & torch.isfinite(factor).flatten(1).all(1)[:, None]
    return coordinates.composed(
        torch.where(poor, mean, 0.0), torch.where(poor[..., None], factor, identity)
    )


def _worst_rhat(density: FitDensity | ModelDensity, z: Tensor) -> Tensor:
    """Largest R-hat of the reported parameters, shape (B,)."""
    values = density.constrain(z.flatten(1, 2))
    shape = z.shape[:3]
    columns = [v.view(shape) for k, v in values.items() if k in REPORTED]
    return _largest_rhat(torch.stack(columns, 1))


def _largest_rhat(draws: Tensor) -> Tensor:
    """Largest R-hat of (B, P, C, S), shape (B,); held parameters have none, bad draws infinity."""
    found = torch.nan_to_num(diagnose(draws).rhat, nan=0.0).amax(1)
    finite = torch.isfinite(draws).flatten(1).all(1)
    return torch.where(finite, found, torch.inf)


def _density(
    sed: SEDModel, observations: Observations, options: FitOptions
) -> tuple[FitDensity | ModelDensity, Tensor]:
    """The posteriors, and where to search for their modes from, shape (B, D)."""
    fixed = FitDensity(sed, observations, replace(options, free_redshift=False))
    start = starting_points(fixed)[:, 0]
    if not options.free_redshift:
        return fixed, start
    with torch.no_grad():
        near = at_mode(fixed, start).mode.mean
    density = ModelDensity(FitModel(sed, observations, options), PLATE)
    known = dict(zip(fixed.sites, near.split(list(fixed.sites.values()), -1), strict=True))
    known["redshift"] = observations.redshift.log()[:, None]
    return density, torch.cat([known[name] for name in density.sites], -1)


def parameters(
    sed: SEDModel,
    observations: Observations,
    options: FitOptions,
    density: FitDensity | ModelDensity,
    z: Tensor,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """The parameters of unconstrained draws (B, C, S, D), with the distance drawn from Ds.

    Given Ds = μ + δM, μ follows N((s² Ds + σ0² μ̂) / (s² + σ0²), s² σ0² / (s² + σ0²)) with s the
    width of the distance's prior.
    """
    values = density.constrain(z.flatten(1, 2))
    shape = z.shape[:3]
    draws = {k: v.unflatten(1, shape[1:]) for k, v in values.items()}
    ds = draws["ds"]
    held = {"theta": options.fix_theta, "av": options.fix_av, "tmax": options.fix_tmax}
    for name, value in held.items():
        draws.setdefault(name, torch.full_like(ds, value or 0.0))
    rv = options.resolved(sed)
    if "rv_quantile" in draws:
        draws["rv"] = population_rv(draws.pop("rv_quantile"), rv.mean, rv.spread)
    draws.setdefault("rv", torch.full_like(ds, rv.mean))
    wide, narrow = MUHAT_SD**2, sed.sigma0**2
    centre = (wide * ds + narrow * observations.muhat[:, None, None]) / (wide + narrow)
    noise = torch.randn(ds.shape, generator=generator, dtype=ds.dtype, device=ds.device)
    draws["mu"] = centre + math.sqrt(wide * narrow / (wide + narrow)) * noise
    draws["delta_m"] = ds - draws["mu"]
    return draws


def _chi_square(density: FitDensity | ModelDensity, z: Tensor) -> Tensor:
    """Median χ² over some draws, shape (B,); NaN where the redshift was free."""
    if isinstance(density, ModelDensity):
        return z.new_full((len(z),), torch.nan)
    flat = z.flatten(1, 2)
    return density.chi_square(flat[:, :: max(flat.shape[1] // CHI_SQUARE_DRAWS, 1)]).median(1)[0]


def _at_edge(tmax: Tensor, options: FitOptions) -> Tensor:
    """Whether the header's time of peak is so far off that the prior holds t_max, shape (B,)."""
    if options.fix_tmax is not None:
        return torch.zeros(len(tmax), dtype=torch.bool)
    return tmax.flatten(1).mean(1).abs().cpu() > AT_EDGE * options.tmax_range


def _statistics(
    prepared: Prepared,
    sampled: Sampled,
    draws: dict[str, Tensor],
    chi_square: Tensor,
    settings: SamplerSettings,
    options: FitOptions,
) -> DataFrame:
    table = prepared.statistics()
    table["chi2"] = chi_square.cpu().numpy()
    table["n_divergent"] = sampled.divergent.round().long().cpu().numpy()
    table["tree_depth"] = sampled.depth.cpu().numpy()
    table["acceptance"] = sampled.acceptance.cpu().numpy()
    table["k_hat"] = sampled.k_hat.cpu().numpy()
    table["reruns"] = sampled.reruns.long().cpu().numpy()
    table["sampler"] = settings.sampler
    rhat = torch.zeros(len(table))
    if settings.sampler == "nuts":
        rhat = _largest_rhat(torch.stack([draws[k] for k in REPORTED if k in draws], 1))
    reasons = {
        "rhat": rhat > RHAT,
        "divergences": sampled.divergent > DIVERGENT_SHARE * sampled.trajectories,
        "k_hat": sampled.k_hat > K_HAT,
        "mode": ~sampled.converged,
        "tmax": _at_edge(draws["tmax"], options),
        "chi2": chi_square.cpu() > POOR_FIT * torch.tensor(table["n_observations"].to_numpy()),
    }
    flags = [[name for name, where in reasons.items() if where[i]] for i in range(len(table))]
    table["flag"] = [",".join(names) for names in flags]
    return table
