"""Photometry and spectra against numbers that other programs printed, and other libraries."""

from typing import Any

import extinction
import numpy as np
import pandas as pd
import pytest
import torch

from sntorch import read
from sntorch.physics.bandpasses import get_bandpass
from sntorch.physics.sed import SEDModel

PARAMETERS = {
    "theta": "theta",
    "av": "AV",
    "rv": "RV",
    "redshift": "z",
    "distmod": "mu",
    "mwebv": "ebv_mw",
    "tmax": "tmax",
}


@pytest.fixture(scope="module")
def reference(shared):
    return shared / "reference" / "bayesn"


def flux_of(case, integrator="grid", epsilon=None):
    """Fluxes and the table's own of one parameter set."""
    bands = sorted(case.band.unique())
    index = torch.tensor([[bands.index(name) for name in case.band]])
    parameters = {ours: float(case.iloc[0][theirs]) for ours, theirs in PARAMETERS.items()}
    sed = SEDModel.from_name(case.iloc[0].model)
    phase = case.t_rest_minus_ref.to_numpy()[None]
    return sed.flux_at(phase, index, bands, epsilon=epsilon, integrator=integrator, **parameters)


def magnitudes(flux):
    return 27.5 - 2.5 * torch.log10(flux[0])


def test_photometry(reference):
    table = pd.read_csv(reference / "photometry.csv").query("eps_used == 0")
    assert len(table) == 477
    for _, case in table.groupby(["model", "case"]):
        for integrator, bound in (("grid", 1e-6), ("quadrature", 5e-4)):
            flux = flux_of(case, integrator)
            assert np.abs(magnitudes(flux).numpy() - case.mag).max() < bound
            assert np.abs(flux[0].numpy() / case.fluxcal - 1).max() < bound


def test_photometry_with_a_residual_surface(reference):
    """The rows' surface was not kept; solved for, it is L_Σ times numpy's normals of seed 42."""
    case = pd.read_csv(reference / "photometry.csv").query("eps_used == 1")
    assert len(case) == 36
    normals = torch.from_numpy(np.random.default_rng(42).standard_normal(24))
    surface = SEDModel.from_name("t21").epsilon_surface(normals)
    for integrator, bound in (("grid", 1e-6), ("quadrature", 5e-4)):
        found = magnitudes(flux_of(case, integrator, surface)).numpy()
        assert np.abs(found - case.mag).max() < bound


def test_spectra(reference):
    for _, case in pd.read_csv(reference / "spectra.csv").groupby(["model", "spec"]):
        first = case.iloc[0]
        found = SEDModel.from_name(str(first.model)).spectrum(
            [0.0, 15.5],
            case.wave_rest_A.to_numpy(),
            theta=float(first.theta),
            av=float(first.AV),
            rv=float(first.RV),
        )
        wanted = case[["flux_t0", "flux_t15.5"]].to_numpy().T
        np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-6)


@pytest.mark.parametrize("mwebv", [0.0, 0.3])
@pytest.mark.parametrize("name", ["ps1::g", "desz", "lsstr", "bessellb"])
def test_direct_integration_of_the_spectrum(name, mwebv):
    """∫ λ T F_λ dλ / ∫ λ T F_AB dλ on a fine observer grid, Milky-Way dust by another library.

    The model's grid of 30 Å is a Riemann sum of steep lines: 5 mmag is how well it integrates.
    """
    sed, z, distmod, phase = SEDModel.from_name("m20"), 0.2, 40.0, [-5.0, 0.0, 12.5]
    parameters: Any = {"theta": 0.7, "av": 0.4, "rv": 2.2}
    band = get_bandpass(name)
    wave = np.arange(band.wave[0], band.wave[-1], 1.0)
    transmission = np.interp(wave, band.wave, band.transmission)
    rest = sed.spectrum(phase, wave / (1 + z), **parameters).numpy() / (1 + z)
    observed = rest * 10 ** (-0.4 * extinction.fitzpatrick99(wave, 3.1 * mwebv, 3.1))
    photons = (observed * wave * transmission).sum(-1) / (wave * transmission).sum()
    wanted = -2.5 * np.log10(photons) + band.zeropoint + sed.m0 + distmod
    found = sed.magnitude(
        phase, [name], redshift=z, distmod=distmod, mwebv=mwebv, integrator="grid", **parameters
    )
    np.testing.assert_allclose(found[0].numpy(), wanted, atol=0.005)


@pytest.mark.parametrize("band", ["ps1::g", "desr", "lssty"])
def test_milky_way_dust_against_sncosmo(band, shared):
    """The dimming by dust, of our own SED given to sncosmo, with its F99 law."""
    import sncosmo

    sed, z = SEDModel.from_name("m20"), 0.1
    wave, phase = np.arange(3000.0, 18000.0, 2.0), np.arange(-10.0, 41.0, 1.0)
    source = sncosmo.TimeSeriesSource(phase, wave, sed.spectrum(phase, wave).numpy())
    model = sncosmo.Model(source, [sncosmo.F99Dust(r_v=3.1)], ["mw"], ["obs"])
    ours = get_bandpass(band)
    theirs = sncosmo.Bandpass(ours.wave, ours.transmission, trim_level=1e-4)
    dimming = []
    for ebv in (0.0, 0.4):
        model.set(z=z, t0=0, amplitude=1, mwebv=ebv)
        dimming.append(model.bandflux(theirs, np.array([0.0, 10 * (1 + z)])))
    wanted = -2.5 * np.log10(dimming[1] / dimming[0])
    clear, dusty = (sed.magnitude([0, 10], [band], redshift=z, mwebv=e)[0] for e in (0.0, 0.4))
    np.testing.assert_allclose((dusty - clear).numpy(), wanted, atol=2e-3)


@pytest.fixture(scope="module")
def foundation(shared):
    return read(shared / "data" / "foundation_dr1").to_batch()


def test_quadrature_on_foundation(foundation):
    """All observations in the model's days, parameters from the population."""
    sed, n = SEDModel.from_name("t21"), len(foundation)
    generator = torch.Generator().manual_seed(1)
    uniform = torch.rand(3, n, generator=generator, dtype=torch.float64)
    phase = (foundation.time - foundation.t_ref[:, None]) / (1 + foundation.redshift[:, None])
    tmax = 4 * uniform[2] - 2
    seen = phase - tmax[:, None]
    used = foundation.mask & (seen > -10) & (seen < 40)
    arguments = {
        "theta": torch.randn(n, generator=generator, dtype=torch.float64),
        "av": -sed.tau_a * torch.log(uniform[0]),
        "rv": 1.5 + 3 * uniform[1],
        "epsilon": sed.sample_epsilon(n, generator),
        "tmax": tmax,
        "redshift": foundation.redshift,
        "mwebv": foundation.mwebv,
        "distmod": 35.0,
    }
    fast, full = (
        sed.flux_at(phase, foundation.band, foundation.bands, integrator=kind, **arguments)[used]
        for kind in ("quadrature", "grid")
    )
    assert int(used.sum()) > 4000
    assert (fast > 0).all()
    assert (2.5 * torch.log10(fast / full)).abs().max() < 5e-4
