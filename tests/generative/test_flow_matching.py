"""Training, sampling, conditions and persistence of the flow."""

from __future__ import annotations

import json

import lightning as L
import pytest
import torch
from toys import BANDS, flow, population, recurrent, served, trainer, two_classes

from sntorch.errors import CheckpointError, ConfigError, SntorchWarning
from sntorch.generative import Generator
from sntorch.generative.evaluate import impossible
from sntorch.generative.flow_matching import FlowMatching
from sntorch.generative.flow_network import TokenVelocity
from sntorch.testing import GenerativeModelContract, VelocityNetworkContract

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers.*"),
    pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec.*:FutureWarning"),
]


def fitted(model: FlowMatching, **options) -> FlowMatching:
    model.fit_encoding(population(40, **options))
    return model


def conditional(**changes) -> FlowMatching:
    model = flow(conditions=["type", "redshift"], **changes)
    model.fit_encoding(two_classes())
    return model


class TestTokenVelocity(VelocityNetworkContract):
    def make(self, **sizes):
        return TokenVelocity(**sizes, width=16)


class TestFlowContract(GenerativeModelContract):
    def make(self):
        return fitted(flow())


class TestConditionalFlowContract(GenerativeModelContract):
    def make(self):
        return conditional(guidance=1.5)


class TestMissingBandsContract(GenerativeModelContract):
    def make(self):
        return fitted(flow(), missing=True)


class TestSingleBandContract(GenerativeModelContract):
    def make(self):
        return fitted(flow(), bands=("lsstr",))


class TestGeneratedEpochsContract(GenerativeModelContract):
    """With ``learn_epochs``, and epochs made by the model wherever none are asked for."""

    def make(self):
        model = fitted(flow(learn_epochs=True))
        sample = model.sample
        model.sample = lambda n, **options: sample(n, **{"cadence": "generated"} | options)
        return model


# ---------------------------------------------------------------- distribution


def gaussian_sample(n, seed, level=0.5, colour=0.2):
    """Bright objects at the same epochs whose magnitudes are normal: a grey part and a colour."""
    generator = torch.Generator().manual_seed(seed)
    batch = population(1, bands=BANDS[:2])
    one = batch.where(torch.arange(batch.mask.shape[1]) < 6)
    many = one[[0] * n]
    grey, red = torch.randn(2, n, 1, generator=generator, dtype=torch.float64)
    sign = torch.where(many.band == 0, -0.5, 0.5)
    magnitude = 18 + level * grey + colour * red * sign
    magnitude = magnitude + 0.05 * torch.randn(many.time.shape, generator=generator)
    many.flux = 10 ** (-0.4 * (magnitude - many.zeropoint))
    many.flux_err = 0.02 * torch.ones_like(many.flux) * 10 ** (-0.4 * (18 - many.zeropoint))
    return many


def magnitudes(batch):
    """Of every observation, shape (B, T), bands in the order of the first object."""
    return batch.zeropoint - 2.5 * batch.flux.log10()


@pytest.mark.slow
def test_gaussian_magnitudes_are_learned():
    train, held_out = gaussian_sample(2000, 1), gaussian_sample(4000, 2)
    model = flow(n_steps=20, ema_decay=0.99, schedule="cosine")
    trainer(60).fit(model, served(train, 32))
    ours, real = magnitudes(model.sample(4000, seed=3)), magnitudes(held_out)
    # Four standard errors of the difference of two means, the training set's and the sample's.
    error = 4 * (real.var(0) * (1 / 2000 + 1 / 4000 + 1 / 4000)).sqrt()
    assert bool(((ours.mean(0) - real.mean(0)).abs() < error).all())
    torch.testing.assert_close(ours.T.cov(), real.T.cov(), atol=0.04, rtol=0)


def test_a_condition_separates_two_classes_and_follows_the_redshift():
    model = flow(conditions=["type", "redshift"], ema_decay=0.98, learning_rate=5e-3)
    train = two_classes(200)
    trainer(25).fit(model, served(train, 4))

    def brightness(**condition):
        batch = model.sample(60, condition=condition, seed=1)
        peak = torch.where(batch.mask, batch.flux, 0.0).amax(1)
        return float(peak.clamp(min=1).log10().mean())

    faint, bright = (brightness(type=kind, redshift=0.3) for kind in ("II", "Ia"))
    near, far = (brightness(type="Ia", redshift=z) for z in (0.15, 0.45))
    assert bright - faint == pytest.approx(1.0, abs=0.35)
    assert near - far == pytest.approx(0.6, abs=0.3)
    assert bright - brightness(type=None, redshift=0.3) > 0.1


