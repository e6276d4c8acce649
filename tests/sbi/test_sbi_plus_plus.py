"""Imputation of missing and noisy bands: with a right posterior of complete photometry it gives
the right one of any photometry.
"""

import pytest
import torch

from sntorch.errors import ConfigError, DataError, SntorchWarning
from sntorch.sbi.benchmarks.magnitudes import PRIOR, LinearMagnitudes, design
from sntorch.sbi.imputation import NeighbourImputation
from sntorch.sbi.original_imputation import OriginalImputation
from sntorch.sbi.photometry import Photometry
from sntorch.sbi.prior import BoxPrior
from sntorch.sbi.sbi_plus_plus import SBIPlusPlus
from sntorch.sbi.training_errors import TrainingErrors

MIDDLE = (20.0, 0.1, -0.1)
# Its walls are far from the objects, whose posteriors are then normal.
WIDE = BoxPrior(PRIOR.names, (15.0, -4.0, -4.0), (25.0, 4.0, 4.0))
SIMULATOR = LinearMagnitudes(WIDE, seed=3)
N_DRAWS = 4_000


class Exact:
    """The normal posterior of complete photometry, far from the walls of the prior."""

    prior = WIDE

    def eval(self):
        return self

    def sample(self, x, n, seed):
        assert bool(x.mask.all())
        mean, covariance = normal_posterior(x)
        generator = torch.Generator().manual_seed(seed)
        white = torch.randn(len(x), n, 3, generator=generator, dtype=torch.float64)
        return mean[:, None] + white @ torch.linalg.cholesky(covariance).mT


def normal_posterior(x):
    weight = torch.where(x.mask, x.error**-2, 0.0)
    covariance = torch.linalg.inv((weight[:, None] * design().T) @ design())
    y = torch.where(x.mask, x.magnitude, 0.0)
    return (covariance @ ((weight * y) @ design())[..., None])[..., 0], covariance


def objects(n, missing=(), noisy=(), factor=6.0):
    """Alike but for their noise, with missing and noisy bands."""
    theta = torch.tensor([MIDDLE], dtype=torch.float64).repeat(n, 1)
    x = SIMULATOR(10_000, n)[1]
    noise = torch.randn(x.error.shape, generator=torch.Generator().manual_seed(5)).double()
    scale = torch.ones(6, dtype=torch.float64)
    scale[list(noisy)] = factor
    mask = torch.ones(n, 6, dtype=torch.bool)
    mask[:, list(missing)] = False
    error = x.error * scale
    magnitude = SIMULATOR.noiseless(theta) + error * noise
    return Photometry(torch.where(mask, magnitude, torch.nan), error, mask)


@pytest.fixture(scope="module")
def training():
    theta, x = SIMULATOR(0, 8_000)
    return SIMULATOR.noiseless(theta), x, TrainingErrors.of(x)


def off(draws, x):
    """Difference of the means over σ, and σ ratio, from the exact posterior, (B, 3) each."""
    mean, covariance = normal_posterior(x)
    sd = covariance.diagonal(dim1=1, dim2=2).sqrt()
    return (draws.mean(1) - mean) / sd, draws.std(1) / sd


@pytest.mark.parametrize(
    ("missing", "noisy"), [((1, 4), ()), ((), (2, 3)), ((0,), (3, 5))], ids=str
)
def test_the_average_over_imputations_is_the_posterior_of_what_is_there(training, missing, noisy):
    x = objects(4, missing, noisy)
    rows, _, errors = training
    assert bool((errors.noisy(x).sum(1) == len(noisy)).all())
    sampler = SBIPlusPlus(Exact(), NeighbourImputation(rows, errors), n_imputations=2_000)
    bias, width = off(sampler.sample(x, N_DRAWS, seed=1), x)
    assert float(bias.abs().max()) < 0.15
    assert float((width - 1).abs().max()) < 0.1


def test_the_original_adds_the_noise_of_noisy_bands_twice():
    observed = LinearMagnitudes(seed=3)(0, 4_000)[1]
    x, errors = objects(4, noisy=(2, 3)), TrainingErrors.of(observed)
    theirs = SBIPlusPlus(Exact(), OriginalImputation(observed, errors), 400).sample(x, 2_000)
    _, width = off(theirs, x)
    assert float(width.mean()) > 1.2


def test_the_original_loses_colours(training):
    """Of two missing bands in a row; drawn jointly they keep the colour of the objects."""
    rows, observed, errors = training
    x = objects(3, missing=(3, 4, 5))
    colours = {}
    for name, imputation in (
        ("joint", NeighbourImputation(rows, errors)),
        ("apart", OriginalImputation(observed, errors)),
    ):
        drawn = imputation(x, 2_000, torch.Generator().manual_seed(1)).magnitude
        assert torch.equal(drawn[:, 0, :3], x.magnitude[:, :3])
        colours[name] = torch.stack([one[:, 4:].T.corrcoef()[0, 1] for one in drawn])
    assert float(colours["joint"].min()) > 0.5
    assert float(colours["apart"].abs().max()) < 0.2


