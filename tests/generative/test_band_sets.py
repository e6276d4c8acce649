"""Any set of bands, bands that objects lack, faint objects and single observations: every model."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from toys import flow, population, recurrent, served, trainer, transformer

from sntorch.data.batch import LightCurveBatch
from sntorch.errors import ConfigError
from sntorch.generative.evaluate import impossible

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers.*"),
    pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec.*:FutureWarning"),
]

MODELS = [recurrent, transformer, flow]
GRIZ = ("desg", "desr", "desi", "desz")
UGRIZY = ("lsstu", "lsstg", "lsstr", "lssti", "lsstz", "lssty")


def trained(make, batch: LightCurveBatch, epochs: int = 2):
    model = make()
    model.fit_encoding(batch)
    trainer(epochs, limit_val_batches=0).fit(model, served(batch))
    return model.eval()


def without_some_bands(batch: LightCurveBatch) -> LightCurveBatch:
    """Object i lacks band i modulo the number of bands plus one."""
    lost = torch.arange(len(batch)) % (len(batch.bands) + 1)
    return replace(batch, mask=batch.mask & (batch.band != lost[:, None])).trim()


def with_single_observations(batch: LightCurveBatch) -> LightCurveBatch:
    """Every fourth object keeps its first observation only."""
    kept = torch.arange(batch.mask.shape[1]) == 0
    mask = batch.mask.clone()
    mask[::4] &= kept
    return replace(batch, mask=mask).trim()


def mostly_noise(n: int, seed: int) -> LightCurveBatch:
    """Two objects of three are so faint that nothing is left but noise."""
    batch = population(n, seed)
    noise = torch.randn(
        batch.flux.shape, generator=torch.Generator().manual_seed(seed), dtype=batch.flux.dtype
    )
    faint = torch.arange(n)[:, None] % 3 > 0
    return replace(batch, flux=torch.where(faint & batch.mask, batch.flux_err * noise, batch.flux))


@pytest.mark.parametrize("make", MODELS)
@pytest.mark.parametrize("bands", [GRIZ, GRIZ[:2], UGRIZY], ids=["griz", "gr", "ugrizy"])
def test_any_set_of_bands_of_which_objects_lack_some(make, bands):
    batch = without_some_bands(population(36, bands=bands))
    model = trained(make, batch)
    drawn = model.sample(60, seed=1)
    assert drawn.bands == bands
    assert not any(impossible(drawn).values())
    lengths = drawn.to_rows().lengths
    seen = (lengths > 0).float().mean(0)
    expected = (batch.to_rows().lengths > 0).float().mean(0)
    torch.testing.assert_close(seen, expected, atol=0.15, rtol=0)
    assert bool((drawn.n_observations > 0).all())


@pytest.mark.parametrize("make", MODELS)
def test_objects_with_one_observation(make):
    batch = with_single_observations(population(36))
    model = trained(make, batch)
    drawn = model.sample(72, seed=2)
    assert not any(impossible(drawn).values())
    share = float((drawn.n_observations == 1).float().mean())
    assert share == pytest.approx(0.25, abs=0.1)
    one = model.sample(5, lengths=torch.tensor([1, 0, 0]), seed=3)
    assert one.n_observations.tolist() == [1] * 5


def negative(batch: LightCurveBatch) -> float:
    return float((batch.flux[batch.mask] < 0).float().mean())


@pytest.mark.parametrize(("make", "epochs"), [(recurrent, 30), (transformer, 30), (flow, 120)])
def test_fluxes_are_negative_as_often_as_in_the_training_set(make, epochs):
    batch = mostly_noise(120, 0)
    expected = negative(batch)
    assert expected > 0.3
    drawn = trained(make, batch, epochs).sample(400, seed=4)
    assert negative(drawn) == pytest.approx(expected, abs=0.1)
    assert not any(impossible(drawn).values())


@pytest.mark.parametrize("make", MODELS)
def test_bands_that_the_model_does_not_know_are_refused(make):
    model = make()
    model.fit_encoding(population(30))
    other = population(3, bands=("ztfg", "ztfr"))
    with pytest.raises(ConfigError, match="ztfg, ztfr: this generator has desg, desr, desi"):
        model.sample(3, cadence=other)
    with pytest.raises(ConfigError, match="lengths"):
        model.sample(5, lengths=torch.ones(5, 4, dtype=torch.int64))
