"""Training, sampling and checkpoints of the recurrent GAN."""

from __future__ import annotations

import lightning as L
import pytest
import torch
from torch.utils.data import DataLoader
from toys import BANDS, flow, population, recurrent, served, talk, trainer, two_classes

from sntorch.errors import CheckpointError, ConfigError, SntorchWarning
from sntorch.generative import Generator
from sntorch.generative.evaluate import impossible, quick_metrics
from sntorch.generative.gan_module import LightCurveGAN
from sntorch.testing import GenerativeModelContract

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers.*"),
    pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec.*:FutureWarning"),
]


def fitted(model: LightCurveGAN, **options) -> LightCurveGAN:
    model.fit_encoding(population(40, **options))
    return model


def conditional(**changes) -> LightCurveGAN:
    model = recurrent(conditions=["type", "redshift"], **changes)
    model.fit_encoding(two_classes())
    return model


class TestLightCurveGANContract(GenerativeModelContract):
    def make(self):
        return fitted(recurrent())


class TestConditionalGANContract(GenerativeModelContract):
    def make(self):
        return conditional()


class TestResampledEpochsContract(GenerativeModelContract):
    """With the epochs of training objects wherever none are asked for."""

    def make(self):
        model = conditional()
        sample = model.sample

        def resampled(n, **options):
            return sample(
                n, **options if "lengths" in options else {"cadence": "resampled"} | options
            )

        model.sample = resampled
        return model


class TestMissingBandsContract(GenerativeModelContract):
    def make(self):
        return fitted(recurrent(), missing=True)


class TestSingleBandContract(GenerativeModelContract):
    def make(self):
        return fitted(recurrent(), bands=("lsstr",))


def test_brightness_follows_class_and_redshift():
    model = conditional()

    def brightness(**condition):
        batch = model.sample(100, condition=condition, seed=1)
        peak = torch.where(batch.mask, batch.flux, 0.0).amax(1)
        return float(peak.clamp(min=1).log10().mean())

    faint, bright = (brightness(type=kind, redshift=0.3) for kind in ("II", "Ia"))
    near, far = (brightness(type="Ia", redshift=z) for z in (0.15, 0.45))
    assert bright - faint > 0.5
    assert near - far > 0.3


def test_conditions_reach_both_networks_while_training():
    model, data = conditional(), served(two_classes(), 1)
    before = [model.generator.clock.weight_ih_l0, model.critic.head.embedding.weight]
    before = [weight.detach().clone() for weight in before]
    trainer(1).fit(model, data)
    after = [model.generator.clock.weight_ih_l0, model.critic.head.embedding.weight]
    codes = model.conditions.n_codes
    first = slice(4, 4 + codes)
    # "Unknown" columns are rarely on; those of class and redshift are.
    assert bool((before[0][:, first] != after[0][:, first]).any(0)[[0, 2, 3]].all())
    assert bool((before[1] != after[1]).any(0)[[0, 2, 3]].all())


def test_generated_objects_say_what_they_are():
    batch = conditional().sample(30, condition={"type": "Ia"}, seed=1)
    assert batch.classes == ("II", "Ia")
    assert batch.label.tolist() == [1] * 30
    assert bool(((batch.redshift >= 0.1) & (batch.redshift <= 0.5)).all())
    unknown = conditional().sample(3, condition={"redshift": None}, seed=1)
    assert bool(unknown.redshift.isnan().all())


def test_missing_bands_are_generated_as_often_as_they_are_missing():
    lengths = fitted(recurrent(), missing=True).sample(400, seed=0).to_rows().lengths
    assert float((lengths[:, -1] == 0).double().mean()) == pytest.approx(0.25, abs=0.07)
    assert bool((lengths[:, 0] > 0).all())


def test_numbers_of_observations_differ_between_bands():
    lengths = fitted(recurrent()).sample(50, seed=0).to_rows().lengths
    assert bool((lengths[:, 0] != lengths[:, 1]).any())


