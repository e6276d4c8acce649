"""Surveys made for training: each a function of its number, in memory, in batches, in files."""

import json

import pytest
import torch
from torch.utils.data import DataLoader

from sntorch.errors import ConfigError, DataError
from sntorch.sbi import BoxPrior, SummarySimulator, SurveyDataModule
from sntorch.sbi.benchmarks.magnitudes import LinearMagnitudes
from sntorch.sbi.simulated import SimulatedSurveys
from sntorch.sbi.stored import StoredSurveys, store
from sntorch.sbi.summary import PRIOR, SummarySurvey

FIELDS = ("redshift", "data", "mask", "n_candidates")


@pytest.mark.parametrize("n", [7, (3, 20)])
def test_a_survey_is_the_same_in_any_batch(n):
    simulator = SummarySimulator(n=n, seed=4)
    theta, whole = simulator(0, 6)
    for b in range(6):
        own, one = simulator(b, 1)
        assert torch.equal(own[0], theta[b])
        size = int(one.mask.sum())
        assert size == int(whole.mask[b].sum())
        # Batches of other sizes round differently.
        torch.testing.assert_close(one.data[0, :size], whole.data[b, :size], rtol=0, atol=1e-12)
        assert torch.equal(one.redshift[0, :size], whole.redshift[b, :size])


def test_numbers_are_log_uniform():
    _, x = SummarySimulator(n=(2, 63), seed=1)(0, 1500)
    number = x.mask.sum(1)
    assert int(number.min()) == 2
    assert int(number.max()) == 63
    # 2 … 11 are half of the range in ln N.
    assert float((number <= 10).double().mean()) == pytest.approx(0.493, abs=0.04)
    assert bool((x.data[~x.mask] == 0).all())


@pytest.mark.parametrize("n", [0, (5, 3)])
def test_impossible_numbers_are_refused(n):
    with pytest.raises(ConfigError, match="least and largest N"):
        SummarySimulator(n=n)


def test_another_prior():
    box = BoxPrior(PRIOR.names, PRIOR.low, (0.1, *PRIOR.high[1:]))
    theta, _ = SummarySimulator(n=2).within(box)(0, 20)
    assert float(theta[:, 0].max()) < 0.1


# It depends on the machine.
@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize("workers", [0, 2])
def test_batches_come_whole_and_fresh_in_every_epoch(workers):
    surveys = SimulatedSurveys(SummarySimulator(n=3, seed=1), 4, 3)
    loader = DataLoader(surveys, batch_size=None, num_workers=workers)
    epochs = []
    for epoch in range(2):
        surveys.epoch = epoch
        batches = list(loader)
        assert [len(theta) for theta, _ in batches] == [4, 4, 4]
        epochs.append(torch.cat([theta for theta, _ in batches]))
    expected, _ = SummarySimulator(n=3, seed=1)(0, 24)
    assert torch.equal(torch.cat(epochs), expected)


def test_processes_share_the_batches(monkeypatch, tmp_path):
    """Equally many each, none twice."""
    simulator = SummarySimulator(n=2, seed=1)
    store(simulator, tmp_path / "s", 14)
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    for surveys in (SimulatedSurveys(simulator, 2, 7), StoredSurveys(tmp_path / "s", 2)):
        found = []
        for rank in range(2):
            monkeypatch.setattr(torch.distributed, "get_rank", lambda rank=rank: rank)
            batches = list(surveys)
            assert len(batches) == len(surveys) == 3
            found += [theta for theta, _ in batches]
        assert len(torch.cat(found).unique(dim=0)) == 12


def test_stored_surveys_are_all_there_in_a_new_order(tmp_path):
    simulator = SummarySimulator(n=(2, 5), seed=1)
    store(simulator, tmp_path / "s", 25, shard_size=10)
    surveys = StoredSurveys(tmp_path / "s", 4)
    orders = []
    for epoch in range(2):
        surveys.epoch = epoch
        batches = list(surveys)
        assert len(batches) == len(surveys) == 8
        orders.append(torch.cat([theta for theta, _ in batches]))
    expected, whole = simulator(0, 25)
    for order in orders:
        assert torch.equal(order[order[:, 0].argsort()], expected[expected[:, 0].argsort()])
    assert not torch.equal(*orders)
    theta, x = batches[0]
    b = int((expected[:, 0] == theta[0, 0]).nonzero())
    size = int(whole.mask[b].sum())
    assert int(x.mask[0].sum()) == size
    torch.testing.assert_close(x.data[0, :size], whole.data[b, :size], rtol=0, atol=1e-12)


