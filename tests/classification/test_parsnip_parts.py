import numpy as np
import pytest
import sncosmo
import torch

from sntorch.classification.networks.parsnip.bands import LAST, N_BINS, BandWeights
from sntorch.classification.networks.parsnip.decoder import amplitudes
from sntorch.classification.networks.parsnip.encoder import Encoder, Posterior, over_days
from sntorch.classification.networks.parsnip.grid import (
    FIRST_DAY,
    SIDEREAL_DAY,
    WINDOW,
    Jitter,
    gridded,
)
from sntorch.classification.networks.parsnip.objective import misfit, roughness
from sntorch.data.batch import LightCurveBatch
from sntorch.data.light_curve import LightCurve
from sntorch.physics.bandpasses import get_bandpass
from sntorch.physics.extinction import MILKY_WAY_RV, fitzpatrick99
from sntorch.simulation.testing import example_batch

LSST = ("lsstu", "lsstg", "lsstr", "lssti", "lsstz", "lssty")
DES = ("desg", "desr", "desi", "desz")
BANDS = ("desg", "desr", "desi")


def spectrum(wave):
    """A hot continuum with lines as broad as a supernova's, zero beyond the model."""
    lines = sum(
        depth * np.exp(-0.5 * ((wave - centre) / (0.02 * centre)) ** 2)
        for centre, depth in ((3800, 0.5), (4900, 0.3), (6150, 0.6), (8300, 0.4), (2500, 0.5))
    )
    return (wave / 5000) ** -2 * (1 - lines) * (wave <= LAST)


@pytest.mark.parametrize("bands", [LSST, DES])
@pytest.mark.parametrize("mwebv", [0.0, 0.3])
def test_photometry_of_a_known_spectrum_is_sncosmos(bands, mwebv):
    """Against an integral of sncosmo's on 1 Å, of the dimmed spectrum in the observer's frame."""
    weights = BandWeights(bands)
    binned = torch.from_numpy(spectrum(weights.wave.double().numpy())).float()
    wave = np.arange(1000.0, 12500.0, 1.0)
    dust = MILKY_WAY_RV * fitzpatrick99(torch.from_numpy(wave), MILKY_WAY_RV).numpy()
    curves = [get_bandpass(band) for band in bands]
    theirs = [sncosmo.Bandpass(curve.wave, curve.transmission) for curve in curves]
    units = [sncosmo.get_magsystem("ab").zpbandflux(band) for band in theirs]
    for z in (0.0, 0.05, 0.31, 0.78, 1.5):
        observed = spectrum(wave / (1 + z)) / (1 + z) * 10 ** (-0.4 * mwebv * dust)
        seen = sncosmo.Spectrum(wave=wave, flux=observed)
        redshift, reddening = torch.tensor([z]), torch.tensor([mwebv])
        ours = weights.unit * (binned @ weights(redshift, reddening)[0]).double().numpy()
        # All bands at once, as sncosmo prepares the spectrum anew in every call.
        reference = 10 ** (0.4 * 27.5) * seen.bandflux(theirs) / units
        assert ours == pytest.approx(reference, rel=1e-3), z


def test_what_lies_outside_of_the_spectrum_has_no_light():
    weights = BandWeights(LSST)
    far = weights(torch.tensor([4.0]), torch.zeros(1))[0].sum(0)
    near = weights(torch.tensor([0.0]), torch.zeros(1))[0].sum(0)
    assert float(far[0]) == 0
    assert bool((near > 0).all())


def test_gradients_reach_the_redshift():
    redshift = torch.tensor([0.4], requires_grad=True)
    weights, step = BandWeights(DES), 1e-3
    slope = torch.linspace(1, 3, N_BINS)

    def flux(z):
        return (slope @ weights(z, torch.zeros(1))[0]).sum()

    (gradient,) = torch.autograd.grad(flux(redshift), redshift)
    difference = (flux(redshift + step) - flux(redshift - step)) / (2 * step)
    torch.testing.assert_close(gradient[0], difference.detach(), rtol=2e-2, atol=0.0)


def test_the_grid_holds_each_night_in_its_place():
    """Nights a sidereal day apart, two observations in one of them, one far outside."""
    days = np.array([0, 0.02, 1, 2, 5, 400]) * SIDEREAL_DAY
    flux, error = np.array([60.0, 100, 50, 20, 12, 5]), np.array([2.0, 2, 2, 2, 2, 2])
    curve = LightCurve.from_arrays("a", 57000 + days, flux, error, np.array(["desg"] * 6))
    batch = LightCurveBatch.from_light_curves([curve], bands=("desg", "desr"))
    seen = gridded(batch, torch.zeros(1, dtype=torch.float64))
    assert seen.channels.shape == (1, 4, WINDOW)
    assert int(seen.mask.sum()) == 5
    assert float(seen.scale) == 100
    values, weights = seen.channels[0, 0], seen.channels[0, 2]
    # The zero is at 1 d, the median of the five most significant.
    zero = -FIRST_DAY - 1
    for day, mean in ((0, 0.8), (1, 0.5), (2, 0.2), (5, 0.12)):
        assert float(values[zero + day]) == pytest.approx(mean, rel=1e-5)
    assert int((weights > 0).sum()) == 4
    # sigma = 0.02 / sqrt(2) of two observations, floor 0.01.
    assert float(weights[zero]) == pytest.approx(1e-4 / (2e-4 + 1e-4), rel=1e-4)
    assert float(weights[zero + 1]) == pytest.approx(1e-4 / (4e-4 + 1e-4), rel=1e-4)
    assert not bool(seen.channels[0, 1].any())
    assert not bool(seen.channels[0, 3].any())


