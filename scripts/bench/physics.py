"""Physics against reference numbers and other libraries: photometry, quadrature, dust, distances.

Reads the reference numbers and Foundation DR1 from ``shared`` beside the clone
($SNTORCH_SHARED); rows that need them say so where they are absent.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import extinction
import numpy as np
import pandas as pd
import torch
from astropy import cosmology as astropy_cosmology
from astropy import units
from dust_extinction.parameter_averages import F99
from table import Row, main
from torch import Tensor

from sntorch import read
from sntorch.physics.bandpasses import get_bandpass
from sntorch.physics.cosmology import Cosmology
from sntorch.physics.extinction import fitzpatrick99
from sntorch.physics.sed import SEDModel

SHARED = Path(os.environ.get("SNTORCH_SHARED", Path(__file__).resolve().parents[3] / "shared"))
REFERENCE = SHARED / "reference" / "bayesn"
DRAWS, QUICK_DRAWS = 100, 10


def rows(quick: bool) -> Iterable[Row]:
    """All rows of this script."""
    torch.manual_seed(0)
    draws = QUICK_DRAWS if quick else DRAWS
    if REFERENCE.is_dir():
        yield zero_points()
        yield from photometry()
        yield spectra()
        yield quadrature(draws, population=True)
        yield quadrature(draws, population=False)
    else:
        command = "run with SNTORCH_SHARED=…"
        yield Row("ground", "photometry, spectra, zero points", "< 1e-6", command, met="run")
        yield Row("ground", "quadrature against grid", "< 0.5 mmag", command, met="run")
    yield dust()
    yield other_dust()
    yield distances()
    yield speed()
    yield from ratios()


def zero_points() -> Row:
    """All 86 bands of the reference."""
    table = pd.read_csv(REFERENCE / "zeropoints.csv").query("band != 'NULL_BAND'")
    ours = np.array([get_bandpass(name).zeropoint for name in table.band])
    worst = float(np.abs(ours - table.zp).max())
    what = f"zero points of {len(table)} bands against bayesn 0.4.0"
    return limit_row(what, "< 1e-6 mag", worst, 1e-6, "mag")


def photometry() -> Iterator[Row]:
    """Every row of photometry.csv with both integrators."""
    table = pd.read_csv(REFERENCE / "photometry.csv")
    for integrator, bound, target in (
        ("grid", 1e-6, "< 1e-6 mag"),
        ("quadrature", 5e-4, "< 0.5 mmag"),
    ):
        worst = max(case_error(case, integrator) for _, case in table.groupby(["model", "case"]))
        what = f"photometry.csv ({len(table)} rows), {integrator}"
        yield limit_row(what, target, worst, bound, "mag")


def case_error(case: pd.DataFrame, integrator: str) -> float:
    """Largest difference in magnitude over the bands and phases of one parameter set."""
    first = case.iloc[0]
    bands = list(case.band.unique())
    index = torch.tensor([[bands.index(band) for band in case.band]])
    flux = SEDModel.from_name(first.model).flux_at(
        case.t_rest_minus_ref.to_numpy()[None],
        index,
        bands,
        theta=first.theta,
        av=first.AV,
        rv=first.RV,
        epsilon=reference_epsilon() if first.eps_used else None,
        redshift=first.z,
        distmod=first.mu,
        mwebv=first.ebv_mw,
        tmax=first.tmax,
        integrator=integrator,
    )
    return float(
        (27.5 - 2.5 * torch.log10(flux[0]) - torch.tensor(case.mag.to_numpy())).abs().max()
    )


def reference_epsilon() -> Tensor:
    """The residual surface of the rows with ``eps_used``.

    The table of it holds zeros only. Solving the 36 rows for the 24 values gives, to all digits,
    the model's Cholesky factor times the first normals of numpy's generator with seed 42.
    """
    normals = np.random.default_rng(42).standard_normal(24)
    return SEDModel.from_name("t21").epsilon_surface(torch.from_numpy(normals))


def spectra() -> Row:
    """Every row of spectra.csv."""
    worst = 0.0
    for _, case in pd.read_csv(REFERENCE / "spectra.csv").groupby(["model", "spec"]):
        first = case.iloc[0]
        parameters: Any = {"theta": first.theta, "av": first.AV, "rv": first.RV}
        ours = SEDModel.from_name(str(first.model)).spectrum(
            [0.0, 15.5], case.wave_rest_A.to_numpy(), **parameters
        )
        theirs = torch.from_numpy(case[["flux_t0", "flux_t15.5"]].to_numpy().T.copy())
        worst = max(worst, float((ours / theirs - 1).abs().max()))
    return limit_row("spectra.csv, relative", "< 1e-6", worst, 1e-6)


def quadrature(draws: int, population: bool) -> Row:
    """Band quadrature against the grid at every Foundation observation, T21.

    Args:
        draws: Parameter sets for each supernova.
        population: Parameters from the population with R_V between 1.5 and 5; otherwise W is
            normal with three magnitudes at every knot, as a sampler's bad first value could be.
    """
    sed = SEDModel.from_name("t21")
    batch = read(SHARED / "data" / "foundation_dr1").to_batch()
    phase = (batch.time - batch.t_ref[:, None]) / (1 + batch.redshift[:, None])
    used = batch.mask & (phase > sed.phase_range[0]) & (phase < sed.phase_range[1])
    known = {"redshift": batch.redshift, "mwebv": batch.mwebv, "distmod": 35.0}
    errors, least = [], torch.inf
    for _ in range(draws):
        unknown = population_draw(sed, len(batch)) if population else wild_draw(sed, len(batch))
        fast, full = (
            sed.flux_at(phase, batch.band, batch.bands, **known, **unknown, integrator=kind)[used]
            for kind in ("quadrature", "grid")
        )
        errors.append(2500 * torch.log10(fast / full))
        least = min(least, float((fast / full).min()))
    mmag = torch.cat(errors)
    worst, rms = float(mmag.abs().max()), float(mmag.square().mean().sqrt())
    kind = "population" if population else "3 mag of noise at every knot"
    n_used = int(used.sum())
    what = f"quadrature against grid, {n_used} Foundation observations × {draws}, {kind}"
    measured = f"worst {worst:.3f}, rms {rms:.4f} mmag; least flux {least:.4f} of the grid's"
    if population:
        met = yes(worst < 0.5 and least > 0)
        return Row("ground", what, "< 0.5 mmag worst, never negative", measured, met=met)
    return Row("ground", what, "never negative", measured, met=yes(least > 0))


def population_draw(sed: SEDModel, n: int) -> dict[str, Tensor]:
    """Parameters of n supernovae from the model's population, with t_max and R_V varied."""
    return {
        "theta": torch.randn(n, dtype=torch.float64),
        "av": -sed.tau_a * torch.log(torch.rand(n, dtype=torch.float64)),
        "rv": 1.5 + 3.5 * torch.rand(n, dtype=torch.float64),
        "epsilon": sed.sample_epsilon(n),
        "tmax": 2 * torch.randn(n, dtype=torch.float64),
    }


