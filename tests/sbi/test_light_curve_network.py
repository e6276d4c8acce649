"""Networks of sets of light curves: what they see, and what they must not see."""

from dataclasses import replace

import pytest
import torch
from numpy.polynomial import chebyshev

from sntorch.errors import ConfigError
from sntorch.sbi import RatioModule
from sntorch.sbi.benchmarks import LightCurveBenchmark, LightCurveSimulator
from sntorch.sbi.benchmarks.light_curves import BANDS
from sntorch.sbi.light_curve_encoder import LightCurveEncoder
from sntorch.sbi.mean_light_curve import MeanLightCurve

RANGE = (0.03, 0.28)
SMALL = {"bands": list(BANDS), "z_low": RANGE[0], "z_high": RANGE[1], "width": 8, "terms": 3}
EMBEDDING = {
    "_target_": "sntorch.sbi.embeddings.DeepSet",
    "width": 8,
    "n_features": 4,
    "n_outputs": 6,
    "encoder": {"_target_": "sntorch.sbi.light_curve_encoder.LightCurveEncoder", **SMALL},
}


@pytest.fixture(scope="module")
def simulator():
    return LightCurveSimulator(LightCurveBenchmark(n=12, n_bank=80), seed=3)


@pytest.fixture(scope="module")
def surveys(simulator):
    return simulator(0, 60)[1]


@pytest.fixture
def encoder(surveys):
    torch.manual_seed(0)
    encoder = LightCurveEncoder(**SMALL)
    encoder.prepare(surveys)
    return encoder


def ratio(simulator, surveys):
    module = RatioModule(simulator.prior, EMBEDDING, n_negatives=15, width=8, depth=1)
    module.prepare(surveys)
    module.trained_on = simulator.facts()
    return module.eval()


def test_brightness_is_that_of_the_true_light_curve_up_to_a_curve_in_redshift(simulator, surveys):
    """The mean of what was kept is brighter where only bright ones were; a network learns that."""
    mean = MeanLightCurve(BANDS, *RANGE)
    mean.fit(surveys.batch)
    found, error = mean.brightness(surveys.batch, mean(surveys.batch))
    true = simulator.benchmark.survey.expected[surveys.member.flatten()].flux.double()
    exact, exact_error = mean.brightness(surveys.batch, true)
    off = -2.5 * torch.log10(found / exact).numpy()
    z = surveys.batch.redshift.numpy()
    smooth = chebyshev.Chebyshev.fit(z, off, 5)(z)
    assert (off - smooth).std() < 0.03
    # Of 80 members the mean has its own scatter; the errors of one supernova are the larger.
    assert float((error / found / (exact_error / exact)).median()) == pytest.approx(1, abs=0.1)


def test_a_gradient_reaches_every_parameter(encoder, surveys):
    encoder(surveys).square().sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert bool((parameter.grad != 0).any()), name


def test_what_is_masked_changes_nothing(encoder, surveys):
    some = surveys.take(torch.arange(5))
    batch = some.batch
    hidden = ~batch.mask
    assert bool(hidden.any())
    poisoned = replace(
        batch,
        flux=torch.where(hidden, 1e6, batch.flux),
        time=torch.where(hidden, 7e4, batch.time),
        band=torch.where(hidden, 3, batch.band),
    )
    torch.testing.assert_close(encoder(replace(some, batch=poisoned)), encoder(some))


def test_brighter_surveys_are_seen_as_such(encoder, surveys):
    some = surveys.take(torch.arange(5))
    bright = replace(some.batch, flux=some.batch.flux * 10**0.2)
    with torch.no_grad():
        shift = encoder(replace(some, batch=bright)) - encoder(some)
    # The first two are the polynomials, then the brightness in units of 0.25 mag.
    torch.testing.assert_close(shift[..., 2], torch.full_like(shift[..., 2], -2.0))


def test_without_learnt_features_there_is_no_transformer(surveys):
    encoder = LightCurveEncoder(**SMALL, n_learnt=0)
    encoder.prepare(surveys)
    assert not list(encoder.parameters())
    assert encoder(surveys).shape == (60, 12, encoder.n_known)


def test_other_bands_are_refused(surveys):
    encoder = LightCurveEncoder(**{**SMALL, "bands": ["desg", "desr"]})
    with pytest.raises(ConfigError, match="desi, desz; accepted are desg, desr"):
        encoder.prepare(surveys)


def test_a_band_that_no_simulation_has_is_named(surveys):
    batch = surveys.batch.where(surveys.batch.band != 2)
    with pytest.raises(ConfigError, match="no simulated observation in desi"):
        MeanLightCurve(BANDS, *RANGE).fit(batch)


def test_a_saved_ratio_tells_the_same(simulator, surveys, tmp_path):
    module = ratio(simulator, surveys)
    module.save_pretrained(tmp_path / "kept")
    again = RatioModule.from_pretrained(tmp_path / "kept").eval()
    theta = simulator(0, 4)[0]
    with torch.no_grad():
        torch.testing.assert_close(
            again.log_ratio(theta, surveys), module.log_ratio(theta, surveys)
        )
    assert again.trained_on == simulator.facts()


def test_the_benchmark_takes_networks_of_its_own_surveys_only(simulator, surveys):
    module = ratio(simulator, surveys)
    found = simulator.benchmark.network("kept", module)
    draws = found.sample(surveys.take(torch.arange(2)), 40)
    assert draws.shape == (2, 40, 3)
    for change, message in (
        ({"n": 13}, "n=12; this benchmark has n=13"),
        ({"depth": 21.0}, "depth=20.9; this benchmark has depth=21.0"),
    ):
        with pytest.raises(ConfigError, match=message):
            replace(simulator.benchmark, **change).network("kept", module)
    narrow = replace(simulator.prior, high=(0.6, 0.5, 0.35))
    with pytest.raises(ConfigError, match="kept: its prior"):
        simulator.benchmark.within(narrow).network("kept", module)


def test_surveys_are_those_of_their_numbers(simulator):
    theta, both = simulator(5, 3)
    again, one = simulator(6, 1)
    assert torch.equal(theta[1:2], again)
    assert torch.equal(both.take(torch.tensor([1])).batch.flux, one.batch.flux)


def test_another_prior_is_drawn_from(simulator):
    narrow = replace(simulator.prior, low=(0.25, -0.1, 0.1), high=(0.3, 0.1, 0.12))
    theta = simulator.within(narrow)(0, 5)[0]
    low, high = (torch.tensor(bound, dtype=torch.float64) for bound in (narrow.low, narrow.high))
    assert bool(((theta >= low) & (theta <= high)).all())