def test_jitter_moves_and_scales_the_grid():
    batch = example_batch(n=3, bands=BANDS)
    still = gridded(batch, batch.mwebv)
    days = torch.tensor([0.0, 4.0, -7.0])
    moved = gridded(batch, batch.mwebv, Jitter(days, torch.tensor([1.0, 2.0, 0.5])))
    expected = torch.where(still.mask, still.days - days[:, None], 0.0)
    torch.testing.assert_close(moved.days, expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(moved.scale, still.scale * torch.tensor([1.0, 2.0, 0.5]))
    torch.testing.assert_close(moved.channels[1, :3, :-4], still.channels[1, :3, 4:] / 2)


def encoder(stride, **changes):
    torch.manual_seed(0)
    settings = {"n_inputs": 3, "n_latent": 4, "channels": (6, 8, 8, 8), "time_sigma": 20.0}
    return Encoder(**{**settings, "stride": stride, **changes}).eval()


def test_a_stride_gives_the_whole_networks_values_at_fewer_days():
    x = torch.randn(WINDOW, 2, 3)
    whole, coarse = encoder(1), encoder(4)
    coarse.load_state_dict(whole.state_dict())

    def last(network):
        y = x
        for step, block in zip(network.steps, network.blocks, strict=True):
            y = block(y[::step].contiguous())
        return y

    torch.testing.assert_close(last(coarse), last(whole)[::4], rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_the_time_moves_with_the_light_curve():
    """By as many days, for a light curve away from the edges; the other numbers stay."""
    network = encoder(1)
    network.time[-1].weight *= 300
    x = torch.zeros(1, 3, WINDOW)
    x[..., 140:160] = 3 * torch.rand(1, 3, 20)
    here, there = network(x), network(x.roll(11, dims=-1))
    torch.testing.assert_close(here.mean[:, 1:], there.mean[:, 1:])
    moved = 20 * float(there.mean[0, 0] - here.mean[0, 0])
    assert moved == pytest.approx(11, abs=0.1)
    torch.testing.assert_close(here.log_variance, there.log_variance)


def test_the_divergence_is_that_of_normal_distributions():
    mean, log_variance = torch.randn(5, 3), torch.randn(5, 3)
    ours = Posterior(mean, log_variance).divergence()
    normal = torch.distributions.Normal(mean, (0.5 * log_variance).exp())
    prior = torch.distributions.Normal(torch.zeros(()), torch.ones(()))
    torch.testing.assert_close(ours, torch.distributions.kl_divergence(normal, prior).sum(1))


def test_a_drawn_amplitude_gives_the_same_loss():
    """The paper's draw of the amplitude and its density, against no draw."""
    batch = example_batch(n=4, bands=BANDS)
    observed = gridded(batch, batch.mwebv)
    flux = torch.rand_like(observed.flux) + 0.1
    mean, error = amplitudes(observed, flux)
    drawn = mean + error * torch.randn(4)
    residual = observed.flux - drawn[:, None] * flux
    chi2 = (observed.weight * residual.square()).sum(1)
    importance = -0.5 * ((drawn - mean) / error).square()
    torch.testing.assert_close(
        misfit(observed, flux), 0.5 * chi2 + importance, rtol=1e-3, atol=1e-2
    )


def test_smooth_spectra_are_not_rough():
    mask = torch.tensor([[True, True, False]])
    flat = torch.ones(1, 3, N_BINS)
    assert float(roughness(flat, mask)) == 0
    zigzag = flat.clone()
    zigzag[..., ::2] = 3
    # ((3 - 1) / (3 + 1))^2 between all neighbours, at two observations.
    assert float(roughness(zigzag, mask)) == pytest.approx(0.25 * 2 * (N_BINS - 1))


@pytest.mark.parametrize(("days", "dilation"), [(300, 1), (300, 64), (40, 64), (3, 1)])
def test_days_first_gives_the_convolution(days, dilation):
    torch.manual_seed(0)
    convolution = torch.nn.Conv1d(5, 7, 3, dilation=dilation, padding=dilation)
    x = torch.randn(4, 5, days, requires_grad=True)
    weights = torch.randn(4, 7, days)
    found = over_days(convolution, x.permute(2, 0, 1).contiguous()).permute(1, 2, 0)
    expected = convolution(x)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    inputs = [x, *convolution.parameters()]
    for ours, theirs in zip(
        torch.autograd.grad((found * weights).sum(), inputs),
        torch.autograd.grad((expected * weights).sum(), inputs),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