def wild_draw(sed: SEDModel, n: int) -> dict[str, Tensor]:
    """Surfaces that no supernova has."""
    return {"epsilon": 3 * torch.randn(n, *sed.w0.shape, dtype=torch.float64)}


def dust() -> Row:
    """Against ``extinction.fitzpatrick99``, 1000 Å to 3.3 µm, R_V from 1.5 to 6."""
    wave = np.geomspace(1000, 33000, 2000)
    worst = 0.0
    for rv in (1.5, 2.1, 2.61, 3.1, 4.0, 5.0, 6.0):
        theirs = extinction.fitzpatrick99(wave, 1.0, rv)
        ours = fitzpatrick99(torch.from_numpy(wave), rv).numpy()
        worst = max(worst, float(np.abs(ours / theirs - 1).max()))
    what = "F99 against extinction.fitzpatrick99, 0.1-3.3 µm, R_V 1.5-6, relative"
    return limit_row(what, "< 1e-6", worst, 1e-6)


def other_dust() -> Row:
    """Against ``dust_extinction``, whose anchors differ."""
    wave = np.geomspace(1200, 33000, 2000)
    law: Any = F99
    theirs = law(Rv=3.1)(1e4 / wave / units.Unit("micron"))
    ours = fitzpatrick99(torch.from_numpy(wave), 3.1).numpy()
    worst = float(np.abs(ours - theirs).max())
    return Row("ground", "F99 against dust_extinction F99, A/A_V", "reported", f"{worst:.1e}")


