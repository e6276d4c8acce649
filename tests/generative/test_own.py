"""Generators of a user's own, outside the package: trained, opened, asked, resumed, refused."""

from __future__ import annotations

import pytest
import torch
from own import VAE, Stretched, Undecorated
from toys import population, recurrent, served, trainer

from sntorch.errors import CheckpointError, ConfigError
from sntorch.generative import Generator
from sntorch.generative.parents import fitted_on_the_spot
from sntorch.testing import GenerativeModelContract

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers.*"),
    pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec.*:FutureWarning"),
]


def trained(path, model=None, epochs=2):
    model, run = model or VAE(), trainer(epochs)
    run.fit(model, served(population(40)))
    run.save_checkpoint(path, weights_only=False)
    return model


class TestVAEContract(GenerativeModelContract):
    def make(self):
        model = VAE()
        model.fit_encoding(population(40))
        return model


class TestStretchedContract(GenerativeModelContract):
    def make(self):
        return Stretched().fit(population(40))


def test_a_checkpoint_and_a_folder_are_opened_by_the_class_that_they_name(tmp_path):
    model = trained(tmp_path / "run.ckpt")
    model.save_pretrained(tmp_path / "folder")
    for name in ("run.ckpt", "folder"):
        found = Generator.from_pretrained(tmp_path / name)
        assert type(found.model) is VAE
        assert torch.equal(found.sample(9, seed=1).flux, model.sample(9, seed=1).flux)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("os.system", "a subclass of TrainedGenerator is accepted"),
        ("own.Stretched", "a subclass of TrainedGenerator is accepted"),
        ("own.Nowhere", "own.Nowhere: not found"),
        (7, "package.module.Class is accepted"),
    ],
)
def test_a_checkpoint_names_a_generator_or_is_refused(target, message, tmp_path):
    trained(tmp_path / "run.ckpt", epochs=1)
    content = torch.load(tmp_path / "run.ckpt", weights_only=True)
    content["sntorch"]["_target_"] = target
    torch.save(content, tmp_path / "run.ckpt")
    with pytest.raises(CheckpointError, match=f"holds VAE; .*{message}") as caught:
        Generator.from_pretrained(tmp_path / "run.ckpt")
    assert "\n" not in str(caught.value)


def test_a_checkpoint_of_before_classes_were_named_is_opened(tmp_path):
    model = trained(tmp_path / "run.ckpt", recurrent(), epochs=1)
    content = torch.load(tmp_path / "run.ckpt", weights_only=True)
    del content["sntorch"]["_target_"]
    torch.save(content, tmp_path / "run.ckpt")
    found = Generator.from_pretrained(tmp_path / "run.ckpt")
    assert torch.equal(found.sample(5, seed=1).flux, model.sample(5, seed=1).flux)


def test_a_model_without_an_average_goes_on_from_another_one(tmp_path):
    first = trained(tmp_path / "run.ckpt")
    second = VAE(start_from=tmp_path / "run.ckpt")
    second.fit_encoding(population(35, seed=3))
    assert torch.equal(second.writer[0].weight, first.writer[0].weight)
    assert second.started_sha256 == first.training_sha256 != second.training_sha256


def test_a_model_without_a_learning_rate_says_that_it_diverged():
    with pytest.raises(ConfigError, match="learning_rate, now not among the settings"):
        VAE().check_losses({"loss": torch.tensor(torch.nan)})


def test_what_is_not_declared_is_refused():
    models = [VAE(), Stretched().fit(population(40))]
    models[0].fit_encoding(population(40))
    for model in models:
        with pytest.raises(ConfigError, match=r"^noiseless: "):
            model.sample(2, noiseless=True)
        with pytest.raises(ConfigError, match=r"^cadence generated: "):
            model.sample(2, cadence="generated")
    with pytest.raises(ConfigError, match="Stretched keeps the epochs"):
        models[1].sample(2, cadence=population(6))


def test_a_baseline_without_its_decorator_is_refused_before_the_fit():
    for call in (lambda: Undecorated().fit(population(40)), lambda: Undecorated().arguments):
        with pytest.raises(ConfigError, match="Undecorated: a Baseline is a dataclass"):
            call()


@pytest.mark.parametrize(
    ("settings", "message", "is_network"),
    [
        (
            {"_target_": "own.Stretched", "scater": 2},
            "unexpected keyword argument 'scater'",
            False,
        ),
        ({"_target_": "own.Undecorated"}, "is a dataclass", False),
        ({"_target_": "own.VAE"}, "a subclass of Baseline is accepted", True),
    ],
)
def test_only_who_names_a_network_is_told_to_train_it(settings, message, is_network):
    with pytest.raises(ConfigError, match=message) as caught:
        fitted_on_the_spot(settings)
    assert ("named by ckpt=" in str(caught.value)) == is_network


def test_a_baseline_stays_on_the_cpu(tmp_path):
    Stretched(scatter=0.2).fit(population(40)).save_pretrained(tmp_path / "stretched")
    found = Generator.from_pretrained(tmp_path / "stretched", "cuda").model
    assert isinstance(found, Stretched)
    assert found.scatter == 0.2
    assert found.training.flux.device.type == "cpu"
