"""Every neural estimator: shapes, gradients, symmetries, files, and that it learns."""

from dataclasses import replace

import lightning as L
import pytest
import torch

from sntorch.errors import CheckpointError, ConfigError, DataError
from sntorch.sbi import (
    BoxPrior,
    FlowModule,
    RatioModule,
    SummarySimulator,
    SurveyDataModule,
    open_estimator,
    sample,
)
from sntorch.sbi.summary import PRIOR, SummarySurvey

EMBEDDING = {
    "_target_": "sntorch.sbi.embeddings.DeepSet",
    "width": 16,
    "n_features": 8,
    "n_outputs": 12,
    "encoder": {"_target_": "sntorch.sbi.encoders.SummaryEncoder", "terms": 3},
}
ATTENTION = {"_target_": "sntorch.sbi.embeddings.SetAttention", "width": 8, "n_outputs": 6}
SMALL = {"width": 16, "learning_rate": 0.01}
FLOW = {"transforms": 2, "bins": 4, "width": 16, "depth": 1, "learning_rate": 0.01}


def flow(**settings):
    return FlowModule(PRIOR, EMBEDDING, **FLOW, **settings)


def ratio(**settings):
    return RatioModule(PRIOR, **{"embedding": EMBEDDING, "n_negatives": 31, **SMALL, **settings})


MAKERS = {
    "nre_a": lambda: ratio(loss="nre_a"),
    "nre_b": lambda: ratio(loss="nre_b"),
    "nre_c": lambda: ratio(loss="nre_c"),
    "bnre": lambda: ratio(loss="bnre"),
    "perceptron": lambda: ratio(head="perceptron", loss="nre_c"),
    "perceptron_b": lambda: ratio(head="perceptron"),
    "batch": lambda: ratio(negatives="batch", n_negatives=5),
    "attention": lambda: ratio(embedding=ATTENTION),
    "flow": flow,
    "flow_attention": lambda: FlowModule(PRIOR, ATTENTION, **FLOW),
    "correction": lambda: RatioModule.correcting(flow(seed=4), n_negatives=7, **SMALL),
}


@pytest.fixture(scope="module")
def pairs():
    return SummarySimulator(n=(5, 9), seed=2)(0, 8)


@pytest.fixture(params=MAKERS)
def module(request):
    return MAKERS[request.param]()


def bare_trainer(**options):
    return L.Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **options,
    )


def test_ratios_of_all_surveys_and_points(module, pairs):
    theta, x = pairs
    shared = module.log_ratio(theta[:3], x)
    assert shared.shape == (8, 3)
    own = module.log_ratio(theta[:3].expand(8, 3, 5), x)
    torch.testing.assert_close(own, shared, rtol=1e-4, atol=1e-4)
    assert bool(shared.isfinite().all())
    density = module.log_prob(theta[:3].expand(8, 3, 5), x)
    torch.testing.assert_close(density, own - PRIOR.log_volume)


def test_a_gradient_reaches_every_parameter(module, pairs):
    theta, x = pairs
    module.loss(theta, x, torch.Generator().manual_seed(0)).backward()
    for name, parameter in module.named_parameters():
        if name.startswith("proposal."):
            assert not parameter.requires_grad
            continue
        assert parameter.grad is not None, name
        assert float(parameter.grad.abs().max()) > 0, name


def test_scores_are_loss_and_information_with_the_same_noise(module, pairs):
    def noise():
        return torch.Generator().manual_seed(3)

    with torch.no_grad():
        expected = module.loss(*pairs, noise()), module.information(*pairs, noise())
        torch.testing.assert_close(module.scores(*pairs, noise), expected)


