"""Simulated SALT light curves, and the same model in sncosmo with our bandpasses."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch

from sntorch.data.light_curve import LightCurve, LightCurves
from sntorch.physics.bandpasses import get_bandpass
from sntorch.physics.salt.bands import band_integrals
from sntorch.physics.salt.photometry import Observations, SALTPhotometry
from sntorch.simulation.sncosmo_source import load_sncosmo_source

BANDS = ("ps1::g", "ps1::r", "ps1::i", "ps1::z")
NAMES = ("t0", "x0", "x1", "c")


def truth(n, seed=0):
    """Redshift, E(B-V) and t0, x0, x1, c of n supernovae."""
    rng = np.random.default_rng(seed)
    z = rng.uniform(0.02, 0.1, n)
    x0 = 2e-3 * (0.03 / z) ** 2 * rng.lognormal(0, 0.1, n)
    theta = np.stack([57000 + rng.uniform(0, 50, n), x0, rng.normal(0, 1, n)], -1)
    return z, rng.uniform(0, 0.1, n), np.c_[theta, rng.normal(0, 0.1, n)]


def simulated(surfaces, n=6, seed=0, snr=30.0, noise=1.0, last=42.0, epochs=9):
    """Light curves of ``truth``, as a survey would give them."""
    z, mwebv, theta = truth(n, seed)
    rng = np.random.default_rng(seed + 1)
    phase = np.sort(rng.uniform(-12, last, (n, epochs * len(BANDS))), axis=1)
    time = theta[:, :1] + phase * (1 + z)[:, None]
    band = rng.integers(len(BANDS), size=time.shape)
    z_, time_, band_, mwebv_ = (torch.as_tensor(v) for v in (z, time, band, mwebv))
    seen = Observations(time_, band_, z_)
    light = SALTPhotometry(surfaces.m0.phase, band_integrals(surfaces, BANDS, z_, mwebv_), seen)
    flux = light.fluxes(torch.as_tensor(theta)).numpy()
    error = np.hypot(0.01 * flux, flux.max(1, keepdims=True) / snr)
    flux = flux + noise * error * rng.normal(size=flux.shape)
    names = np.array(BANDS)
    return LightCurves(
        LightCurve.from_arrays(
            f"SN{i}", time[i], flux[i], error[i], names[band[i]], redshift=z[i], mwebv=mwebv[i]
        )
        for i in range(n)
    ), torch.as_tensor(theta)


def sncosmo_table(lc):
    """A light curve for sncosmo, with the curves of our bandpasses."""
    import sncosmo
    from astropy.table import Table

    curves = {}
    for name in lc.bands:
        ours = get_bandpass(name)
        curves[name] = sncosmo.Bandpass(ours.wave, ours.transmission, name=name)
    n = len(lc)
    columns = {"time": lc.time, "band": [curves[b] for b in lc.band], "flux": lc.flux}
    return Table({**columns, "fluxerr": lc.flux_err, "zp": [27.5] * n, "zpsys": ["ab"] * n})


# sncosmo takes a second to read a model.
source = cache(load_sncosmo_source)


def sncosmo_model(lc):
    """The model that we fit, in sncosmo."""
    import sncosmo

    model = sncosmo.Model(source("salt3"), [sncosmo.F99Dust(r_v=3.1)], ["mw"], ["obs"])
    model.set(z=lc.redshift, mwebv=lc.mwebv)
    return model


def sncosmo_fit(lc, **options):
    """What ``fit_lc`` finds: parameters and covariance, χ² and degrees of freedom."""
    import sncosmo

    result, _ = sncosmo.fit_lc(sncosmo_table(lc), sncosmo_model(lc), list(NAMES), **options)
    parameters = dict(zip(result.param_names, result.parameters, strict=True))
    return [parameters[n] for n in NAMES], result.covariance, result.chisq, result.ndof