def distances() -> Row:
    """Luminosity distances and volumes in five universes against astropy, z = 0.001 to 10."""
    z = np.geomspace(1e-3, 10, 200)
    worst = 0.0
    for h0, om0, ode0, w0, wa in (
        (73.24, 0.28, 0.72, -1.0, 0.0),
        (70.0, 0.3, 0.7, -0.8, 0.0),
        (70.0, 0.3, 0.7, -0.9, -0.4),
        (67.0, 0.3, 0.8, -1.1, 0.3),
        (72.0, 0.25, 0.6, -1.0, 0.2),
    ):
        universe: Any = astropy_cosmology.w0waCDM
        theirs = universe(h0, om0, ode0, w0=w0, wa=wa, Tcmb0=0)
        ours = Cosmology(h0, om0, ode0, w0, wa)
        for name in ("luminosity_distance", "comoving_volume"):
            found = getattr(ours, name)(torch.from_numpy(z)).numpy()
            wanted = getattr(theirs, name)(z).value
            worst = max(worst, float(np.abs(found / wanted - 1).max()))
    what = "distances and volumes against astropy, curved w0wa, z 0.001-10, relative"
    return limit_row(what, "< 1e-6", worst, 1e-6)


def speed() -> Row:
    """Photometry of 10,000 supernovae, weights of the bands included."""
    sed, n = SEDModel.from_name("w22"), 10_000
    phase, redshift = 50 * torch.rand(n, 60) - 10, 0.02 + 0.3 * torch.rand(n)
    band = torch.randint(0, 4, (n, 60))
    epsilon, theta = sed.sample_epsilon(n), torch.randn(n)
    started = time.perf_counter()
    sed.flux_at(
        phase,
        band,
        ("desg", "desr", "desi", "desz"),
        theta=theta,
        av=0.2,
        epsilon=epsilon,
        redshift=redshift,
        mwebv=0.03,
    )
    seconds = time.perf_counter() - started
    what = "flux of 10,000 SNe × 60 observations in 4 bands, W22, all set-up included"
    return Row("ground", what, "≤ 4 s", f"{seconds:.1f} s", met=yes(seconds <= 4))


def ratios() -> Iterator[Row]:
    """Both integrators on the same supernovae, and the calls alone once prepared."""
    sed, n = SEDModel.from_name("w22"), 1000
    phase = 50 * torch.rand(n, 60, dtype=torch.float64) - 10
    band = torch.randint(0, 4, (n, 60))
    bands = ("desg", "desr", "desi", "desz")
    redshift = 0.02 + 0.3 * torch.rand(n, dtype=torch.float64)
    drawn = {"theta": torch.randn(n), "av": 0.2, "epsilon": sed.sample_epsilon(n)}
    whole, calls = {}, {}
    for kind in ("quadrature", "grid"):
        whole[kind] = seconds(
            lambda kind=kind: sed.flux_at(
                phase, band, bands, redshift=redshift, mwebv=0.03, integrator=kind, **drawn
            )
        )
        prepared = sed.integrator(bands, redshift[:256], 0.03, kind)
        warp = sed.warp(torch.zeros(256), drawn["epsilon"][:256])
        dust = torch.full((2, 256), 0.2, dtype=torch.float64) + torch.tensor([[0.0], [2.4]])
        calls[kind] = seconds(
            lambda call=prepared, w=warp, d=dust: call(phase[:256], band[:256], w, *d)
        )
    yield speed_row("flux of 1,000 SNe × 60 observations, W22 DES griz, with set-up", whole)
    yield speed_row("the same, 256 SNe, weights prepared", calls)


def seconds(work: Callable[[], Tensor]) -> float:
    """Least wall time of five runs."""
    times = []
    for _ in range(5):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def speed_row(what: str, times: dict[str, float]) -> Row:
    """Quadrature against grid."""
    fast, full = (1000 * times[kind] for kind in ("quadrature", "grid"))
    measured, reference = f"{fast:.0f} ms", f"grid: {full:.0f} ms"
    return Row("ground", what, "reported", measured, reference, f"{full / fast:.1f}× faster")


def limit_row(what: str, target: str, worst: float, bound: float, unit: str = "") -> Row:
    """A row for a largest difference."""
    return Row("ground", what, target, f"{worst:.1e} {unit}".strip(), met=yes(worst < bound))


def yes(met: bool) -> str:
    """As the table says it."""
    return "yes" if met else "no"


if __name__ == "__main__":
    main(rows)