@pytest.mark.parametrize("make", [recurrent, talk])
def test_one_step_changes_every_parameter_of_both_networks(make):
    model, data = make(), served(population(40), 1)
    model.fit_encoding(data.train_batch())
    nets = {"generator": model.generator, "critic": model.critic}
    before = {
        f"{k}.{n}": p.detach().clone()
        for k, net in nets.items()
        for n, p in net.named_parameters()
    }
    trainer(1).fit(model, data)
    unchanged = [
        f"{k}.{n}"
        for k, net in nets.items()
        for n, p in net.named_parameters()
        if torch.equal(p, before[f"{k}.{n}"])
    ]
    # A relativistic or Wasserstein critic is blind to its own constant.
    assert set(unchanged) <= {"critic.head.2.bias", "critic.score.bias"}


def test_encoding_is_fitted_on_training_objects_only():
    train, held_out = population(40, 1), population(40, 2)
    held_out.flux *= 50
    model = recurrent()
    trainer(1).fit(model, served(train, held_out=held_out))
    alone = recurrent()
    alone.fit_encoding(train)
    for name, value in alone.encoding.state_dict().items():
        assert torch.equal(value, model.encoding.state_dict()[name]), name
    assert {"val/ks_peak_mean", "val/ks_peak_desg"} <= set(model.trainer.callback_metrics)


def test_training_brings_samples_nearer_to_held_out_objects():
    train, held_out = population(120, 1), population(400, 2)
    model = recurrent(impose_level=False)
    model.fit_encoding(train)
    before = quick_metrics(model.sample(400, seed=1), held_out)
    trainer(60).fit(model, served(train, 2))
    after = quick_metrics(model.sample(400, seed=1), held_out)
    assert after["ks_all_mean"] < 0.75 * before["ks_all_mean"]
    assert after["ks_peak_mean"] < before["ks_peak_mean"]


@pytest.mark.parametrize("make", [recurrent, talk])
def test_resumed_run_ends_with_the_same_weights(make, tmp_path):
    straight = make()
    trainer(4).fit(straight, served(population(40)))
    first = make()

    class StopAfterTwo(L.Callback):
        def on_train_epoch_end(self, trainer, pl_module):
            if trainer.current_epoch == 1:
                trainer.save_checkpoint(tmp_path / "half.ckpt", weights_only=False)
                trainer.should_stop = True

    trainer(4, callbacks=[StopAfterTwo()]).fit(first, served(population(40)))
    torch.manual_seed(99)
    resumed = make()
    trainer(4).fit(
        resumed, served(population(40)), ckpt_path=tmp_path / "half.ckpt", weights_only=True
    )
    assert int(resumed.iterations) == int(straight.iterations) == 8
    for name, value in straight.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


@pytest.mark.parametrize("make", [recurrent, talk])
def test_checkpoint_alone_gives_the_same_samples(make, tmp_path):
    model, run = make(), trainer(1)
    run.fit(model, served(population(40)))
    (tmp_path / "checkpoints").mkdir()
    run.save_checkpoint(tmp_path / "checkpoints" / "last.ckpt", weights_only=False)
    again = Generator.from_pretrained(tmp_path)
    assert again.bands == BANDS
    ours, theirs = model.sample(20, seed=5), again.sample(20, seed=5)
    assert torch.equal(ours.flux, theirs.flux)
    assert torch.equal(ours.time, theirs.time)


def test_talk_light_curves_are_cut_to_the_shortest_band():
    lengths = fitted(talk()).sample(30, seed=0).to_rows().lengths
    assert torch.equal(lengths, lengths[:, :1].expand_as(lengths))
    assert not impossible(fitted(talk()).sample(30, seed=0))["nonpositive_errors"]


def test_resampled_and_given_cadences():
    model, train = fitted(recurrent()), population(40)
    first = set(train.to_rows().time[:, 0, 0].round(decimals=2).tolist())
    drawn = model.sample(20, cadence="resampled", seed=1).to_rows()
    assert set(drawn.time[:, 0, 0].round(decimals=2).tolist()) <= first
    given = model.sample(90, cadence=train[:4], seed=1)
    torch.testing.assert_close(
        given.time[44][given.mask[44]], train.time[0][train.mask[0]], atol=1e-2, rtol=0
    )
    assert torch.equal(given.band[45][given.mask[45]], train.band[1][train.mask[1]])


