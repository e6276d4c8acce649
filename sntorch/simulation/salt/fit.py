"""Fits of SALT2 or SALT3 to a batch of light curves, after sncosmo's ``fit_lc``.

Reference: sncosmo (Barbary et al.), ``fitting.fit_lc``. The order of events is the same: bands
that the model does not cover go; a first fit takes all observations and their own errors; then
observations outside the phase and wavelength ranges go, model errors are computed at the fitted
parameters, and the fit is repeated until the choice of observations stays and (with model errors)
no parameter moves by more than a tenth of its error. The covariance is the inverse of half the
Hessian of χ². Deviations: the start is the best of a grid (``starts``), and x1 and c are bounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from sntorch.data.batch import LightCurveBatch
from sntorch.data.light_curve import FLUXCAL_ZEROPOINT
from sntorch.physics.bandpasses import get_bandpass
from sntorch.physics.salt.bands import band_integrals
from sntorch.physics.salt.covariance import SALTErrors, mean_wavelength
from sntorch.physics.salt.photometry import Observations, SALTPhotometry
from sntorch.physics.salt.surfaces import SALTSurfaces
from sntorch.simulation.salt.implicit import Fitted, sensitivities
from sntorch.simulation.salt.loading import load_surfaces
from sntorch.simulation.salt.minimise import Minimum, minimise
from sntorch.simulation.salt.objective import ChiSquare, Weights
from sntorch.simulation.salt.options import N_PARAMETERS, SALTOptions
from sntorch.simulation.salt.starts import starts

# Standard deviations of χ² above its mean up to which a fit is good.
GOOD = 3.0
FITTED, NO_REDSHIFT, NO_DUST, TOO_FEW, NO_DETECTION = range(5)
REASONS = ("", "no redshift", "no Milky-Way E(B-V)", "too few points", "no detection")


@dataclass
class SALTFit:
    """What was found for B supernovae; NaN where one could not be fitted.

    Attributes:
        parameters: t0 (MJD), x0, x1, c, shape (B, 4).
        covariance: Of the same, shape (B, 4, 4).
        chi2: shape (B,).
        used: Observations that counted, shape (B, T).
        covered: Bands that the model covers at the redshift, shape (B, F).
        converged: shape (B,): at a minimum within the bounds, with a covariance.
        n_fits: How often it was fitted, shape (B,).
        reason: Index into ``REASONS`` of why it was not, shape (B,); 0: it was.
    """

    parameters: Tensor
    covariance: Tensor
    chi2: Tensor
    used: Tensor
    covered: Tensor
    converged: Tensor
    n_fits: Tensor
    reason: Tensor

    @property
    def errors(self) -> Tensor:
        """Standard deviations of the parameters, shape (B, 4)."""
        return self.covariance.diagonal(dim1=1, dim2=2).sqrt()

    @property
    def ndof(self) -> Tensor:
        """Degrees of freedom, shape (B,)."""
        return self.used.sum(-1) - N_PARAMETERS

    @property
    def probability(self) -> Tensor:
        """Of a χ² as large or larger, shape (B,); NaN without degrees of freedom."""
        half = torch.where(self.ndof > 0, self.ndof / 2, torch.nan)
        return torch.special.gammaincc(half, self.chi2 / 2)

    def to(self, device: torch.device | str) -> SALTFit:
        """The same on another device."""
        return SALTFit(*(getattr(self, f.name).to(device) for f in fields(self)))


def fit_salt3(
    batch: LightCurveBatch,
    options: SALTOptions | None = None,
    surfaces: SALTSurfaces | None = None,
    differentiable: bool = False,
) -> SALTFit:
    """Fit t0, x0, x1 and c of every supernova of a batch, redshift and dust given.

    Args:
        batch: Light curves, with redshifts and Milky-Way E(B-V).
        options: Choices.
        surfaces: The model; default: that of ``options.source``.
        differentiable: ``parameters`` can be differentiated with respect to ``batch.flux`` and
            ``batch.flux_err`` (first derivatives, by the implicit function theorem).

    Raises:
        ConfigError: No such model or band.
    """
    options = options or SALTOptions()
    model = (surfaces or load_surfaces(options.source)).to(batch.device)
    flux, flux_err = batch.flux, batch.flux_err
    scale = 10 ** (0.4 * (FLUXCAL_ZEROPOINT - batch.zeropoint))
    with torch.no_grad():
        data = _Data.of(batch, model, scale)
        result = _nothing(data)
        data.judge(result, options)
        able = torch.nonzero(result.reason == FITTED).squeeze(1)
        # Like redshifts side by side need the fewest wavelengths.
        able = able[data.redshift[able].argsort()]
        slopes = [torch.zeros(*flux.shape, N_PARAMETERS).to(data.flux) for _ in range(2)]
        for rows in able.split(options.chunk) if len(able) else ():
            _Chunk(data, rows, model, options).run(result, slopes if differentiable else None)
    if differentiable:
        by = [scale * s for s in slopes]
        result.parameters = Fitted.apply(flux, flux_err, result.parameters, *by)
    return result


@dataclass
class _Data:
    """What is fitted, in double precision, FLUXCAL."""

    time: Tensor
    flux: Tensor
    flux_err: Tensor
    band: Tensor
    usable: Tensor
    redshift: Tensor
    mwebv: Tensor
    covered: Tensor
    bands: tuple[str, ...]

    @classmethod
    def of(cls, batch: LightCurveBatch, model: SALTSurfaces, scale: float) -> _Data:
        redshift = batch.redshift.double()
        covered = covers(batch.bands, redshift, *model.wave_range)
        flux, flux_err = scale * batch.flux.double(), scale * batch.flux_err.double()
        usable = batch.mask & ~batch.upper_limit & covered.gather(1, batch.band)
        usable &= torch.isfinite(flux) & torch.isfinite(flux_err) & (flux_err > 0)
        return cls(
            time=batch.time.double(),
            flux=torch.where(usable, flux, 0.0),
            flux_err=torch.where(usable, flux_err, 1.0),
            band=batch.band,
            usable=usable,
            redshift=redshift,
            mwebv=batch.mwebv.double(),
            covered=covered,
            bands=batch.bands,
        )

    def judge(self, result: SALTFit, options: SALTOptions) -> None:
        """Why objects cannot be fitted; the first reason of each counts."""
        detected = (self.flux / self.flux_err > options.min_snr) & self.usable
        for reason, bad in (
            (NO_DETECTION, ~detected.any(1)),
            (TOO_FEW, self.usable.sum(1) < options.min_observations),
            (NO_DUST, ~torch.isfinite(self.mwebv)),
            (NO_REDSHIFT, ~(torch.isfinite(self.redshift) & (self.redshift > -1))),
        ):
            result.reason[bad] = reason


def covers(bands: Sequence[str], redshift: Tensor, low: float, high: float) -> Tensor:
    """Whether all of a band lies within rest-frame ``low`` … ``high``, as sncosmo asks: (B, F)."""
    ends = torch.tensor([get_bandpass(name).support for name in bands]).to(redshift)
    rest = ends / (1 + redshift)[:, None, None]
    return (rest[..., 0] > low) & (rest[..., 1] < high)


def _nothing(data: _Data) -> SALTFit:
    n = len(data.flux)
    empty = data.flux.new_full((n,), torch.nan)
    return SALTFit(
        parameters=empty[:, None].repeat(1, N_PARAMETERS),
        covariance=empty[:, None, None].repeat(1, N_PARAMETERS, N_PARAMETERS),
        chi2=empty,
        used=data.usable.clone(),
        covered=data.covered,
        converged=torch.zeros(n, dtype=torch.bool, device=empty.device),
        n_fits=torch.zeros(n, dtype=torch.long, device=empty.device),
        reason=torch.zeros(n, dtype=torch.long, device=empty.device),
    )


class _Chunk:
    """Some supernovae, fitted side by side."""

    def __init__(
        self, data: _Data, rows: Tensor, model: SALTSurfaces, options: SALTOptions
    ) -> None:
        self.rows, self.options = rows, options
        columns = int(data.usable[rows].sum(1).max())
        # Observations that do not count go to the end and, where all have them, away.
        self.order = (~data.usable[rows]).to(torch.int8).argsort(dim=1, stable=True)[:, :columns]
        time, self.flux, self.flux_err, band, self.usable = (
            getattr(data, name)[rows].gather(1, self.order)
            for name in ("time", "flux", "flux_err", "band", "usable")
        )
        redshift = data.redshift[rows]
        seen_bands, band = _compact(band, self.usable)
        names = [data.bands[i] for i in seen_bands]
        self.seen = Observations(time, band, redshift)
        integrals = band_integrals(model, names, redshift, data.mwebv[rows])
        self.light = SALTPhotometry(model.m0.phase, integrals, self.seen)
        self.errors = SALTErrors(model, names, self.seen) if options.model_covariance else None
        one_hot = torch.nn.functional.one_hot(band, len(names)).to(time)
        self.one_hot = one_hot.transpose(1, 2).contiguous()
        mean = time.new_tensor([mean_wavelength(get_bandpass(name)) for name in names])
        self.rest_wave = mean[band] / (1 + redshift)[:, None]
        self.lower, self.upper = self._bounds(model.phase_range)

    def run(self, result: SALTFit, slopes: list[Tensor] | None) -> None:
        """Fit, and write into ``result`` (and ∂θ/∂flux, ∂θ/∂flux_err into ``slopes``)."""
        found, objective = self._first()
        used = previous = self.usable
        n_fits = torch.ones_like(self.rows)
        chosen = self._choice(found.theta)
        again = (chosen != used).any(1) | (self.errors is not None)
        enough = chosen.sum(1) >= self.options.min_observations
        while (go := again & enough & (n_fits < self.options.max_fits)).any():
            at = torch.nonzero(go).squeeze(1)
            before = found.theta[at]
            weights = self._weights(chosen, found.theta, at)
            part = ChiSquare(self.light.take(at), self.flux[at], weights)
            new = minimise(part, before, self.lower[at], self.upper[at])
            _put(found, at, new)
            _put_weights(objective.weights, at, weights)
            previous, used = used, torch.where(go[:, None], chosen, used)
            n_fits[at] += 1
            chosen = self._choice(found.theta)
            enough = chosen.sum(1) >= self.options.min_observations
            changed = (chosen != used).any(1)
            # Two choices that lead to each other: the one that the last fit would end with.
            endless = changed & (chosen == previous).all(1)
            endless &= (self.options.max_fits - n_fits) % 2 == 0
            again = go & ~endless & (changed | self._moved(found, at, before, len(go)))
        self._write(result, found, objective, used, enough, n_fits, slopes)

    def _first(self) -> tuple[Minimum, ChiSquare]:
        """The fit with all observations and their own errors, from several starts."""
        everyone = torch.arange(len(self.rows), device=self.rows.device)
        weights = self._weights(self.usable, None, everyone)
        objective = ChiSquare(self.light, self.flux, weights)
        points = starts(objective, self.lower, self.upper, self.options.starts)
        found = minimise(objective, points[:, 0], self.lower, self.upper)
        for k in range(1, self.options.starts):
            poor = torch.nonzero(found.at.value > self._acceptable()).squeeze(1)
            if not len(poor):
                break
            bounds = self.lower[poor], self.upper[poor]
            other = minimise(objective.take(poor), points[poor, k], *bounds)
            better = torch.nonzero(other.at.value < found.at.value[poor]).squeeze(1)
            _put(found, poor[better], other.take(better))
        return found, objective

    def _acceptable(self) -> Tensor:
        """χ² with which no other start is tried: of mean ndof and variance 2 ndof, (B,)."""
        ndof = (self.usable.sum(1) - N_PARAMETERS).to(self.flux)
        return ndof + GOOD * (2 * ndof).sqrt()

    def _weights(self, counts: Tensor, theta: Tensor | None, at: Tensor) -> Weights:
        """W of the objects ``at``; model errors at the parameters of all, where these count."""
        inverse = counts[at] / self.flux_err[at] ** 2
        if self.errors is None or theta is None:
            return Weights(inverse, None, self.one_hot[at])
        model = self.errors.take(at)(theta[at])
        flux = self.light.take(at).fluxes(theta[at])
        variance = self.flux_err[at] ** 2 + flux**2 * model.variance
        return Weights(counts[at] / variance, flux * model.dispersion, self.one_hot[at])

    def _choice(self, theta: Tensor) -> Tensor:
        """Observations within the ranges of phase and wavelength, shape (B, T)."""
        chosen, options = self.usable, self.options
        if options.phase_range is not None:
            phase = (self.seen.time - theta[:, :1]) / (1 + self.seen.redshift)[:, None]
            chosen = chosen & (phase > options.phase_range[0]) & (phase < options.phase_range[1])
        if options.wave_range is not None:
            low, high = options.wave_range
            chosen = chosen & (self.rest_wave > low) & (self.rest_wave < high)
        return chosen

    def _moved(self, found: Minimum, at: Tensor, before: Tensor, n: int) -> Tensor:
        """Whether model errors ask for another fit, shape (B,)."""
        moved = torch.zeros(n, dtype=torch.bool, device=at.device)
        if self.errors is not None:
            errors = covariance(found.at.hessian[at]).diagonal(dim1=1, dim2=2).sqrt()
            change = (found.theta[at] - before).abs() / errors
            moved[at] = (change > self.options.refit_change).any(1)
        return moved

    def _bounds(self, phase_range: tuple[float, float]) -> tuple[Tensor, Tensor]:
        """As in sncosmo, the model must touch the observations; shape (B, 4) each."""
        stretch = 1 + self.seen.redshift
        first = self.seen.time.masked_fill(~self.usable, torch.inf).amin(1)
        last = self.seen.time.masked_fill(~self.usable, -torch.inf).amax(1)
        ranges = (self.options.x1_range, self.options.c_range)
        both = []
        for side, t0 in enumerate(
            (first - phase_range[1] * stretch, last - phase_range[0] * stretch)
        ):
            x0 = torch.full_like(t0, (-torch.inf, torch.inf)[side])
            others = [torch.full_like(t0, r[side]) for r in ranges]
            both.append(torch.stack([t0, x0, *others], -1))
        return both[0], both[1]

    def _write(
        self,
        result: SALTFit,
        found: Minimum,
        objective: ChiSquare,
        used: Tensor,
        enough: Tensor,
        n_fits: Tensor,
        slopes: list[Tensor] | None,
    ) -> None:
        inverse = covariance(found.at.hessian)
        inside = ((found.theta > self.lower) & (found.theta < self.upper)).all(1)
        sound = torch.isfinite(inverse).all(-1).all(-1)
        places = torch.zeros_like(result.used[self.rows]).scatter(1, self.order, used)
        good = self.rows[enough]
        result.parameters[good] = found.theta[enough]
        result.covariance[good] = inverse[enough]
        result.chi2[good] = found.at.value[enough]
        result.used[self.rows] = places
        result.converged[self.rows] = found.converged & inside & sound & enough
        result.n_fits[self.rows] = n_fits
        result.reason[self.rows[~enough]] = TOO_FEW
        if slopes is not None:
            made = sensitivities(objective, found.theta, inverse, self.flux_err)
            for all_slopes, mine in zip(slopes, made, strict=True):
                wide = torch.zeros_like(all_slopes[self.rows])
                order = self.order[..., None].expand(-1, -1, N_PARAMETERS)
                all_slopes[self.rows] = wide.scatter(1, order, mine)


def covariance(hessian: Tensor) -> Tensor:
    """Inverse of half the Hessian (B, 4, 4); NaN where it is not positive definite."""
    scale = hessian.diagonal(dim1=1, dim2=2).clamp(min=0).rsqrt()
    scale = torch.where(torch.isfinite(scale), scale, torch.nan)
    outer = scale[:, :, None] * scale[:, None]
    identity = torch.eye(hessian.shape[-1]).to(hessian)
    usable = torch.isfinite(outer).all(-1).all(-1)[:, None, None]
    factor, failed = torch.linalg.cholesky_ex(torch.where(usable, hessian * outer, identity))
    inverse = torch.cholesky_inverse(factor) * outer
    return torch.where((failed == 0)[:, None, None] & usable, inverse, torch.nan)


def _compact(band: Tensor, usable: Tensor) -> tuple[list[int], Tensor]:
    """Bands that occur, and each observation's index among them."""
    occurring, index = torch.unique(band[usable]), torch.zeros_like(band)
    index[usable] = torch.searchsorted(occurring, band[usable])
    return occurring.tolist(), index


def _put(found: Minimum, at: Tensor, new: Minimum) -> None:
    found.theta[at], found.converged[at] = new.theta, new.converged
    for f in fields(new.at):
        getattr(found.at, f.name)[at] = getattr(new.at, f.name)


def _put_weights(weights: Weights, at: Tensor, new: Weights) -> None:
    weights.inverse[at] = new.inverse
    if new.shared is not None:
        if weights.shared is None:
            weights.shared = torch.zeros_like(weights.inverse)
        weights.shared[at] = new.shared