def test_generated_objects_say_what_they_are():
    batch = conditional().sample(30, condition={"type": "Ia"}, seed=1)
    assert batch.classes == ("II", "Ia")
    assert batch.label.tolist() == [1] * 30
    assert bool(((batch.redshift >= 0.1) & (batch.redshift <= 0.5)).all())
    one = conditional().sample(3, condition={"redshift": [0.2, 0.3, 0.4]}, seed=1)
    assert one.redshift.tolist() == [0.2, 0.3, 0.4]
    unknown = conditional().sample(3, condition={"redshift": None}, seed=1)
    assert bool(unknown.redshift.isnan().all())


# --------------------------------------------------------------------- cadence


def test_resampled_epochs_begin_as_those_of_a_training_object_and_are_those_of_none():
    def epochs(batch):
        pairs = zip(batch.time, batch.mask, strict=True)
        return [tuple(time[mask].round(decimals=6).tolist()) for time, mask in pairs]

    drawn, known = epochs(fitted(flow()).sample(50, seed=1)), epochs(population(40))
    assert {days[0] for days in drawn} <= {days[0] for days in known}
    assert len(set(drawn) - set(known)) > 25


def test_the_maximum_moves_among_resampled_epochs():
    drawn = fitted(flow()).sample(50, seed=1)
    assert float((drawn.t_ref - 57000).std()) == pytest.approx(2.5, abs=0.6)


def test_given_epochs_are_taken_in_turn():
    train = population(40)
    given = fitted(flow()).sample(9, cadence=train[:4], seed=1)
    for i in range(9):
        assert torch.equal(given.time[i][given.mask[i]], train.time[i % 4][train.mask[i % 4]])
        assert torch.equal(given.band[i][given.mask[i]], train.band[i % 4][train.mask[i % 4]])


def test_epochs_beyond_the_training_set_are_counted_in_a_warning():
    late = population(2)
    late.t_ref -= 100
    with pytest.warns(SntorchWarning, match="extrapolated"):
        fitted(flow()).sample(2, cadence=late, seed=1)


def test_generated_epochs_are_new():
    model = fitted(flow(learn_epochs=True))
    known = set(population(40).time.flatten().tolist())
    drawn = model.sample(20, cadence="generated", seed=1)
    assert not known & set(drawn.time[drawn.mask].tolist())
    assert not any(impossible(drawn).values())


# -------------------------------------------------------------------- training


@pytest.mark.parametrize("learn_epochs", [False, True])
def test_one_step_changes_every_parameter(learn_epochs):
    model, data = conditional(learn_epochs=learn_epochs), served(two_classes(), 1)
    before = {n: p.detach().clone() for n, p in model.networks.named_parameters()}
    trainer(2).fit(model, data)
    assert not [n for n, p in model.networks.named_parameters() if torch.equal(p, before[n])]


def test_a_flow_learns_from_a_part_of_the_observations_and_draws_all():
    model, shown = flow(max_observations=4), []
    model.fit_encoding(population(40))
    model.networks.register_forward_hook(lambda *a: shown.append(a[1][-2].sum(1).tolist()))
    trainer(1).fit(model, served(population(40)))
    assert {n for each in shown for n in each} == {4}
    assert int(model.sample(40, seed=1).mask.sum(1).max()) > 4


def test_validation_logs_the_loss_on_held_out_objects():
    model = flow(learn_epochs=True)
    trainer(1).fit(model, served(population(40, 1), held_out=population(40, 2)))
    assert {"val/loss", "val/photometry", "val/epochs", "val/ks_peak_mean"} <= set(
        model.trainer.callback_metrics
    )


def test_fitted_on_training_objects_only():
    train, held_out = population(40, 1), population(40, 2)
    held_out.flux *= 50
    model = flow()
    trainer(1).fit(model, served(train, held_out=held_out))
    alone = flow()
    alone.fit_encoding(train)
    for name, value in alone.flow.state_dict().items():
        assert torch.equal(value, model.flow.state_dict()[name]), name


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_resumed_run_ends_with_the_same_weights(schedule, tmp_path):
    straight = flow(schedule=schedule)
    trainer(4).fit(straight, served(population(40)))

    class StopAfterTwo(L.Callback):
        def on_train_epoch_end(self, trainer, pl_module):
            if trainer.current_epoch == 1:
                trainer.save_checkpoint(tmp_path / "half.ckpt", weights_only=False)
                trainer.should_stop = True

    trainer(4, callbacks=[StopAfterTwo()]).fit(flow(schedule=schedule), served(population(40)))
    torch.manual_seed(99)
    resumed = flow(schedule=schedule)
    data = served(population(40))
    trainer(4).fit(resumed, data, ckpt_path=tmp_path / "half.ckpt", weights_only=True)
    assert int(resumed.iterations) == int(straight.iterations) == 8
    for name, value in straight.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_augmentation_is_for_small_sets():
    assert fitted(flow()).augments
    assert not fitted(flow(augment=False)).augments
    with pytest.warns(UserWarning, match="12 objects"):
        flow().fit_encoding(population(12))