@pytest.mark.parametrize(("make", "n"), [(recurrent, 1100), (flow, 200)])
def test_threads_and_chunks_change_nothing(make, n):
    model = make()
    model.fit_encoding(population(40))
    model.train()
    few, alone = model.sample(5, seed=3), model.sample(n, seed=3)
    torch.set_num_threads(2)
    beside, few_beside = model.sample(n, seed=3), model.sample(5, seed=3)
    assert model.average.average.training
    for name in ("time", "flux", "flux_err"):
        found = getattr(alone, name)
        assert torch.equal(getattr(beside, name), found)
        for each in (few, few_beside):
            assert torch.equal(found[:5, : each.time.shape[1]], getattr(each, name))


def test_temperature_narrows_the_population():
    model = fitted(recurrent())
    wide, narrow = (
        model.sample(200, lengths=5, seed=1, temperature=t).flux.log1p().std() for t in (1.0, 0.0)
    )
    assert bool(narrow < wide) or not bool(torch.isfinite(wide))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"condition": {"type": "Ia"}}, "trained with no conditions"),
        ({"lengths": torch.ones(3, 2)}, r"lengths of shape \(3, 2\)"),
        ({"lengths": -1}, "negative"),
        ({"lengths": 0}, "at least one observation"),
        ({"cadence": "nightly"}, "generated, resampled"),
        ({"cadence": "resampled", "lengths": 4}, "both given"),
        ({"cadence": population(2, bands=("ztfg",))}, "ztfg"),
    ],
)
def test_requests_that_do_not_fit_are_refused_in_one_line(options, message):
    with pytest.raises(ConfigError, match=message) as caught:
        fitted(recurrent()).sample(4, **options)
    assert "\n" not in str(caught.value)


def test_untrained_and_empty_requests_are_refused():
    with pytest.raises(ConfigError, match="not been trained"):
        recurrent().sample(3)
    with pytest.raises(ConfigError, match="n=0"):
        fitted(recurrent()).sample(0)


def test_talk_refuses_cadences():
    with pytest.raises(ConfigError, match="its own times"):
        fitted(talk()).sample(3, cadence="resampled")


def test_the_talk_takes_no_conditions():
    with pytest.raises(ConfigError, match=r"model\.conditions to \[\]"):
        talk(conditions=["type"]).fit_encoding(two_classes())


@pytest.mark.parametrize("make", [recurrent, flow])
def test_a_seed_may_be_a_generator(make):
    model = make()
    model.fit_encoding(population(40))
    first, again = (model.sample(5, seed=torch.Generator().manual_seed(4)).flux for _ in range(2))
    assert torch.equal(first, again)
    generator = torch.Generator().manual_seed(4)
    one, two = (model.sample(5, lengths=4, seed=generator).flux for _ in range(2))
    assert not torch.equal(one, two)
    with pytest.raises(ConfigError, match=r"a torch\.Generator or none"):
        model.sample(5, seed="seven")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("make", [recurrent, flow])
def test_conditions_outside_the_training_range_need_extrapolate(make):
    model = make(conditions=["type", "redshift"])
    model.fit_encoding(two_classes())
    with pytest.raises(ConfigError, match=r"redshift=0\.9: the training set has .* extrapolate"):
        model.sample(3, condition={"redshift": 0.9})
    far = model.sample(3, condition={"redshift": 0.9, "extrapolate": True}, seed=1)
    assert far.redshift.tolist() == [0.9] * 3


@pytest.mark.parametrize("make", [recurrent, flow])
def test_a_class_of_few_objects_is_named_in_a_warning(make):
    train = two_classes()
    train.label[:] = 1
    train.label[:4] = 0
    model = make(conditions=["type"])
    with pytest.warns(SntorchWarning, match=r"class II \(4\): fewer than 5"):
        model.fit_encoding(train)
    absent = make(conditions=["type"])
    train.label[:4] = 1
    absent.fit_encoding(train)
    with pytest.raises(ConfigError, match="type II: the training set has Ia"):
        absent.sample(3, condition={"type": "II"})


def test_lengths_in_a_band_without_observations_need_generated_epochs():
    train = population(40)
    model = flow()
    model.fit_encoding(train)
    model.flow.epochs.counts[:, 2] = 0
    with pytest.raises(ConfigError, match="no training object has observations in desi"):
        model.sample(3, lengths=4)
    assert len(model.sample(3, lengths=torch.tensor([[4, 4, 0]] * 3))) == 3


def test_few_objects_work_with_a_warning():
    model = recurrent()
    with pytest.warns(UserWarning, match="12 objects"):
        model.fit_encoding(population(12))
    assert model.augments


