"""Draws by dropout and by SWAG, against what is known in closed form."""

from __future__ import annotations

import lightning as L
import pytest
import torch
from small_classifiers import NETWORK, labelled, small
from torch import nn

from sntorch.callbacks.swag import CollectSwag
from sntorch.classification import Classifier, ClassifierModule
from sntorch.classification.base import ClassifierNetwork
from sntorch.classification.uncertainty import mc_dropout, sampled_logits, swag_logits
from sntorch.data.datamodule import LightCurveDataModule
from sntorch.errors import ConfigError

P = 0.3


class Linear(ClassifierNetwork):
    """Logits linear in the context, with dropout and batch normalisation before them."""

    def __init__(self, bands, n_classes, n_context=0):
        super().__init__(bands, n_classes, n_context)
        self.norm = nn.BatchNorm1d(n_context, affine=False)
        self.dropout = nn.Dropout(P)
        self.linear = nn.Linear(n_context, n_classes)

    def forward(self, batch, context):
        return self.linear(self.dropout(self.norm(context)))


def linear():
    module = ClassifierModule(
        {"_target_": "test_sampled_logits.Linear"}, context=["redshift", "mwebv"]
    )
    batch = labelled()
    batch.mwebv[:] = torch.rand(len(batch), generator=torch.Generator().manual_seed(0))
    module.fit_inputs(batch)
    return module.eval(), batch


def test_dropout_has_the_moments_of_bernoulli_masks():
    module, batch = linear()
    network = module.average.average
    # Masks of objects are independent: eight times the same objects are eight draws each.
    eightfold = batch[torch.arange(len(batch)).repeat(8)]
    draws = mc_dropout(module, eightfold, 500, seed=1).double()
    draws = draws.unflatten(1, (8, len(batch))).flatten(0, 1)
    inputs = network.norm(module.context(batch)).double()
    weights = network.linear.weight.double()
    variance = inputs.square() @ weights.square().T * P / (1 - P)
    torch.testing.assert_close(draws.mean(0), module.logits(batch).double(), rtol=0, atol=0.06)
    torch.testing.assert_close(draws.var(0), variance, rtol=0.12, atol=1e-6)


def test_drawing_leaves_modes_statistics_and_generators_as_they_were():
    module, batch = linear()
    before = {k: v.clone() for k, v in module.state_dict().items()}
    torch.manual_seed(7)
    state = torch.get_rng_state()
    mc_dropout(module, batch, 3)
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(m.training for m in module.average.average.modules())
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name]), name


@pytest.mark.parametrize("name", ["SuperNNova", "VariationalSuperNNova", "BayesianSuperNNova"])
def test_networks_that_are_random_in_their_own_way_are_drawn_from(name):
    target = f"sntorch.classification.networks.supernnova.{name}"
    dropout = {} if name == "BayesianSuperNNova" else {"dropout": 0.2}
    module = ClassifierModule({"_target_": target, "n_hidden": 8, **dropout})
    batch = labelled(6)
    module.fit_inputs(batch)
    draws, again, other = (sampled_logits(module.eval(), batch, 4, seed=s) for s in (1, 1, 2))
    assert torch.equal(draws, again)
    assert not torch.allclose(draws, other)
    assert bool((draws.std(0) > 0).all())


def trained(tmp_path, start=0.5, **options):
    module = ClassifierModule(NETWORK, schedule="constant", **options)
    data = LightCurveDataModule(labelled(16), batch_size=8)
    trainer = L.Trainer(
        max_epochs=6,
        callbacks=[CollectSwag(rank=3, start=start)],
        logger=False,
        accelerator="cpu",
        default_root_dir=tmp_path,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
    )
    trainer.fit(module, data)
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    return module.eval()


def test_a_training_collects_weights_and_a_checkpoint_brings_them(tmp_path):
    module = trained(tmp_path)
    assert int(module.swag.count) == 3
    module.save_pretrained(tmp_path / "saved")
    batch = labelled()
    draws = swag_logits(module, batch, 4, seed=2)
    assert draws.shape == (4, 12, 2)
    assert bool((draws.std(0) > 0).all())
    for path in ("last.ckpt", "saved"):
        (again,) = Classifier.from_pretrained(tmp_path / path).members
        torch.testing.assert_close(sampled_logits(again, batch, 4, seed=2), draws)
        table = Classifier([again]).predict(batch, samples=4)
        assert (table["sd_Ia"] > 0).all()
    other = sampled_logits(module, batch, 4, "dropout", seed=2)
    assert not torch.allclose(other, draws)


def test_weights_of_zero_spread_give_the_logits_of_their_mean(tmp_path):
    module = trained(tmp_path)
    module.swag.scatter.zero_()
    module.swag.deviations.zero_()
    draws = swag_logits(module, labelled(), 2)
    assert torch.equal(draws[0], draws[1])


def test_trainings_that_collect_nothing_useful_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="start=1"):
        CollectSwag(start=1.0)
    module = small(schedule="one_cycle")
    with pytest.raises(ConfigError, match=r"schedule=constant, not one_cycle"):
        module.keep_swag(3)
    one = trained(tmp_path, start=0.9)
    with pytest.raises(ConfigError, match="collected weights of 0 epochs"):
        swag_logits(one, labelled(), 2)
    with pytest.raises(ConfigError, match="LightningModule does not keep weights"):
        CollectSwag().on_fit_start(L.Trainer(logger=False, accelerator="cpu"), L.LightningModule())
