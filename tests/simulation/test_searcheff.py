"""SEARCHEFF files, and the trigger that they are for."""

import math

import pytest
import torch

from sntorch.errors import ConfigError, DataError
from sntorch.simulation.selection.efficiencies import EfficiencyTable
from sntorch.simulation.selection.searcheff import (
    read_detection_efficiency,
    read_spectroscopic_efficiency,
)
from sntorch.simulation.selection.trigger import Trigger, at_least
from sntorch.simulation.testing import example_batch

PIPELINE = """DOCUMENTATION:
  PURPOSE: FILTER: of an example
DOCUMENTATION_END:

MAPNAME_DETECT: bright
FILTER: gr   # two of them
SNR: 0.0 0.0
SNR: 5.0 0.5
SNR: 10.0 1.0
ENDMAP:
MAPNAME_DETECT: red
BAND: i
ABS(SNR): 4.0 0.0
ABS(SNR): 6.0 0.9
ENDMAP:
"""
SPEC = "VARNAMES: PEAKMAG_r SPECEFF\nSPECEFF: 19 1.0\nSPECEFF: 22 0.4\nSPECEFF: 23 0.0\n"


def write(tmp_path, text):
    path = tmp_path / "SEARCHEFF.DAT"
    path.write_text(text)
    return path


def test_a_detection_file_has_a_table_for_each_filter(tmp_path):
    path = write(tmp_path, PIPELINE)
    found = read_detection_efficiency(path, {"g": "desg", "r": "desr", "i": "desi"})
    assert list(found) == ["desg", "desr", "desi"]
    snr = torch.tensor([-3.0, 2.5, 5.0, 30.0])
    torch.testing.assert_close(
        found["desr"].log_of(snr).exp(), torch.tensor([0.0, 0.25, 0.5, 1.0])
    )
    assert found["desi"].efficiencies == (0.0, 0.9)
    assert set(read_detection_efficiency(path)) == {"g", "r", "i"}


def test_a_spectroscopic_file_has_a_band_and_a_table(tmp_path):
    band, table = read_spectroscopic_efficiency(write(tmp_path, SPEC))
    assert band == "r"
    assert float(table.log_of(torch.tensor([20.5]).double()).exp()) == pytest.approx(0.7)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (PIPELINE.replace("ENDMAP:\nMAPNAME_DETECT: red", "FIELD: deep"), "line .*FIELD: is not"),
        (PIPELINE.replace("SNR: 5.0 0.5", "SNR: 5.0 1.5"), "line 8: an efficiency lies in"),
        (PIPELINE.replace("SNR: 5.0 0.5", "SNR: 5.0"), "line 8: '5.0'"),
        (PIPELINE.replace("SNR: 5.0 0.5", "SNR: 0.0 0.5"), "increasing order"),
        ("SNR: 1 0.5\n", "line 1: a row before any FILTER"),
        ("nothing\n", "no map"),
        (PIPELINE.replace("BAND: i", "BAND: gi"), "second map of g"),
    ],
)
def test_bad_detection_files_are_refused(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        read_detection_efficiency(write(tmp_path, text))


def test_other_bad_files_are_refused(tmp_path):
    with pytest.raises(DataError, match="no such file"):
        read_detection_efficiency(tmp_path / "none")
    with pytest.raises(DataError, match="no bandpass for its filter i"):
        read_detection_efficiency(write(tmp_path, PIPELINE), {"g": "desg", "r": "desr"})
    with pytest.raises(DataError, match="one magnitude"):
        read_spectroscopic_efficiency(write(tmp_path, SPEC.replace("PEAKMAG_r", "PEAKMAG_r z")))
    with pytest.raises(DataError, match="no table"):
        read_spectroscopic_efficiency(write(tmp_path, "VARNAMES: PEAKMAG_r SPECEFF\n"))


def test_at_least_is_the_tail_of_the_binomial():
    p, trials, n = 0.3, 9, 4
    expected = sum(math.comb(trials, k) * p**k * (1 - p) ** (trials - k) for k in range(n, 10))
    found = at_least(torch.full((2, trials), p, dtype=torch.float64), n)
    assert found.tolist() == pytest.approx([expected, expected])


def test_the_trigger_counts_nights_with_certain_detections_as_they_are():
    batch = example_batch(n=12)
    step = EfficiencyTable("snr", (5.0 - 1e-9, 5.0), (0.0, 1.0))
    for n in (1, 3, 6):
        trigger = Trigger(dict.fromkeys(batch.bands, step), n)
        detected = batch.mask & ~batch.upper_limit & (batch.flux / batch.flux_err > 5)
        nights = [
            len({math.floor(t - 0.75) for t in times[seen].tolist()})
            for times, seen in zip(batch.time.double(), detected, strict=True)
        ]
        expected = [float(count >= n) for count in nights]
        assert trigger.probability(batch, {}).tolist() == pytest.approx(expected, abs=1e-6)


def test_the_trigger_agrees_with_drawn_detections():
    batch = example_batch(n=4)
    table = EfficiencyTable("snr", (-5.0, 20.0), (0.0, 0.6))
    trigger = Trigger({batch.bands[0]: table}, 2)
    expected = trigger.probability(batch, {})
    p = trigger._detected(batch)
    generator = torch.Generator().manual_seed(0)
    hits = torch.rand(4_000, *p.shape, generator=generator, dtype=torch.float64) < p
    night = torch.floor(batch.time.double() - 0.75)
    counts = torch.stack(
        [
            torch.tensor([len(set(night[b][draw[b]].tolist())) for draw in hits])
            for b in range(len(batch))
        ]
    )
    torch.testing.assert_close((counts >= 2).double().mean(1), expected, atol=0.03, rtol=0)


def test_an_absolute_map_counts_negative_detections(tmp_path):
    batch = example_batch(n=3)
    batch.flux.neg_()
    tables = read_detection_efficiency(write(tmp_path, PIPELINE))
    signed, absolute = (Trigger({batch.bands[0]: tables[k]}, 1) for k in ("g", "i"))
    assert float(signed.probability(batch, {}).max()) < float(
        absolute.probability(batch, {}).max()
    )


def test_impossible_triggers_are_refused():
    table = EfficiencyTable("snr", (0.0, 1.0), (0.0, 1.0))
    with pytest.raises(ConfigError, match="1 night or more"):
        Trigger({"desg": table}, 0)
    with pytest.raises(ConfigError, match="trigger in nowhere"):
        Trigger({"nowhere": table}, 1).probability(example_batch(n=2), {})
