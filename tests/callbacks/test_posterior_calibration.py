"""The callback that tells whether posteriors of held-out surveys are calibrated."""

from __future__ import annotations

import lightning as L
import pytest
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.data import DataLoader

from sntorch.callbacks.best_weights import BestWeights
from sntorch.callbacks.calibration import PosteriorCalibration
from sntorch.errors import ConfigError
from sntorch.sbi import FlowModule, RatioModule, SummarySimulator, SurveyDataModule
from sntorch.sbi.simulated import FRESH, HELD_OUT, TESTED
from sntorch.sbi.summary import PRIOR

EMBEDDING = {
    "_target_": "sntorch.sbi.embeddings.DeepSet",
    "encoder": {"_target_": "sntorch.sbi.encoders.SummaryEncoder"},
    "n_outputs": 8,
}
SCALARS = {"val/coverage_68", "val/coverage_95", "val/tarp_deviation"}


class Certain(FlowModule):
    """One that is sure of the middle of the box."""

    def draw(self, x, n, generator):
        return self.prior.constrain(0.01 * super().draw(x, n, generator))


class Asked(PosteriorCalibration):
    """Remembers what it looked at."""

    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.seen = []

    def _calibrated(self, estimator, batches):
        self.seen.append(torch.cat([theta for theta, _ in batches]))
        return super()._calibrated(estimator, batches)


def network(kind=FlowModule, **settings):
    return kind(PRIOR, EMBEDDING, width=16, **settings)


def train(callback, module, epochs=1, n_validation=40, logger=False, others=()):
    data = SurveyDataModule(
        SummarySimulator(n=8), batch_size=16, n_batches=2, n_validation=n_validation
    )
    trainer = L.Trainer(
        accelerator="cpu",
        max_epochs=epochs,
        logger=logger,
        callbacks=[*others, callback],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(module, data)
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


@pytest.mark.parametrize("kind", [FlowModule, RatioModule])
def test_figures_and_numbers_reach_tensorboard(tmp_path, kind):
    logger = TensorBoardLogger(tmp_path, name="", version="")
    callback = PosteriorCalibration(every_n_epochs=2, n=20, draws=50)
    module = network(kind)
    found = train(callback, module, epochs=3, logger=logger)
    assert 0 < found["val/coverage_68"] <= found["val/coverage_95"] <= 1
    assert module.training
    logger.finalize("success")
    events = EventAccumulator(str(tmp_path), {"images": 0, "scalars": 0}).Reload()
    # After the second epoch and at the end, which is the third.
    assert [event.step for event in events.Images("val/calibration")] == [4, 6]
    for name in SCALARS:
        values = [(event.step, event.value) for event in events.Scalars(name)]
        assert values[1] == (6, pytest.approx(found[name]))


def test_as_many_surveys_as_asked_for():
    callback = Asked(n=20, draws=20)
    train(callback, network(), n_validation=40)
    assert len(callback.seen[0]) == 20
    callback = Asked(n=100, draws=20)
    train(callback, network(), n_validation=40)
    assert len(callback.seen[0]) == 40


def test_surveys_at_the_end_are_not_those_by_which_weights_were_chosen():
    callback = Asked(every_n_epochs=1, n=20, draws=20)
    train(callback, network(), epochs=2, others=[BestWeights(patience=5)])
    during, end = callback.seen
    assert torch.equal(during, SummarySimulator(n=8)(HELD_OUT, 20)[0])
    assert torch.equal(end, SummarySimulator(n=8)(FRESH, 20)[0])
    held_out, _ = SummarySimulator(n=8)(HELD_OUT, 40)
    trained, _ = SummarySimulator(n=8)(0, 64)
    tested, _ = SummarySimulator(n=8)(TESTED, 40)
    for other in (held_out, trained, tested):
        assert not bool(torch.isin(end, other).any())


def test_without_a_module_of_data_held_out_surveys_are_all_there_are():
    callback, held_out = Asked(n=20, draws=20), SummarySimulator(n=8)(HELD_OUT, 20)
    trainer = L.Trainer(
        accelerator="cpu",
        max_epochs=1,
        logger=False,
        callbacks=[callback],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    module = network()
    module.prepare(held_out[1])
    batches = DataLoader([held_out], batch_size=None)
    trainer.fit(module, batches, batches)
    assert torch.equal(callback.seen[-1], held_out[0])


def test_a_network_that_is_too_certain_is_told_of():
    found = train(PosteriorCalibration(n=40, draws=50), network(Certain))
    assert found["val/coverage_95"] < 0.2


def test_nothing_is_said_where_nothing_is_held_out():
    callback = Asked()
    assert not SCALARS & {*train(callback, network(), n_validation=0)}
    assert not callback.seen


def test_numbers_at_the_end_are_those_of_the_weights_that_are_kept():
    callback = PosteriorCalibration(every_n_epochs=1, n=20, draws=50)
    module = network()
    found = train(callback, module, epochs=2, others=[BestWeights(patience=1)])
    first, more = SummarySimulator(n=8)(FRESH, 16), SummarySimulator(n=8)(FRESH + 16, 4)
    again = callback._calibrated(module, [first, more])
    assert found["val/tarp_deviation"] == pytest.approx(again.tarp_deviation)


def test_drawing_leaves_the_training_as_it_is():
    plain, watched = network(), network()
    train(PosteriorCalibration(every_n_epochs=5), plain, n_validation=0, epochs=2)
    train(PosteriorCalibration(every_n_epochs=1, n=5, draws=20), watched, epochs=2)
    for ours, theirs in zip(plain.parameters(), watched.parameters(), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("name", ["every_n_epochs", "n", "draws"])
def test_numbers_below_one_are_refused(name):
    with pytest.raises(ConfigError, match=f"{name}=0: at least 1"):
        PosteriorCalibration(**{name: 0})