def test_the_order_of_supernovae_and_masked_ones_change_nothing(module, pairs):
    theta, x = pairs
    order = torch.arange(x.mask.shape[1]).flip(0)
    poisoned = replace(
        x,
        redshift=torch.where(x.mask, x.redshift, torch.nan)[:, order],
        data=torch.where(x.mask[..., None], x.data, 1e9)[:, order],
        mask=x.mask[:, order],
    )
    found, expected = (module.log_ratio(theta[:4], surveys) for surveys in (poisoned, x))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_it_is_a_likelihood_for_the_sampler(module, pairs):
    theta, x = pairs
    posterior = module.posterior(x)
    assert len(posterior) == 8
    free = PRIOR.unconstrain(theta[:, None].expand(8, 4, 5))
    value, gradient = posterior.value_and_gradient(free)
    assert value.dtype == gradient.dtype == torch.float64
    part = posterior.take(torch.tensor([5, 1]))
    torch.testing.assert_close(part(free[[5, 1]]), value[[5, 1]], rtol=1e-4, atol=1e-4)


def test_draws_lie_in_the_box_and_have_a_seed(module, pairs):
    x = pairs[1].take(slice(0, 2))
    first, again, other = (module.sample(x, 150, seed=s) for s in (1, 1, 2))
    assert first.shape == (2, 150, 5)
    assert first.dtype == torch.float64
    low, high = first.new_tensor(PRIOR.low), first.new_tensor(PRIOR.high)
    assert bool(((first > low) & (first < high)).all())
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_same_after_saving(module, pairs, tmp_path):
    theta, x = pairs
    module.prepare(x)
    module.save_pretrained(tmp_path / "made")
    opened = open_estimator(tmp_path / "made")
    assert type(opened) is type(module)
    assert opened.config == module.config
    torch.testing.assert_close(
        opened.log_ratio(theta, x), module.eval().log_ratio(theta, x), rtol=0, atol=0
    )
    other = RatioModule if isinstance(module, FlowModule) else FlowModule
    with pytest.raises(CheckpointError, match=f"holds .*{type(module).__name__}, not"):
        other.from_pretrained(tmp_path / "made")


def test_an_empty_survey_is_refused(module, pairs):
    x = pairs[1]
    with pytest.raises(DataError, match="a survey has no supernova"):
        module.posterior(replace(x, mask=x.mask & False))


@pytest.mark.parametrize("name", ["nre_a", "nre_b", "flow", "correction"])
def test_training_is_reproducible_and_a_checkpoint_opens(name, tmp_path):
    weights = []
    for _ in range(2):
        module = MAKERS[name]()
        data = SurveyDataModule(SummarySimulator(n=6, seed=1), 8, n_batches=2, n_validation=8)
        trainer = bare_trainer(max_epochs=2)
        trainer.fit(module, data)
        weights.append(module.state_dict())
        assert set(trainer.callback_metrics) == {"train/loss", "val/loss", "val/information"}
    assert bool(weights[0]["prepared"])
    for key, value in weights[0].items():
        assert torch.equal(value, weights[1][key]), key
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    opened = open_estimator(tmp_path)
    assert opened.trained_on == {"survey": SummarySurvey().settings(), "n": [6, 6]}
    opened.save_pretrained(tmp_path / "made")
    assert open_estimator(tmp_path / "made").trained_on == opened.trained_on
    for key, value in opened.state_dict().items():
        assert torch.equal(value, weights[1][key]), key
    with pytest.raises(CheckpointError, match=r"last.ckpt: the checkpoint holds"):
        (RatioModule if name == "flow" else FlowModule).from_checkpoint(tmp_path / "last.ckpt")


class Undescribed:
    """A simulator that does not say what it simulates."""

    prior = PRIOR

    def __call__(self, first, count):
        return SummarySimulator(n=6, seed=1)(first, count)


def test_what_is_trained_on_now_is_what_counts():
    module = ratio()
    module.trained_on = {"n": [9, 9]}
    data = SurveyDataModule(Undescribed(), 8, n_batches=1, n_validation=0)
    bare_trainer(max_epochs=1, limit_val_batches=0).fit(module, data)
    assert module.trained_on is None


class Interrupted(L.Callback):
    """Ctrl-C in the second epoch."""

    def on_train_epoch_end(self, trainer, module):
        trainer.should_stop = trainer.current_epoch == 1


