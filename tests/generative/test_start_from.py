"""Going on from a trained generator: what is kept, what is new, what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from toys import flow, population, recurrent, served, trainer, two_classes

from sntorch.data.batch import LightCurveBatch
from sntorch.errors import CheckpointError, ConfigError
from sntorch.generative import Generator

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers.*"),
    pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec.*:FutureWarning"),
]
CONDITIONS = {"conditions": ["type", "redshift"]}
CLASSES = ("Ib", "Ia", "II")


def common(n: int = 60) -> LightCurveBatch:
    """Objects of two classes; a third one has a name and no objects."""
    batch = two_classes(n)
    return replace(batch, classes=("II", "Ia", "Ib"))


def rare(n: int = 30) -> LightCurveBatch:
    """Red, distant objects of the third class, whose classes are listed in another order."""
    batch = two_classes(n, seed=5)
    batch.flux *= torch.tensor([1.0, 2.0, 4.0])[batch.band]
    batch.redshift += 0.2
    batch.label[:] = 0
    return replace(batch, classes=CLASSES)


@pytest.fixture(params=[recurrent, flow])
def make(request):
    """A small model that knows class and redshift."""

    def build(**changes):
        # A relativistic critic needs a while; a large step makes the tests short.
        return request.param(**CONDITIONS | {"learning_rate": 5e-3} | changes)

    return build


def trained(make, folder, epochs: int = 1):
    model, run = make(), trainer(epochs)
    run.fit(model, served(common()))
    run.save_checkpoint(folder / "common.ckpt", weights_only=False)
    model.save_pretrained(folder / "folder")
    return model


def networks(model):
    return {
        f"{name}.{key}": value
        for name in model.TRAINED
        for key, value in getattr(model, name).state_dict().items()
        if key != "updates"
    }


@pytest.mark.parametrize("name", ["common.ckpt", "folder"])
def test_networks_and_codes_are_kept_and_objects_are_new(make, name, tmp_path):
    old, new = trained(make, tmp_path), make(start_from=tmp_path / name, seed=9)
    new.fit_encoding(rare())
    for key, value in networks(old).items():
        assert torch.equal(value, networks(new)[key]), key
    encodings = [getattr(m, "flow", m).encoding.state_dict() for m in (old, new)]
    assert all(torch.equal(encodings[0][k], v) for k, v in encodings[1].items())
    ours, theirs = new.objects.conditions, old.objects.conditions
    assert torch.equal(ours.moments, theirs.moments)
    assert ours.classes == theirs.classes == ("II", "Ia", "Ib")
    assert ours.label.tolist() == [2] * 30
    if hasattr(old, "flow"):
        ours, theirs = (m.flow.epoch_space.state_dict() for m in (new, old))
        assert all(torch.equal(ours[k], v) for k, v in theirs.items())
    assert int(new.iterations) == 0
    assert new.started_sha256 == old.training_sha256 != new.training_sha256


def test_without_a_step_the_old_networks_sample(make, tmp_path):
    start = {"start_from": tmp_path / "common.ckpt", "borrow_epochs": False}
    old, new = trained(make, tmp_path), make(**start, seed=9)
    new.fit_encoding(common())
    ours, theirs = new.sample(20, seed=3), old.sample(20, seed=3)
    assert torch.equal(ours.flux, theirs.flux)
    assert torch.equal(ours.time, theirs.time)


def test_a_short_training_moves_towards_the_new_class(make, tmp_path):
    trained(make, tmp_path, 8)
    new = make(start_from=tmp_path / "common.ckpt")
    new.fit_encoding(rare())

    def colour(batch):
        """Logarithm of the ratio of the brightest fluxes in the last and the first band."""
        peaks = [torch.where(batch.band == k, batch.flux, 0.0).amax(1) for k in (0, 2)]
        return float((peaks[1].clamp(min=1) / peaks[0].clamp(min=1)).log10().median())

    goal = colour(rare())
    before = colour(new.sample(100, condition={"type": "Ib"}, seed=1))
    trainer(30).fit(new, served(rare()))
    after = colour(new.sample(100, condition={"type": "Ib"}, seed=1))
    assert goal - before > 0.4
    assert abs(after - goal) < 0.6 * (goal - before)


def test_a_checkpoint_and_a_folder_need_their_start_no_more(make, tmp_path):
    trained(make, tmp_path)
    new, run = make(start_from=tmp_path / "common.ckpt"), trainer(1)
    run.fit(new, served(rare()))
    run.save_checkpoint(tmp_path / "rare.ckpt", weights_only=False)
    new.save_pretrained(tmp_path / "rare")
    (tmp_path / "common.ckpt").unlink()
    expected = new.sample(10, seed=2)
    for name in ("rare.ckpt", "rare"):
        again = Generator.from_pretrained(tmp_path / name)
        assert torch.equal(again.sample(10, seed=2).flux, expected.flux)
        assert again.model.started_sha256 == new.started_sha256  # pyright: ignore[reportAttributeAccessIssue]
    assert str(tmp_path) not in (tmp_path / "rare" / "config.json").read_text()


def test_resuming_needs_no_model_to_start_from(make, tmp_path):
    trained(make, tmp_path)
    start = {"start_from": tmp_path / "common.ckpt"}
    whole, cut, run = make(**start), make(**start), trainer(1)
    trainer(2).fit(whole, served(rare()))
    run.fit(cut, served(rare()))
    run.save_checkpoint(tmp_path / "cut.ckpt", weights_only=False)
    (tmp_path / "common.ckpt").unlink()
    again, run = make(**start), trainer(2)
    run.ckpt_path = str(tmp_path / "cut.ckpt")
    run.fit(again, served(rare()), weights_only=True)
    assert int(again.iterations) == int(whole.iterations)
    for key, value in networks(whole).items():
        assert torch.equal(networks(again)[key], value), key
    assert again.started_sha256 == whole.started_sha256
    assert torch.equal(again.sample(5, seed=1).flux, whole.sample(5, seed=1).flux)


@pytest.mark.parametrize(
    ("batch", "changes", "message"),
    [
        (replace(rare(), classes=("SLSN", "Ia", "II")), {}, "type SLSN: .* knows II, Ia, Ib"),
        (population(40, bands=("desg", "desr", "desz")), {}, "bands desg, desr, desi, which"),
        (rare(), {"conditions": ["type"]}, r"conditions=\['type', 'redshift'\], which"),
        (replace(rare(), zeropoint=25.0), {}, "zero point 27.5, which is accepted"),
    ],
)
def test_what_does_not_fit_is_refused(make, batch, changes, message, tmp_path):
    trained(make, tmp_path)
    with pytest.raises(ConfigError, match=message):
        make(start_from=tmp_path / "common.ckpt", **changes).fit_encoding(batch)


def test_other_models_and_networks_are_refused(tmp_path):
    trained(lambda: recurrent(**CONDITIONS), tmp_path)
    with pytest.raises(ConfigError, match="a LightCurveGAN; a FlowMatching is accepted"):
        flow(start_from=tmp_path / "common.ckpt", **CONDITIONS).fit_encoding(rare())
    wide = recurrent().config["critic"] | {"n_hidden": 24}
    start = {"start_from": tmp_path / "common.ckpt", **CONDITIONS}
    with pytest.raises(ConfigError, match="was trained with critic="):
        recurrent(critic=wide, **start).fit_encoding(rare())
    with pytest.raises(CheckpointError, match="no checkpoint there"):
        recurrent(start_from=tmp_path / "nowhere", **CONDITIONS).fit_encoding(rare())


# --------------------------------------------------------------- borrowed epochs


def gaps(batch: LightCurveBatch) -> set[float]:
    """Intervals between observations of a band, in seconds: those of nobody else."""
    found: set[float] = set()
    for lc in batch.to_light_curves():
        for k in range(len(lc.bands)):
            days = torch.as_tensor(lc.time[lc.band_index == k])
            found |= {round(86400 * float(gap)) for gap in days.diff()}
    return found


def test_epochs_are_those_of_the_common_objects(make, tmp_path):
    trained(make, tmp_path)
    start = {"start_from": tmp_path / "folder"}
    theirs, ours = gaps(common()), gaps(rare())
    for borrow in (True, False):
        model = make(**start, borrow_epochs=borrow)
        model.fit_encoding(rare())
        drawn = model.sample(60, condition={"type": "Ib"}, cadence="resampled", seed=1)
        found = gaps(drawn)
        right, wrong = (theirs, ours) if borrow else (ours, theirs)
        # Where bands do not share their nights, a splice makes an interval of its own.
        assert len(found & right) > 0.5 * len(found)
        assert len(found & wrong) < 0.2 * len(found)
        assert int(drawn.mask.sum(1).max()) <= int(rare().mask.sum(1).max())


def test_borrowed_epochs_are_kept_and_one_object_is_the_same_among_more(make, tmp_path):
    trained(make, tmp_path)
    new = make(start_from=tmp_path / "folder")
    new.fit_encoding(rare())
    new.save_pretrained(tmp_path / "rare")
    again = Generator.from_pretrained(tmp_path / "rare")
    many, few = new.sample(150, seed=4), again.sample(9, seed=4)
    width = few.time.shape[1]
    assert torch.equal(few.time, many.time[:9, :width])
    assert torch.equal(few.flux, many.flux[:9, :width])
