"""Surveys simulated as light curves and fitted: what is found is what was put in."""

import math
from dataclasses import replace

import pytest
import torch

from sntorch.errors import ConfigError, DataError
from sntorch.physics.cosmology import Cosmology
from sntorch.sbi import BoxPrior, SurveyDataModule
from sntorch.sbi.salt_fits import SALTFitEncoder, SALTFits
from sntorch.sbi.salt_simulator import SALTSurveySimulator
from sntorch.sbi.simulated import HELD_OUT, TESTED
from sntorch.sbi.stored import StoredSurveys, store
from sntorch.sbi.tripp import PARAMETERS, PRIOR
from sntorch.simulation import (
    BandDepth,
    FunctionCut,
    MinDetections,
    NoiseModel,
    ParametricSurvey,
    SALTFitCut,
    Seasons,
    Uniform,
    Visits,
    Weather,
    WithinRange,
)

BANDS = ("ps1::g", "ps1::r", "ps1::i", "ps1::z")
# Nearly one supernova: what scatters is the fit.
SAME = (-19.3, 0.14, 3.0, 1e-4, 0.3, 1e-4, -0.05, 1e-4)


@pytest.fixture(autouse=True)
def _data(shared):
    pytest.importorskip("sncosmo")


def made(depth=22.5, **settings):
    survey = ParametricSurvey(
        name="every four days",
        depths={band: BandDepth(depth=depth, zeropoint=27.5) for band in BANDS},
        visits=[Visits(bands=BANDS, interval=4.0, jitter=0.5)],
        phases=(-12.0, 35.0),
        seasons=Seasons(length=365.25),
        weather=Weather(loss=0.0, spell_loss=0.0),
    )
    settings = {"redshift": Uniform(0.02, 0.06), "noise": NoiseModel(), "n": 4} | settings
    return SALTSurveySimulator(survey, **settings)


def theta(n=1):
    return torch.tensor([SAME], dtype=torch.float64).repeat(n, 1)


@pytest.mark.parametrize("redshift_err", [0.0, 0.0005])
def test_fits_scatter_about_the_truth_as_their_covariances_say(redshift_err):
    fits = made(noise=NoiseModel(redshift_err=redshift_err)).surveys(theta(8), 40)
    m0, alpha, beta, _, x0, _, c0, _ = SAME
    expected = torch.tensor([m0 - alpha * x0 + beta * c0, x0, c0], dtype=torch.float64)
    off = fits.data - expected
    off[..., 0] -= fits.mu
    covariance = fits.covariance.clone()
    covariance[..., 0, 0] += (5 / math.log(10) * redshift_err / fits.redshift) ** 2
    factor = torch.linalg.cholesky(covariance)
    white = torch.linalg.solve_triangular(factor, off[..., None], upper=False)[..., 0].flatten(
        0, 1
    )
    assert len(white) == 320
    assert float(white.mean(0).abs().max()) < 0.2
    assert float((white.std(0) - 1).abs().max()) < 0.15


@pytest.mark.parametrize(("n", "first"), [(3, 5), ((2, 6), 5), (3, HELD_OUT + 2), (3, TESTED)])
def test_a_survey_is_the_same_in_any_batch(n, first, monkeypatch):
    simulator = made(n=n, selection={"detected": MinDetections(3, 5.0)})
    drawn, whole = simulator(first, 4)
    monkeypatch.setattr("sntorch.sbi.salt_simulator.MOST_AT_ONCE", 5)
    for b in range(4):
        own, one = simulator(first + b, 1)
        size = int(one.mask.sum())
        assert torch.equal(own[0], drawn[b])
        assert size == int(whole.mask[b].sum())
        torch.testing.assert_close(one.data[0, :size], whole.data[b, :size], rtol=0, atol=1e-6)
        assert torch.equal(one.n_candidates[0], whole.n_candidates[b])
    _, other = simulator(first % 2**38 + 2**38, 1)
    assert not torch.equal(other.data[0, 0], whole.data[0, 0])


def test_what_is_kept_passed_the_cuts():
    wide = BoxPrior(PARAMETERS, PRIOR.low, (*PRIOR.high[:5], 2.6, *PRIOR.high[6:]))
    strict = SALTFitCut(x1=0.5, c=0.1)
    _, fits = made(prior=wide, fitted=strict)(0, 6)
    assert float(fits.data[..., 1].abs().max()) < 0.5
    assert float(fits.data[..., 2].abs().max()) < 0.1
    assert bool((fits.n_candidates > 4).any())
    near = {"near": WithinRange("redshift", 0.0, 0.03)}
    _, fits = made(selection=near)(0, 3)
    assert float(fits.redshift.max()) < 0.0305


