"""What all baselines do: the contract of generators, conditions, cadences, folders."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from toys import BANDS, population

from sntorch.errors import CheckpointError, ConfigError, DataError
from sntorch.generative import Generator
from sntorch.generative.baselines import (
    Bootstrap,
    GaussianProcessResampling,
    Jitter,
    ParametricPopulation,
)
from sntorch.pretrained import training_sha256
from sntorch.testing import GenerativeModelContract

BASELINES = [Bootstrap, Jitter, GaussianProcessResampling, ParametricPopulation]
FREE = [GaussianProcessResampling, ParametricPopulation]


def two_classes(n_rare: int = 6, n: int = 12):
    batch = population(n)
    label = torch.zeros(n, dtype=torch.int64)
    label[:n_rare] = 1
    return replace(batch, label=label, classes=("Ia", "II", "Ic"))


class TestBootstrapContract(GenerativeModelContract):
    def make(self):
        return Bootstrap().fit(population(40))


class TestJitterContract(GenerativeModelContract):
    def make(self):
        return Jitter(drop=0.3, detection_snr=1.0).fit(population(40))


class TestGaussianProcessContract(GenerativeModelContract):
    def make(self):
        return GaussianProcessResampling().fit(population(20))


class TestParametricContract(GenerativeModelContract):
    def make(self):
        return ParametricPopulation().fit(population(20))


class TestJitterMissingBandsContract(GenerativeModelContract):
    def make(self):
        return Jitter().fit(population(40, missing=True))


class TestGaussianProcessMissingBandsContract(GenerativeModelContract):
    def make(self):
        return GaussianProcessResampling().fit(population(20, missing=True))


class TestParametricMissingBandsContract(GenerativeModelContract):
    def make(self):
        return ParametricPopulation().fit(population(20, missing=True))


class TestParametricSingleBandContract(GenerativeModelContract):
    def make(self):
        return ParametricPopulation().fit(population(20, bands=("lsstr",)))


@pytest.mark.parametrize("kind", BASELINES)
def test_classes_with_few_objects_are_refused(kind):
    with pytest.raises(DataError, match=r"class II: 4 objects .* at least 5"):
        kind().fit(two_classes(n_rare=4))
    with pytest.raises(DataError, match=r"^3 objects"):
        kind().fit(population(3))


def test_a_band_without_observations_is_refused():
    batch = population(8)
    with pytest.raises(DataError, match="band desi has no observation"):
        Bootstrap().fit(batch.where(batch.band < 2))


@pytest.mark.parametrize("kind", BASELINES)
def test_a_class_can_be_asked_for(kind):
    model = kind().fit(two_classes())
    assert set(model.sample(24, seed=1).label.tolist()) == {0, 1}
    drawn = model.sample(9, condition={"type": "II"}, seed=1)
    assert drawn.classes == ("Ia", "II", "Ic")
    assert set(drawn.label.tolist()) == {1}
    with pytest.raises(ConfigError, match="type Ic: the training set has Ia, II"):
        model.sample(1, condition={"type": "Ic"})
    with pytest.raises(ConfigError, match="condition colour: only type"):
        model.sample(1, condition={"colour": 1})


def test_a_model_must_be_fitted():
    with pytest.raises(ConfigError, match="has not been fitted"):
        Bootstrap().sample(1)


@pytest.mark.parametrize("kind", BASELINES)
def test_unusable_observations_are_left_out(kind):
    batch = population(8)
    batch.upper_limit[0, :2], batch.flux[1, 0], batch.flux_err[2, 1] = True, torch.nan, -1.0
    model = kind().fit(batch)
    assert int(model.training.mask.sum()) == int(batch.mask.sum()) - 4
    assert bool(model.sample(16, seed=0).flux.isfinite().all())


@pytest.mark.parametrize("kind", FREE)
def test_a_given_cadence_is_followed(kind):
    cadence = population(6, seed=9)
    drawn = kind().fit(population(12)).sample(8, cadence=cadence, seed=1)
    turn = torch.arange(8) % 6
    assert torch.equal(drawn.mask, cadence.mask[turn])
    assert torch.equal(drawn.band, cadence.band[turn])
    torch.testing.assert_close(drawn.time, cadence.time[turn], atol=1e-6, rtol=0)
    with pytest.raises(ConfigError, match="cadence in bands"):
        kind().fit(population(12)).sample(2, cadence=population(6, bands=BANDS[:2]))


@pytest.mark.parametrize("kind", [Bootstrap, Jitter])
def test_models_that_keep_epochs_say_so(kind):
    model = kind().fit(population(12))
    assert len(model.sample(3, cadence="resampled", seed=1)) == 3
    with pytest.raises(ConfigError, match="keeps the epochs"):
        model.sample(2, cadence=population(6))
    with pytest.raises(ConfigError, match="no training object has as many"):
        model.sample(2, lengths=30)


@pytest.mark.parametrize("kind", FREE)
def test_more_observations_than_any_training_object_has(kind):
    lengths = torch.tensor([[30, 0, 2], [1, 1, 1]])
    drawn = kind().fit(population(12)).sample(2, lengths=lengths, seed=3)
    assert torch.equal(drawn.to_rows().lengths, lengths)


@pytest.mark.parametrize("kind", [Jitter, *FREE])
def test_faint_observations_are_not_reported(kind):
    drawn = kind(detection_snr=5.0).fit(population(12)).sample(40, seed=1)
    assert float((drawn.flux / drawn.flux_err)[drawn.mask].min()) >= 5
    with pytest.raises(DataError, match="lower detection_snr, now 1000"):
        kind(detection_snr=1e6).fit(population(12)).sample(1, seed=1)


@pytest.mark.parametrize("kind", BASELINES)
def test_a_folder_gives_the_same_objects(kind, tmp_path):
    model = kind().fit(two_classes())
    model.save_pretrained(tmp_path / "model")
    model.save_pretrained(tmp_path / "model")
    again = kind.from_pretrained(tmp_path / "model")
    opened = Generator.from_pretrained(tmp_path / "model")
    assert again.arguments == model.arguments
    for other in (again, opened):
        first, second = model.sample(6, seed=2), other.sample(6, seed=2)
        assert torch.equal(first.flux, second.flux)
        assert torch.equal(first.time, second.time)
        assert first.classes == second.classes
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    assert config["training_sha256"] == training_sha256(model.training)
    assert config["training_sha256"] == training_sha256(again.training)


def test_other_folders_are_refused(tmp_path):
    Bootstrap().fit(population(8)).save_pretrained(tmp_path / "one")
    with pytest.raises(CheckpointError, match=r"holds .*Bootstrap, not .*Jitter"):
        Jitter.from_pretrained(tmp_path / "one")
    with pytest.raises(CheckpointError, match=r"no such file.*config\.json"):
        Bootstrap.from_pretrained(tmp_path / "none")
    config = tmp_path / "one" / "config.json"
    config.write_text('{"_target_": "os.system"}')
    with pytest.raises(CheckpointError, match="a subclass of GenerativeModel is accepted"):
        Generator.from_pretrained(tmp_path / "one")
    config.write_text("{")
    with pytest.raises(CheckpointError, match="damaged"):
        Bootstrap.from_pretrained(tmp_path / "one")
    with pytest.raises(DataError, match="holds other files"):
        Bootstrap().fit(population(8)).save_pretrained(tmp_path)


@pytest.mark.parametrize("kind", BASELINES)
def test_hydra_builds_it_with_the_defaults(kind, root):
    folder = root / "conf" / "model" / "baseline"
    built = [instantiate(OmegaConf.load(path)) for path in sorted(folder.glob("*.yaml"))]
    assert len(built) == len(BASELINES)
    assert kind().arguments in [b.arguments for b in built if type(b) is kind]


@pytest.mark.parametrize(
    ("kind", "setting"),
    [
        (Jitter, {"grey": -1.0}),
        (Jitter, {"drop": 1.0}),
        (Jitter, {"detection_snr": 0.0}),
        (GaussianProcessResampling, {"redshift_scatter": -0.1}),
        (ParametricPopulation, {"model_error": float("inf")}),
    ],
)
def test_senseless_settings_are_refused(kind, setting):
    with pytest.raises(ConfigError, match=f"{next(iter(setting))}=.*accepted"):
        kind(**setting)


def test_an_opened_generator_can_be_saved_again(tmp_path):
    Bootstrap().fit(population(8)).save_pretrained(tmp_path / "one")
    opened = Generator.from_pretrained(tmp_path / "one")
    opened.save_pretrained(tmp_path / "other")
    again = Generator.from_pretrained(tmp_path / "other")
    assert torch.equal(again.sample(4, seed=1).flux, opened.sample(4, seed=1).flux)
    assert repr(opened) == f"Generator(Bootstrap, bands={','.join(BANDS)})"


def test_a_generator_without_a_way_to_be_saved_says_so(tmp_path):
    own = Generator(type("Mine", (), {"bands": BANDS})())
    with pytest.raises(ConfigError, match="Mine: has no save_pretrained"):
        own.save_pretrained(tmp_path / "mine")
