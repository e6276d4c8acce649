"""The best epoch's weights come back, also from a resumed run."""

from __future__ import annotations

import warnings

import lightning as L
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from sntorch.callbacks.best_weights import BestWeights
from sntorch.callbacks.checkpoint import ResumableCheckpoint
from sntorch.errors import ConfigError, SntorchWarning

# Losses that the epochs are given.
LOSSES = [5.0, 3.0, 4.0, 2.0, 6.0, 7.0, 8.0, 1.0]


class Counting(L.LightningModule):
    """Its weight is the number of the epoch, its loss what it is told."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def training_step(self, batch, index):
        return self.weight.sum() * 0

    def on_train_batch_end(self, *_):
        with torch.no_grad():
            self.weight.fill_(self.current_epoch)

    def validation_step(self, batch, index):
        self.log("val/loss", LOSSES[self.current_epoch])

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.0)


class StopAfter(L.Callback):
    """As Ctrl-C does."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_train_epoch_end(self, trainer, pl_module):
        if trainer.current_epoch == self.epoch:
            trainer.should_stop = True


def fit(folder, epochs, best, more=(), ckpt_path=None, **options):
    module = Counting()
    loader = DataLoader(TensorDataset(torch.zeros(1)))
    trainer = L.Trainer(
        max_epochs=epochs,
        callbacks=[*more, best, ResumableCheckpoint(folder)],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        accelerator="cpu",
        **options,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", SntorchWarning)
        trainer.fit(module, loader, loader, ckpt_path=ckpt_path, weights_only=True)
    saved = torch.load(folder / "last.ckpt", weights_only=True)["state_dict"]["weight"]
    assert torch.equal(saved, module.weight.detach())
    if best.weights:
        assert trainer.callback_metrics["val/loss"] == LOSSES[int(saved)]
    return float(module.weight.detach()), trainer.current_epoch


@pytest.mark.parametrize(
    ("patience", "epochs", "kept", "done"),
    [(2, 8, 3, 6), (1, 8, 1, 3), (9, 8, 7, 8), (9, 3, 1, 3)],
)
def test_it_ends_with_the_best_epoch(tmp_path, patience, epochs, kept, done):
    assert fit(tmp_path, epochs, BestWeights(patience=patience)) == (kept, done)


def test_validations_between_which_epochs_lie(tmp_path):
    """Epochs 2 (loss 4) and 5 (loss 7) are validated; 7 is the last."""
    best = BestWeights(patience=9)
    assert fit(tmp_path, 8, best, check_val_every_n_epoch=3) == (2.0, 8)


def test_a_least_number_of_epochs(tmp_path):
    assert fit(tmp_path, 8, BestWeights(patience=1), min_epochs=5) == (3.0, 5)


def test_a_training_that_is_not_validated_says_so(tmp_path):
    with pytest.warns(SntorchWarning, match="nothing was held out or validated"):
        assert fit(tmp_path, 2, BestWeights(), limit_val_batches=0) == (1.0, 2)


def test_a_resumed_run_remembers_the_best(tmp_path):
    stopped = BestWeights(patience=2)
    assert fit(tmp_path, 8, stopped, more=[StopAfter(4)]) == (4.0, 5)
    assert stopped.since == 1
    resumed = BestWeights(patience=2)
    found = fit(tmp_path, 8, resumed, ckpt_path=str(tmp_path / "last.ckpt"))
    assert found == (3.0, 6)


def test_what_is_not_accepted(tmp_path):
    with pytest.raises(ConfigError, match=r"trainer\.max_steps=3"):
        fit(tmp_path, 2, BestWeights(), max_steps=3)
    with pytest.raises(ConfigError, match="patience=0"):
        BestWeights(patience=0)
    with pytest.raises(ConfigError, match="monitor=val/nll: not logged; there is val/loss"):
        fit(tmp_path, 2, BestWeights("val/nll"))