def test_faint_supernovae_are_missed_and_the_rest_is_too_bright():
    deep, shallow = (made(depth, redshift=Uniform(0.05, 0.06)) for depth in (23.0, 17.5))
    scattered = theta(6)
    scattered[:, 3] = 0.4
    cut = {"detected": MinDetections(8, 5.0)}
    means = [
        float((fits.data[..., 0] - fits.mu).mean())
        for fits in (
            replace(simulator, selection=cut).surveys(scattered, 20)
            for simulator in (deep, shallow)
        )
    ]
    assert means[1] < means[0] - 0.1


def test_a_selection_that_keeps_nothing_is_refused():
    with pytest.raises(ConfigError, match="the selection keeps too little"):
        made(n=1, selection={"all bands": MinDetections(500, 5.0)})(0, 1)


def test_what_is_not_accepted():
    with pytest.raises(ConfigError, match="m0, alpha, beta"):
        made(prior=BoxPrior(("om0",), (0.0,), (1.0,)))
    with pytest.raises(ConfigError, match="least and largest N"):
        made(n=0)
    with pytest.raises(ConfigError, match="N up to 16777 is accepted"):
        made(n=20_000)
    with pytest.raises(ConfigError, match=r"simulator\.drawn: .* does not say what it is"):
        made(selection={"drawn": FunctionCut(lambda *_: None)}).facts()


def test_surveys_are_stored_and_gone_on_with(tmp_path):
    simulator = made(n=2)
    data = SurveyDataModule(simulator, 2, n_validation=2, folder=tmp_path / "s", n_stored=3)
    data.setup("fit")
    expected, fits = simulator(0, 3)
    ((found, stored),) = StoredSurveys(tmp_path / "s", 3, data_type=SALTFits)
    order, own = found[:, 0].argsort(), expected[:, 0].argsort()
    assert torch.equal(found[order], expected[own])
    torch.testing.assert_close(stored.data[order], fits.data[own])
    assert len(list(data.train_dataloader())) == 2
    torch.testing.assert_close(data.examples().data, fits.data)
    store(simulator, tmp_path / "s", 4)
    assert StoredSurveys(tmp_path / "s", 1, data_type=SALTFits).lengths == [4]
    with pytest.raises(DataError, match="holds another simulation, with fitted=SALTFitCut"):
        store(made(n=2, fitted=SALTFitCut(x1=2.0)), tmp_path / "s", 4)
    other = made(n=2, seed=7)
    again = SurveyDataModule(other, 2, n_validation=0, folder=tmp_path / "s", n_stored=3)
    again.setup("fit")
    more = SurveyDataModule(other, 2, n_validation=0, folder=tmp_path / "s", n_stored=9)
    with pytest.raises(DataError, match=r"with seed=0; data\.simulator has seed=7"):
        more.setup("fit")


def test_an_encoder_sees_supernovae_only():
    _, fits = made(n=(2, 5))(0, 3)
    encoder = SALTFitEncoder()
    seen = encoder(fits)
    assert seen.shape == (3, fits.mask.shape[1], encoder.n_outputs)
    assert bool(seen.isfinite().all())
    assert float(seen[~fits.mask].abs().sum()) == 0
    poisoned = replace(fits, data=torch.where(fits.mask[..., None], fits.data, 1e6))
    torch.testing.assert_close(encoder(poisoned), seen)


def test_one_survey_of_fitted_light_curves():
    simulator = made(n=5)
    cut = simulator.fitted
    sample = light_curves(simulator)
    fit = cut.fit(sample.batch)
    kept = cut.accepts(fit)
    kept[0] = False
    given = (sample.batch, simulator.source.zero, Cosmology(h0=70.0, om0=0.3))
    one = SALTFits.one(fit, kept, *given)
    assert len(one) == 1
    assert one.mask.shape[1] == int(kept.sum()) > 0
    torch.testing.assert_close(one.data[0, :, 1], fit.parameters[kept][:, 2].double())
    with pytest.raises(DataError, match="none of 6 SALT fits is kept"):
        SALTFits.one(fit, kept & False, *given)


def light_curves(simulator):
    from sntorch.sbi.salt_simulator import TrippPopulation
    from sntorch.simulation import Simulator, Streams

    population = TrippPopulation(theta(), simulator.redshift)
    maker = Simulator(simulator.source, population, simulator.survey, simulator.noise)
    return maker.observed(Streams.range(0, 0, 6))