def test_augmentation_is_for_small_sets():
    assert fitted(recurrent()).augments
    assert not fitted(recurrent(augment=False)).augments
    large = recurrent()
    large.fit_encoding(population(160))
    assert not large.augments


def broken_files(folder):
    text = folder / "text.ckpt"
    text.write_text("not a checkpoint")
    other = folder / "other.ckpt"
    torch.save(
        {"state_dict": {}, "pytorch-lightning_version": "2.5.0", "hyper_parameters": {}}, other
    )
    run = trainer(1)
    run.fit(recurrent(), served(population(40)))
    whole = folder / "whole.ckpt"
    run.save_checkpoint(whole, weights_only=False)
    cut = folder / "cut.ckpt"
    cut.write_bytes(whole.read_bytes()[:2000])
    swapped = torch.load(whole, weights_only=True)
    swapped["sntorch"]["model"] = "FlowMatching"
    torch.save(swapped, folder / "swapped.ckpt")
    hostile = torch.load(whole, weights_only=True)
    hostile["hyper_parameters"]["generator"] = {"_target_": "os.system", "command": "false"}
    torch.save(hostile, folder / "hostile.ckpt")
    return [
        text,
        other,
        cut,
        folder / "swapped.ckpt",
        folder / "hostile.ckpt",
        folder / "none.ckpt",
    ]


def test_damaged_and_foreign_checkpoints_are_refused_in_one_line(tmp_path):
    for path in broken_files(tmp_path):
        with pytest.raises(CheckpointError) as caught:
            Generator.from_pretrained(path)
        assert path.name in str(caught.value), path
        assert "\n" not in str(caught.value), path


def test_own_network_by_target():
    with pytest.raises(ConfigError, match="Nowhere"):
        fitted(recurrent(generator={"_target_": "toys.Nowhere"}))
    with pytest.raises(ConfigError, match="subclass of Module"):
        fitted(recurrent(generator={"_target_": "toys.population"}))
    with pytest.raises(ConfigError, match="n_hiden"):
        fitted(
            recurrent(critic={"_target_": "sntorch.generative.gan.RecurrentCritic", "n_hiden": 3})
        )


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_trains_and_samples_on_a_cuda_device():
    model = recurrent()
    trainer(1, accelerator="cuda").fit(model, served(population(40)))
    assert not any(impossible(model.cuda().sample(10, seed=1)).values())


@pytest.mark.parametrize("make", [recurrent, talk])
def test_a_batch_of_upper_limits_only_is_skipped(make):
    train = population(60)
    train.upper_limit[:20] = train.mask[:20]
    model = make()
    model.fit_encoding(train)
    batches = DataLoader([train[i : i + 20].trim() for i in (0, 20, 40)], batch_size=None)  # pyright: ignore[reportArgumentType]
    trainer(1).fit(model, batches, served(train).val_dataloader())
    assert int(model.iterations) == 2


class Broken(torch.nn.Module):
    """A network whose constructor has a mistake of the user's own."""

    def __init__(self, n_bands, n_condition):
        super().__init__()
        self.size = n_bands + "one"


def test_an_error_in_a_users_own_network_keeps_its_traceback():
    with pytest.raises(TypeError, match="unsupported operand") as caught:
        fitted(recurrent(generator={"_target_": f"{__name__}.Broken"}))
    assert caught.traceback[-1].name == "__init__"
    with pytest.raises(ConfigError, match="n_hiden"):
        fitted(recurrent(generator={"_target_": f"{__name__}.Broken", "n_hiden": 3}))


def test_an_abstract_class_is_a_wrong_setting():
    with pytest.raises(ConfigError, match="abstract class, critic, generator"):
        recurrent(loss={"_target_": "sntorch.generative.losses.AdversarialLoss"})


def test_the_cause_of_a_refused_checkpoint_is_kept(tmp_path):
    (tmp_path / "text.ckpt").write_text("not a checkpoint")
    with pytest.raises(CheckpointError) as caught:
        Generator.from_pretrained(tmp_path)
    assert caught.value.__cause__ is not None


def test_ranks_have_noise_of_their_own(monkeypatch):
    model = recurrent()
    alone = model.noise_words()
    for rank in (0, 1, 2):
        monkeypatch.setattr(LightCurveGAN, "global_rank", rank)
        assert (model.noise_words() == alone) == (rank == 0)
