"""The exact probability of cuts, held to the sum over all that can happen and to simulation."""

import itertools
from dataclasses import replace

import pytest
import torch
from simulation_toy import Parabola, toy_population, toy_survey

from sntorch.data.batch import LightCurveBatch
from sntorch.data.light_curve import LightCurve
from sntorch.errors import ConfigError
from sntorch.simulation import (
    DetectionsAroundPeak,
    DetectionsInBands,
    EfficiencyTable,
    FunctionCut,
    MagnitudeLimit,
    MinDetections,
    PeakMagnitude,
    PhaseCoverage,
    Simulator,
    SpectroscopicEfficiency,
    WithinRange,
)

TIMES = (-9.1, -4.0, -3.95, -3.9, 0.1, 6.0, 12.1)
NAMES = ("desg", "desr", "desg", "desg", "desr", "desg", "desr")
SNR = torch.tensor([1.0, 4.0, 6.5, 2.0, 3.5, 7.0, 0.5], dtype=torch.float64)
TRUTH = {"z": torch.tensor([0.13], dtype=torch.float64)}
THIRD = EfficiencyTable("z", (0.0, 1.0), (1 / 3, 1 / 3))
CUTS = {
    "number": MinDetections(3),
    "per band": MinDetections(2, per_band=True),
    "one band": MinDetections(2, 4.0, bands=("desg",)),
    "nights": MinDetections(3, distinct_nights=True),
    "nights per band": MinDetections(2, per_band=True, distinct_nights=True),
    "in bands": DetectionsInBands(1, 3),
    "peak": DetectionsAroundPeak(2, 1),
    "phases": PhaseCoverage(-4, 5, 2),
    "and": MinDetections(4) & DetectionsAroundPeak(1, 2) & DetectionsInBands(2, 2, 3.0),
    "or": MinDetections(5) | DetectionsInBands(1, 2, 6.0),
    "not": ~PhaseCoverage(-4, 5, 2) & MinDetections(2, 5.0),
    "mixed": (MinDetections(4) & THIRD) | ~(MinDetections(1, 6.0, distinct_nights=True) & THIRD),
    "measurements": MinDetections(7, float("-inf")),
    "nothing asked": MinDetections(0),
}


def epochs():
    """One object with the S/N above in two bands, three of its epochs in one night."""
    columns = (57000 + torch.tensor(TIMES).double().numpy(), SNR.numpy() * 2.0, [2.0] * 7, NAMES)
    curve = LightCurve.from_arrays("sn", *columns, peak_mjd=57000.0, redshift=0.1)
    return LightCurveBatch.from_light_curves([curve], bands=("desg", "desr"))


