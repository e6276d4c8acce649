"""Batched SALT3 fits beside sncosmo's ``fit_lc`` and saltjax, in one run.

The same light curves, the same bandpasses (ours, registered in sncosmo) and F99 dust for all
three: 180 real ones of Foundation DR1, cut once to days -15 … 45, and simulated ones in PS1 griz.
Times are CPU time on one thread, ms a SN, tables of redshift and dust included; saltjax's is
that of a second call, which has nothing to compile. It is not among our dependencies: without it
(``pip install saltjax``) its own figure is quoted. sncosmo fits the first of each sample (needs
iminuit); differences are in its standard deviations.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from foundation import SHARED
from table import Row, main

from sntorch.data.io import read
from sntorch.data.light_curve import LightCurve, LightCurves
from sntorch.physics.bandpasses import get_bandpass
from sntorch.physics.salt.bands import band_integrals
from sntorch.physics.salt.photometry import PARAMETERS, Observations, SALTPhotometry
from sntorch.simulation.salt.fit import fit_salt3
from sntorch.simulation.salt.loading import load_surfaces
from sntorch.simulation.salt.options import SALTOptions
from sntorch.simulation.salt.result import SALTFit

BANDS = ("ps1::g", "ps1::r", "ps1::i", "ps1::z")
QUOTED = {False: 2.4, True: 6.7}
SIMULATED, MEASURED = "simulated", "first call"
WINDOW = (-15.0, 45.0)
N_SIMULATED, N_SNCOSMO, N_QUICK = 600, 40, 5
LIMIT = 0.02
TARGET = f"faster than saltjax; within {LIMIT} σ of sncosmo"


def rows(quick: bool) -> Iterable[Row]:
    """A row a sample, without and with model errors; then x1 and c beside the published ones."""
    if not (SHARED / "data" / "sncosmo").is_dir():
        yield Row("sbi", "batched SALT3 fit", TARGET, "run with SNTORCH_SHARED=…", met="run")
        return
    os.environ.setdefault("SNCOSMO_DATA_DIR", str(SHARED / "data" / "sncosmo"))
    torch.set_num_threads(1)
    _register()
    real = _foundation()
    samples = {
        "Foundation DR1": real,
        SIMULATED: _simulated(N_SIMULATED // (10 if quick else 1)),
    }
    for name, curves in samples.items():
        for model_errors in (False, True):
            yield _row(name, curves, model_errors, N_QUICK if quick else N_SNCOSMO)
    yield _published(real)


def _row(name: str, curves: Sequence[LightCurve], model_errors: bool, n: int) -> Row:
    batch = LightCurves(curves).to_batch()
    options = SALTOptions(model_covariance=model_errors)
    load_surfaces(options.source)
    fit_salt3(batch[:10], options)
    fit, ours = _timed(lambda: fit_salt3(batch, options), len(curves))
    # It compiles anew for each length of light curve: only the simulated ones have one length.
    theirs, quoted = _saltjax(curves if name == SIMULATED else (), model_errors)
    worst, middle, slow = _against_sncosmo(curves[:n], fit, model_errors)
    measured = f"{ours:.2f} ms; {worst:.4f} σ (median {middle:.4f})"
    errors = "with" if model_errors else "without"
    return Row(
        "sbi",
        f"batched SALT3 fit, {errors} model errors: {len(curves)} SNe, {name}",
        TARGET,
        f"{measured}; {int(fit.converged.sum())} converged",
        reference=f"saltjax {theirs:.2f} ms{quoted}; sncosmo {slow:.0f} ms ({n} SNe)",
        ratio=f"{theirs / ours:.1f}",
        met=_met(ours < theirs, worst, measured_beside=MEASURED in quoted),
    )


def _met(faster: bool, worst: float, measured_beside: bool) -> str:
    """A time of another machine decides nothing; a difference from sncosmo does."""
    if worst >= LIMIT:
        return "no"
    return ("yes" if faster else "no") if measured_beside else "-"


def _timed(run: Callable[[], Any], n: int) -> tuple[Any, float]:
    """A result and its CPU time, ms a SN."""
    begun = time.process_time()
    result = run()
    return result, 1e3 * (time.process_time() - begun) / n


def _saltjax(curves: Sequence[LightCurve], model_errors: bool) -> tuple[float, str]:
    """CPU time, ms a SN, and a remark."""
    if not curves or not find_spec("saltjax"):
        return QUOTED[model_errors], " (its own account, not measured)"
    import pandas as pd
    import saltjax  # pyright: ignore[reportMissingImports]
    import sncosmo

    parts = []
    for lc in curves:
        columns = {"time": lc.time, "band": lc.band, "flux": lc.flux, "fluxerr": lc.flux_err}
        parts.append(pd.DataFrame(columns).assign(zp=27.5, zpsys="ab"))
    data = pd.concat(parts, keys=[lc.object_id for lc in curves])
    targets = pd.DataFrame(
        {"z": [lc.redshift for lc in curves], "mwebv": [lc.mwebv for lc in curves]},
        index=[lc.object_id for lc in curves],
    )
    dust = {"effects": [sncosmo.F99Dust(r_v=3.1)], "effect_names": ["mw"]}

    def run() -> Any:
        return saltjax.fit_salt(
            data,
            targets,
            source="salt3",
            modelcov=model_errors,
            phase_range=None,
            effect_frames=["obs"],
            **dust,
        )

    _, first = _timed(run, len(curves))
    _, later = _timed(run, len(curves))
    return later, f" ({MEASURED} {first:.0f})"


def _against_sncosmo(
    curves: Sequence[LightCurve], fit: SALTFit, model_errors: bool
) -> tuple[float, float, float]:
    """Largest and median difference, σ, and sncosmo's CPU time, ms a SN; NaN without iminuit."""
    import sncosmo
    from astropy.table import Table

    model = sncosmo.Model("salt3", [sncosmo.F99Dust(r_v=3.1)], ["mw"], ["obs"])
    off, spent = [], 0.0
    for i, lc in enumerate(curves):
        columns = {"time": lc.time, "band": lc.band, "flux": lc.flux, "fluxerr": lc.flux_err}
        n = len(lc)
        table = Table({**columns, "zp": [27.5] * n, "zpsys": ["ab"] * n})
        model.set(z=lc.redshift, mwebv=lc.mwebv, x1=0.0, c=0.0)
        begun = time.process_time()
        try:
            found, _ = sncosmo.fit_lc(table, model, list(PARAMETERS), modelcov=model_errors)
        except ValueError:
            return float("nan"), float("nan"), float("nan")
        spent += time.process_time() - begun
        values = dict(zip(found.param_names, found.parameters, strict=True))
        theirs = np.array([values[name] for name in PARAMETERS])
        errors = np.array([found.errors[name] for name in PARAMETERS])
        off.append(np.abs(fit.parameters[i].numpy() - theirs) / errors)
    return float(np.max(off)), float(np.median(off)), 1e3 * spent / len(curves)