def test_an_interrupted_simulation_goes_on(tmp_path, monkeypatch):
    folder, simulator = tmp_path / "s", SummarySimulator(n=3, seed=1)
    calls = []

    def counted(self, first, count):
        calls.append(first)
        if first == 10 and len(calls) == 2:
            raise KeyboardInterrupt
        return original(self, first, count)

    original = SummarySimulator.__call__
    monkeypatch.setattr(SummarySimulator, "__call__", counted)
    with pytest.raises(KeyboardInterrupt):
        store(simulator, folder, 30, shard_size=10)
    assert [p.name for p in sorted(folder.iterdir())] == [
        "shard_00000.safetensors",
        "simulation.json",
    ]
    store(simulator, folder, 30, shard_size=10)
    assert calls == [0, 10, 10, 20]
    assert sum(StoredSurveys(folder, 5).lengths) == 30


def test_another_simulation_in_the_same_folder_is_refused(tmp_path):
    store(SummarySimulator(n=3, seed=1), tmp_path / "s", 5)
    assert json.loads((tmp_path / "s" / "simulation.json").read_text())["simulator"]["n"] == [3, 3]
    with pytest.raises(DataError, match="holds another simulation"):
        store(SummarySimulator(n=4, seed=1), tmp_path / "s", 5)


def test_an_empty_or_damaged_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match="no surveys there"):
        StoredSurveys(tmp_path, 4)
    (tmp_path / "shard_00000.safetensors").write_bytes(b"nothing")
    with pytest.raises(DataError, match="damaged, or no surveys"):
        StoredSurveys(tmp_path, 4)


def test_a_data_module_of_a_folder(tmp_path):
    simulator = SummarySimulator(n=3, seed=1)
    store(simulator, tmp_path / "s", 10)
    data = SurveyDataModule(simulator, 4, n_validation=6, folder=tmp_path / "s")
    data.setup("fit")
    assert data.describe() == "12 stored surveys an epoch"
    assert [len(theta) for theta, _ in data.train_dataloader()] == [4, 4, 2]
    held_out = torch.cat([theta for theta, _ in data.val_dataloader()])
    assert len(held_out) == 6
    known, _ = simulator(0, 10)
    assert not bool((held_out[:, None] == known).all(-1).any())


def test_a_folder_of_another_simulation_is_refused(tmp_path):
    store(SummarySimulator(n=3, seed=1), tmp_path / "s", 10)

    def opened(simulator):
        SurveyDataModule(simulator, 4, n_validation=0, folder=tmp_path / "s").setup("fit")

    opened(SummarySimulator(n=3, seed=2))
    with pytest.raises(DataError, match=r"with n=\[3, 3\]; data\.simulator has n=\[3, 5\]"):
        opened(SummarySimulator(n=[3, 5], seed=1))
    with pytest.raises(DataError, match="another simulation, with survey="):
        opened(SummarySimulator(SummarySurvey(m_limit=22.0), n=3, seed=1))
    with pytest.raises(ConfigError, match="LinearMagnitudes fresh ones are accepted"):
        opened(LinearMagnitudes())
    (tmp_path / "s" / "simulation.json").write_text("{}")
    with pytest.raises(DataError, match="does not say of which simulation"):
        opened(SummarySimulator(n=3, seed=1))
    (tmp_path / "s" / "simulation.json").unlink()
    with pytest.raises(DataError, match=r"simulation\.json: missing"):
        opened(SummarySimulator(n=3, seed=1))


def test_no_batches_are_refused():
    with pytest.raises(ConfigError, match=r"data.n_batches=0: 1 or more"):
        SurveyDataModule(SummarySimulator(), n_batches=0)
