"""Some supernovae fitted side by side, again and again until the choice of observations stays.

The order of events is that of ``fit``, after sncosmo's ``fit_lc``.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sntorch.physics.bandpasses import get_bandpass
from sntorch.physics.salt.bands import band_integrals
from sntorch.physics.salt.covariance import SALTErrors, mean_wavelength
from sntorch.physics.salt.photometry import Observations, SALTPhotometry
from sntorch.physics.salt.surfaces import SALTSurfaces
from sntorch.simulation.salt.data import FitData
from sntorch.simulation.salt.implicit import sensitivities
from sntorch.simulation.salt.minimise import Minimum, minimise
from sntorch.simulation.salt.objective import ChiSquare, Weights
from sntorch.simulation.salt.options import N_PARAMETERS, SALTOptions
from sntorch.simulation.salt.result import TOO_FEW, SALTFit
from sntorch.simulation.salt.starts import starts

# Standard deviations of χ² above its mean up to which a fit is good.
GOOD = 3.0


class Chunk:
    """Some supernovae, fitted side by side."""

    def __init__(
        self, data: FitData, rows: Tensor, model: SALTSurfaces, options: SALTOptions
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
            found.put(at, new)
            objective.weights.put(at, weights)
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
            found.put(poor[better], other.take(better))
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
            errors = found.at.take(at).covariance().diagonal(dim1=1, dim2=2).sqrt()
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
        inverse = found.at.covariance()
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


def _compact(band: Tensor, usable: Tensor) -> tuple[list[int], Tensor]:
    """Bands that occur, and each observation's index among them."""
    occurring, index = torch.unique(band[usable]), torch.zeros_like(band)
    index[usable] = torch.searchsorted(occurring, band[usable])
    return occurring.tolist(), index