def test_complete_ordinary_photometry_goes_straight_through(training):
    rows, _, errors = training
    x = objects(3)
    plain = Exact().sample(x, 500, 2)
    sampler = SBIPlusPlus(Exact(), NeighbourImputation(rows, errors))
    assert torch.equal(sampler.sample(x, 500, seed=2), plain)
    mixed = Photometry(
        *(
            torch.cat([getattr(part, f) for part in (x, objects(2, missing=(1,)))])
            for f in ("magnitude", "error", "mask")
        )
    )
    assert torch.equal(sampler.sample(mixed, 500, seed=2)[:3], plain)


def test_the_neighbourhood_is_widened_until_enough_rows_count(training):
    rows, _, errors = training
    x = objects(3, missing=(5,))
    generator = torch.Generator().manual_seed(1)
    few = NeighbourImputation(rows, errors, least=20)(x, 10, generator)
    many = NeighbourImputation(rows, errors, least=500)(x, 10, generator)
    assert bool((few.neighbours >= 20).all())
    assert bool((many.neighbours >= 500).all())
    assert bool((many.widening > few.widening).all())
    assert float(many.misfit.max()) < 4


def test_objects_unlike_the_training_set_are_told_of(training):
    rows, _, errors = training
    x = objects(3, missing=(5,))
    x.magnitude[1, 0] += 2.0
    sampler = SBIPlusPlus(Exact(), NeighbourImputation(rows, errors), 20)
    with pytest.warns(SntorchWarning, match=r"1 objects have nothing like them .*object 1"):
        sampler.sample(x, 100)


def test_what_cannot_be_imputed_is_refused(training):
    rows, observed, errors = training
    sampler = SBIPlusPlus(Exact(), NeighbourImputation(rows, errors))
    x = objects(2, missing=range(6))
    with pytest.raises(DataError, match="object 0 has no band"):
        sampler.sample(x, 10)
    bad = objects(2)
    bad.error[1, 2] = 0.0
    with pytest.raises(DataError, match="object 1, band 2"):
        sampler.sample(bad, 10)
    with pytest.raises(ConfigError, match="neighbours of 5 rows"):
        NeighbourImputation(rows[:5], errors)
    with pytest.raises(ConfigError, match="n_imputations=0"):
        SBIPlusPlus(Exact(), NeighbourImputation(rows, errors), 0)
    with pytest.raises(DataError, match="200 objects without missing bands"):
        TrainingErrors.of(observed.take(slice(0, 50)))


def test_an_object_without_neighbours_is_named_by_its_number(training):
    """Not by its place among the unusual ones, nor in the group that is imputed at once."""
    rows, _, errors = training
    x = objects(70)
    x.mask[3:, 1] = False
    x.magnitude[69] = 1e8
    with pytest.raises(DataError, match="object 69 has no neighbours"):
        SBIPlusPlus(Exact(), NeighbourImputation(rows, errors)).sample(x, 10)


def test_errors_where_many_have_one_magnitude():
    generator = torch.Generator().manual_seed(2)
    magnitude = 18 + 4 * torch.rand(2_000, 1, generator=generator, dtype=torch.float64)
    # Saturated: the first knots are the same, and so are some in the middle.
    magnitude = torch.where(magnitude < 19, 19.0, magnitude)
    magnitude = torch.where((magnitude > 20) & (magnitude < 21), 20.5, magnitude)
    errors = TrainingErrors.of(Photometry(magnitude, 0.01 * magnitude, magnitude > 0))
    assert bool((errors.knots.diff() == 0).any())
    at = torch.tensor([[15.0], [19.0], [20.5], [21.5]], dtype=torch.float64)
    expected = 0.01 * at.clamp(min=19.0)
    torch.testing.assert_close(errors.median(at), expected, rtol=0.01, atol=0)


def test_errors_of_the_training_set_by_magnitude():
    generator = torch.Generator().manual_seed(2)
    magnitude = 18 + 4 * torch.rand(4_000, 2, generator=generator, dtype=torch.float64)
    usual = 0.02 * 10 ** (0.2 * (magnitude - 18))
    scatter = torch.randn(4_000, 2, generator=generator, dtype=torch.float64)
    x = Photometry(
        magnitude, usual * (0.1 * scatter).exp(), torch.ones(4_000, 2, dtype=torch.bool)
    )
    errors = TrainingErrors.of(x)
    at = torch.tensor([[18.5, 21.5], [10.0, 30.0]], dtype=torch.float64)
    expected = 0.02 * 10 ** (0.2 * (at - 18).clamp(0.1, 3.9))
    torch.testing.assert_close(errors.median(at), expected, rtol=0.05, atol=0)
    strange = Photometry(at[:1], expected[:1] * torch.tensor([1.0, 2.0]), x.mask[:1])
    assert errors.noisy(strange).tolist() == [[False, True]]