def _register() -> None:
    """Our bandpasses in sncosmo, so that all fit with the same."""
    import sncosmo

    for name in BANDS:
        ours = get_bandpass(name)
        curve = sncosmo.Bandpass(ours.wave, ours.transmission, name=name)
        sncosmo.register(curve, name, force=True)


def _foundation() -> LightCurves:
    """The real light curves, only the observations within the window of days."""
    curves = read(SHARED / "data" / "foundation_dr1")
    batch = curves.to_batch()
    fit = fit_salt3(batch, SALTOptions(phase_range=WINDOW))
    return batch.where(fit.used).to_light_curves()


def _simulated(n: int) -> LightCurves:
    """SNe Ia of SALT3 in griz, 40 observations each."""
    surfaces, rng = load_surfaces("salt3"), np.random.default_rng(7)
    z, mwebv = rng.uniform(0.02, 0.1, n), rng.uniform(0, 0.1, n)
    x0 = 2e-3 * (0.03 / z) ** 2 * rng.lognormal(0, 0.1, n)
    theta = np.c_[57000 + 50 * rng.random(n), x0, rng.normal(0, 1, n), rng.normal(0, 0.1, n)]
    phase = np.sort(rng.uniform(*WINDOW, (n, 40)), 1)
    time_ = theta[:, :1] + phase * (1 + z)[:, None]
    band = rng.integers(len(BANDS), size=time_.shape)
    seen = Observations(*(torch.as_tensor(v) for v in (time_, band, z)))
    integrals = band_integrals(surfaces, BANDS, seen.redshift, torch.as_tensor(mwebv))
    light = SALTPhotometry(surfaces.m0.phase, integrals, seen)
    true = light.fluxes(torch.as_tensor(theta)).numpy()
    err = np.hypot(0.01 * true, true.max(1, keepdims=True) / 30)
    flux = true + err * rng.normal(size=true.shape)
    names = np.array(BANDS)
    columns = zip(time_, flux, err, names[band], z, mwebv, strict=True)
    return LightCurves(
        LightCurve.from_arrays(f"S{i}", *row[:4], redshift=row[4], mwebv=row[5])
        for i, row in enumerate(columns)
    )


def _published(curves: Sequence[LightCurve]) -> Row:
    """x1 and c beside those that SNANA published with SALT2."""
    text = (SHARED / "data" / "Foundation_DR1.FITRES.TEXT").read_text().splitlines()
    (names,) = (line.split()[1:] for line in text if line.startswith("VARNAMES:"))
    fitted = [
        dict(zip(names, line.split()[1:], strict=True)) for line in text if line[:3] == "SN:"
    ]
    published = {row["CID"]: (float(row["x1"]), float(row["c"])) for row in fitted}
    fit = fit_salt3(LightCurves(curves).to_batch(), SALTOptions(model_covariance=True))
    theirs = np.array([published[lc.object_id] for lc in curves])
    off = fit.parameters[:, 2:].numpy() - theirs
    median, scatter = np.median(off, 0), 1.4826 * np.median(np.abs(off - np.median(off, 0)), 0)
    return Row(
        "sbi",
        "SALT3 with model errors less published SALT2 (SNANA), Foundation DR1: x1, c",
        "-",
        f"median {median[0]:+.3f}, {median[1]:+.4f}; robust sd {scatter[0]:.3f}, {scatter[1]:.4f}",
    )


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(rows)