def test_objects_without_observations_or_reference_time_are_left_out():
    train = population(60)
    train.upper_limit[:20] = train.mask[:20]
    train.t_ref[20:25] = torch.nan
    model = flow()
    model.fit_encoding(train)
    assert len(model.flow.epochs) == 35
    assert not any(impossible(model.sample(5, seed=1)).values())


# ----------------------------------------------------------------- persistence


def test_checkpoint_alone_gives_the_same_samples(tmp_path):
    model, run = flow(conditions=["type", "redshift"], learn_epochs=True), trainer(1)
    run.fit(model, served(two_classes()))
    (tmp_path / "checkpoints").mkdir()
    run.save_checkpoint(tmp_path / "checkpoints" / "last.ckpt", weights_only=False)
    model.save_pretrained(tmp_path / "folder")
    expected = model.sample(20, seed=5, condition={"type": "Ia"}, cadence="generated")
    for path in (tmp_path / "checkpoints", tmp_path / "folder"):
        again = Generator.from_pretrained(path)
        assert again.bands == BANDS
        found = again.sample(20, seed=5, condition={"type": "Ia"}, cadence="generated")
        assert torch.equal(found.flux, expected.flux)
        assert torch.equal(found.time, expected.time)
        assert again.model.training_sha256 == model.training_sha256  # pyright: ignore[reportAttributeAccessIssue]


def test_each_kind_of_checkpoint_is_opened_as_what_it_is(tmp_path):
    for name, model in (("FlowMatching", flow()), ("LightCurveGAN", recurrent())):
        run = trainer(1)
        run.fit(model, served(population(40)))
        run.save_checkpoint(tmp_path / f"{name}.ckpt", weights_only=False)
        opened = Generator.from_pretrained(tmp_path / f"{name}.ckpt").model
        assert type(opened).__name__ == name
    with pytest.raises(CheckpointError, match="a FlowMatching checkpoint is accepted"):
        FlowMatching.from_checkpoint(tmp_path / "LightCurveGAN.ckpt")


def test_damaged_folders_are_refused(tmp_path):
    fitted(flow()).save_pretrained(tmp_path / "whole")
    config = json.loads((tmp_path / "whole" / "config.json").read_text())
    cases = {
        "os.system": {"_target_": "os.system"},
        "cannot be opened": {"_target_": "toys.NoFolder"},
        "incomplete": {"arguments": config["arguments"] | {"width": 3}},
        "size mismatch|loading state_dict": {
            "arguments": config["arguments"] | {"network": NARROW}
        },
    }
    for message, change in cases.items():
        (tmp_path / "whole" / "config.json").write_text(json.dumps(config | change))
        with pytest.raises(CheckpointError, match=message):
            Generator.from_pretrained(tmp_path / "whole")
    with pytest.raises(ConfigError, match="not been trained"):
        flow().save_pretrained(tmp_path / "new")


NARROW = {"_target_": "sntorch.generative.flow_network.TokenVelocity", "width": 8}


# -------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"condition": {"type": "Ia"}}, "trained with no conditions"),
        ({"lengths": torch.ones(3, 2)}, r"lengths of shape \(3, 2\)"),
        ({"cadence": "nightly"}, "generated, resampled"),
        ({"cadence": "generated"}, "learn_epochs=false"),
        ({"cadence": "resampled", "lengths": 4}, "both given"),
        ({"cadence": population(2, bands=("ztfg",))}, "ztfg"),
    ],
)
def test_requests_that_do_not_fit_are_refused_in_one_line(options, message):
    with pytest.raises(ConfigError, match=message) as caught:
        fitted(flow()).sample(4, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"flow_times": "cosine"}, "logit_normal or uniform"),
        ({"schedule": "step"}, "constant or cosine"),
        ({"n_steps": 0}, "1 or more"),
        ({"condition_dropout": 1.0}, "below 1"),
        ({"max_observations": 0}, "1 or more, or none"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        flow(**settings)


def test_untrained_flows_do_not_sample():
    with pytest.raises(ConfigError, match="not been trained"):
        flow().sample(3)