@pytest.mark.parametrize("name", ["nre_b", "flow"])
def test_a_resumed_training_is_an_uninterrupted_one(name, tmp_path):
    def trained(path=None, callbacks=()):
        module = MAKERS[name]()
        data = SurveyDataModule(SummarySimulator(n=6, seed=1), 8, n_batches=3, n_validation=0)
        trainer = bare_trainer(max_epochs=3, limit_val_batches=0, callbacks=list(callbacks))
        trainer.fit(module, data, ckpt_path=path, weights_only=path is not None)
        return trainer, module.state_dict()

    _, whole = trained()
    trainer, _ = trained(callbacks=[Interrupted()])
    assert trainer.global_step == 6
    trainer.save_checkpoint(tmp_path / "cut.ckpt")
    _, resumed = trained(str(tmp_path / "cut.ckpt"))
    for key, value in whole.items():
        assert torch.equal(value, resumed[key]), key


@pytest.mark.parametrize("name", ["nre_c", "flow"])
def test_a_tiny_training_tells_something(name):
    """More than the prior: information in nats on surveys that were not trained on."""
    module = MAKERS[name]()
    data = SurveyDataModule(SummarySimulator(n=30, seed=5), 32, n_batches=100, n_validation=256)
    trainer = bare_trainer(max_epochs=1)
    trainer.fit(module, data)
    assert float(trainer.callback_metrics["val/information"]) > 0.5


def test_a_smaller_prior_keeps_the_ratio(pairs):
    theta, x = pairs
    box = BoxPrior(PRIOR.names, (0.1, -19.6, 0.05, 2.0, 0.05), (0.6, -19.0, 0.2, 4.0, 0.2))
    module = ratio()
    module.trained_on = {"n": [6, 6]}
    smaller = module.within(box)
    assert smaller.prior == box
    assert smaller.trained_on == module.trained_on == {"n": [6, 6]}
    torch.testing.assert_close(smaller.log_ratio(theta, x), module.log_ratio(theta, x))


def test_a_flow_is_normalised(pairs):
    """The prior's mean of q / p is one."""
    module, x = flow(), pairs[1]
    u = torch.rand(20_000, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    with torch.no_grad():
        found = module.log_ratio(PRIOR.from_uniform(u), x.take(slice(0, 2))).exp().mean(1)
    torch.testing.assert_close(found, torch.ones(2, dtype=found.dtype), atol=0.05, rtol=0)


def test_a_correction_begins_as_its_proposal(pairs):
    """Draws of the proposal start the walkers; its ratio is a part of the corrected one."""
    theta, x = pairs
    proposal = flow(seed=4)
    module = RatioModule.correcting(proposal, n_negatives=7, **SMALL)
    torch.nn.init.zeros_(module.head.of_theta[-1].weight)
    torch.testing.assert_close(module.log_ratio(theta, x), proposal.log_ratio(theta, x))


def test_evidence_of_an_unnormalised_ratio_is_found(pairs):
    module, x = ratio(loss="nre_a"), pairs[1]
    before = module.log_evidence(x)
    with torch.no_grad():
        module.head.offset.bias += 2.0
    torch.testing.assert_close(module.log_evidence(x), before + 2.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"loss": "nre_d"}, "loss nre_d: one of"),
        ({"head": "big"}, "head big: one of bilinear, perceptron"),
        ({"negatives": "none"}, "negatives none: one of prior, batch, proposal"),
        ({"negatives": "proposal"}, "negatives=proposal, which need one"),
        ({"proposal": {}}, "a proposal is for negatives=proposal"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        ratio(**settings)


def test_walkers_start_where_they_are_told(pairs):
    x = pairs[1].take(slice(0, 2))
    with pytest.raises(ConfigError, match=r"start: shape \(2, 100, 5\) is accepted"):
        sample(ratio().posterior(x), 10, start=torch.zeros(2, 3, 5))