def by_enumeration(cut, expected):
    """Sum over what every epoch can show: an S/N between any two neighbouring thresholds."""
    edges = sorted({leaf.snr for leaf in cut.leaves() if hasattr(leaf, "snr")})
    shown = torch.tensor([-1e9, *[max(e, -1e9) + 1e-9 for e in edges]], dtype=torch.float64)
    limits = torch.tensor([-torch.inf, *edges, torch.inf], dtype=torch.float64)
    snr = (expected.flux / expected.flux_err)[0]
    below = torch.special.ndtr(limits - snr[:, None])
    each = below.diff(dim=1)
    choices = torch.tensor(list(itertools.product(range(len(shown)), repeat=len(snr))))
    weight = each[torch.arange(len(snr)), choices].prod(1)
    many = expected[torch.zeros(len(choices), dtype=torch.int64)]
    many = replace(many, flux=shown[choices] * many.flux_err)
    truth = {name: value.expand(len(choices)) for name, value in TRUTH.items()}
    return (weight * cut.probability(many, truth)).sum()


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_probability_is_the_sum_over_all_outcomes(cut):
    expected = epochs()
    found = cut.log_prob(expected, TRUTH).exp()
    torch.testing.assert_close(found[0], by_enumeration(cut, expected), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_objects_do_not_influence_each_other(cut):
    """Alone, and in a batch with longer light curves."""
    with pytest.warns(UserWarning, match="desg only at"):
        simulator = Simulator(Parabola(), toy_population(0.2, 0.8), toy_survey())
    sample = simulator.simulate(6, 1)
    expected = replace(sample.expected, flux=sample.true_flux / 10)
    truth = {"z": sample.truth["redshift"]}
    together = cut.log_prob(expected, truth)
    for i in range(len(sample)):
        alone = cut.log_prob(expected[i].trim(), {"z": truth["z"][i : i + 1]})
        torch.testing.assert_close(alone, together[i : i + 1])


@pytest.mark.parametrize("name", ["and", "or", "not", "mixed", "nights"])
def test_gradient_is_that_of_differences(name):
    flux = epochs().flux.clone().requires_grad_()

    def log_prob(flux):
        return CUTS[name].log_prob(replace(epochs(), flux=flux), TRUTH)

    assert torch.autograd.gradcheck(log_prob, flux)


def test_faint_objects_do_not_underflow():
    """With as many detections asked for as there are epochs the answer is a product."""
    faint = replace(epochs(), flux=epochs().flux * 0 - 60.0)
    found = MinDetections(7, 3.0).log_prob(faint, TRUTH)
    assert float(found) == pytest.approx(7 * float(torch.special.log_ndtr(SNR[:1] * 0 - 33.0)))
    assert float(found) < -3000


def test_what_cannot_happen_has_no_probability():
    assert MinDetections(8).log_prob(epochs(), TRUTH).item() == -torch.inf
    nowhere = epochs().where(torch.zeros(1, 7, dtype=torch.bool))
    assert MinDetections(1).log_prob(nowhere, TRUTH).item() == -torch.inf
    assert MinDetections(0).log_prob(nowhere, TRUTH).item() == 0


def test_upper_limits_cannot_be_detected():
    expected = epochs()
    expected.upper_limit[0, 5] = True
    rest = expected.where(~expected.upper_limit)
    cut = MinDetections(2, distinct_nights=True)
    assert torch.equal(cut.log_prob(expected, TRUTH), cut.log_prob(rest, TRUTH))


def test_efficiencies_at_true_parameters_are_exact_too():
    truth = {"z": TRUTH["z"], "magnitude": TRUTH["z"] + 22, "peak_magnitude": TRUTH["z"] + 21}
    spectrum, limit = SpectroscopicEfficiency(), MagnitudeLimit(22.2, 0.3)
    cut = spectrum & limit & WithinRange("z", 0.1, 0.2)
    expected = 1 / (1 + torch.exp(2.36 * (TRUTH["z"] + 21) - 51.9))
    expected = expected * torch.special.ndtr((22.2 - 22 - TRUTH["z"]) / 0.3)
    torch.testing.assert_close(cut.log_prob(epochs(), truth).exp(), expected)
    torch.testing.assert_close(cut.probability(epochs(), truth), expected)


@pytest.mark.parametrize(
    "cut",
    [
        FunctionCut(lambda batch, truth: batch.flux[:, 0] > 0),
        MagnitudeLimit(22.0, of=PeakMagnitude("desg")),
    ],
)
def test_what_has_no_closed_form_is_refused(cut):
    with pytest.raises(ConfigError, match="not known in closed form; learn it from injections"):
        (cut & MinDetections(2)).log_prob(epochs(), TRUTH)


def test_too_many_combinations_of_counts_are_refused():
    cut = MinDetections(60, per_band=True) & MinDetections(60, 4.0)
    with pytest.raises(ConfigError, match="226981 combinations of counts are too many"):
        cut.log_prob(epochs(), TRUTH)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["and", "or", "nights per band", "mixed"])
def test_probability_is_that_of_many_draws(name):
    n, generator = 400_000, torch.Generator().manual_seed(3)
    expected = epochs()
    drawn = expected[torch.zeros(n, dtype=torch.int64)]
    noise = torch.randn(n, 7, generator=generator, dtype=torch.float64)
    drawn = replace(drawn, flux=drawn.flux + noise * drawn.flux_err)
    luck = torch.rand(n, generator=generator, dtype=torch.float64)
    kept = CUTS[name].keep(drawn, {"z": TRUTH["z"].expand(n)}, luck).double().mean()
    p = float(CUTS[name].log_prob(expected, TRUTH).exp())
    assert abs(float(kept) - p) < 3 * (p * (1 - p) / n) ** 0.5
