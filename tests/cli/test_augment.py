"""``sntorch augment``: what it adds, how every object says where it comes from, what it refuses."""

from __future__ import annotations

import hashlib
import warnings
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from running import files_in, run_here

import sntorch
from sntorch.cli import augment
from sntorch.data.light_curve import LightCurves
from sntorch.errors import SntorchWarning
from sntorch.generative.baselines import Bootstrap
from sntorch.testing import example_batch


def sample(survey="DES", **counts):
    """Objects of some classes with headers of their own."""
    drawn = iter(example_batch(sum(counts.values())).to_light_curves())
    kinds = [kind for kind, n in counts.items() for _ in range(n)]
    return LightCurves(
        replace(
            next(drawn), type=kind, survey=survey, redshift=0.1 + 0.01 * i, meta={"RA": 1.5 * i}
        )
        for i, kind in enumerate(kinds)
    )


def run(folder, *arguments):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SntorchWarning)
        return run_here(augment, ["files=in.parquet", *arguments], folder)


@pytest.fixture
def folder(tmp_path):
    sample(Ia=12, Ic=7, II=5).write(tmp_path / "in.parquet")
    return tmp_path


def origin(lc):
    return {k: lc.meta.get(k) for k in ("synthetic", "parent_model", "parent_object", "seed")}


@pytest.mark.parametrize("name", ["out.parquet", "out.ecsv", "out.csv"])
def test_real_objects_stay_and_new_ones_say_where_they_come_from(folder, name, capsys):
    assert run(folder, "seed=7", f"out={name}") == 0
    real, out = sntorch.read(folder / "in.parquet"), sntorch.read(folder / name)
    assert Counter(lc.type for lc in out) == {"Ia": 12, "Ic": 12, "II": 12}
    assert list(out[: len(real)]) == list(real)
    assert {tuple(origin(lc).values()) for lc in out[: len(real)]} == {(False, None, None, None)}
    for lc in out[len(real) :]:
        assert lc.meta["synthetic"] is True
        assert lc.meta["parent_model"].startswith("Jitter(grey=0.3, band=0.05,")
        assert lc.meta["seed"] == 7
        (parent,) = [r for r in real if r.object_id == lc.meta["parent_object"]]
        assert (parent.type, parent.redshift, parent.survey) == (lc.type, lc.redshift, lc.survey)
    printed = capsys.readouterr().out.splitlines()
    assert [line.split() for line in printed[:4]] == [
        ["class", "real", "new"],
        ["Ia", "12", "0"],
        ["Ic", "7", "5"],
        ["II", "5", "7"],
    ]
    assert printed[4] == f"{name}: 36 light curves, 24 of them real"


def test_headers_of_real_objects_survive(folder):
    run(folder, "out=out.parquet")
    out = sntorch.read(folder / "out.parquet")
    assert [lc.meta["RA"] for lc in out[:24]] == [1.5 * i for i in range(24)]


def test_parquet_has_columns_to_select_by(folder):
    import pandas as pd

    run(folder, "out=out.parquet")
    table = pd.read_parquet(folder / "out.parquet")
    assert table.synthetic.dtype == bool
    assert table.synthetic.sum() == 12
    assert table.loc[table.synthetic, "seed"].eq(0).all()
    assert table.loc[~table.synthetic, "parent_model"].isna().all()


def test_a_seed_gives_the_same_bytes(folder):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert run(folder, f"seed={seed}", f"out={name}.csv") == 0
    first, again, other = ((folder / f"{name}.csv").read_bytes() for name in "abc")
    assert first == again
    assert first != other


def test_a_number_and_classes_can_be_chosen(folder):
    assert run(folder, "target=9", "classes=[II]", "model=baseline/parametric") == 0
    out = sntorch.read(folder / "augmented.parquet")
    assert Counter(lc.type for lc in out) == {"Ia": 12, "Ic": 7, "II": 9}
    assert "parent_object" not in out[-1].meta
    assert (
        out[-1].meta["parent_model"]
        == "ParametricPopulation(model_error=0.03, detection_snr=None)"
    )


def test_bootstrap_copies_are_equal_to_their_parents(folder):
    assert run(folder, "model=baseline/bootstrap") == 0
    out = sntorch.read(folder / "augmented.parquet")
    real = {lc.object_id: lc for lc in out[:24]}
    for lc in out[24:]:
        np.testing.assert_array_equal(lc.flux, real[lc.meta["parent_object"]].flux)
    assert len({lc.object_id for lc in out}) == len(out)


def test_a_folder_of_a_trained_model_is_named_by_its_checksum(folder):
    Bootstrap().fit(sample(II=8).to_batch()).save_pretrained(folder / "model")
    assert run(folder, "ckpt=model", "classes=[II]") == 0
    digest = hashlib.sha256()
    for part in ("config.json", "model.safetensors"):
        digest.update((folder / "model" / part).read_bytes())
    name = sntorch.read(folder / "augmented.parquet")[-1].meta["parent_model"]
    assert name == f"Bootstrap model sha256:{digest.hexdigest()}"


def test_few_objects_are_told_of_once(folder, capsys):
    run_here(augment, ["files=in.parquet"], folder)
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 1
    assert "fewer than 30 objects of class Ic (7), II (5)" in told[0]


def test_objects_without_a_peak_in_the_header_get_none(tmp_path):
    late = sample(Ia=8, II=5).map(lambda lc: replace(lc, peak_mjd=float("nan"), zeropoint=25.0))
    late.write(tmp_path / "in.parquet")
    assert run(tmp_path) == 0
    new = sntorch.read(tmp_path / "augmented.parquet")[-1]
    assert np.isnan(new.peak_mjd)
    assert new.zeropoint == 25.0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("target=0",), "target=0: a whole number of at least 1, or max"),
        (("target=many",), "target=many: a whole number"),
        (("classes=[Ib]",), "classes=Ib: no such objects; there are Ia, Ic, II"),
        (("classes=[]",), "classes=[]: a list of class names"),
        (("seed=-1",), "seed=-1: a whole number"),
        (("out=out.dat",), "format snana cannot say which objects are generated"),
        (("out=in.parquet",), "in.parquet: exists already; overwrite=true"),
        (
            ("model=gan/recurrent",),
            "a subclass of Baseline is accepted; a network is trained first",
        ),
        (("ckpt=nowhere",), "nowhere: no checkpoint there"),
        (("ckpt=model",), "trained on Ia; to fill up are Ic, II; classes=[…] chooses"),
        (("ckpt=narrow", "classes=[II]"), "class II: light curves in bands desg, desi, desr, but"),
        (("files=nowhere",), "nowhere: no such file"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(folder, arguments, words, capsys):
    if "ckpt=model" in arguments:
        Bootstrap().fit(sample(Ia=8).to_batch()).save_pretrained(folder / "model")
    if "ckpt=narrow" in arguments:
        narrow = sample(II=8).to_batch(bands=("desg", "desr"))
        Bootstrap().fit(narrow).save_pretrained(folder / "narrow")
    before = files_in(folder)
    assert run(folder, *arguments) == 2
    assert files_in(folder) == before
    err = [line for line in capsys.readouterr().err.splitlines() if line]
    # Before the mistake there may be a warning of what had been read.
    assert all("sntorch: " in line for line in err)
    assert len(err) <= 2, err
    assert words in err[-1]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda lc: replace(lc, type="" if lc.object_id == "sn3" else lc.type),
            "1 of 15 objects have no type, the first: sn3",
        ),
        (
            lambda lc: replace(lc, meta={"synthetic": lc.object_id == "sn2"}),
            "1 objects are synthetic already, the first: sn2",
        ),
        (lambda lc: lc, "class II: 4 objects; at least 5 are needed"),
    ],
)
def test_samples_that_cannot_be_augmented(tmp_path, change, words, capsys):
    sample(Ia=11, II=4).map(change).write(tmp_path / "in.parquet")
    assert run(tmp_path) == 2
    assert words in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["in.parquet"]


def test_an_output_is_replaced_when_asked(folder):
    assert run(folder, "out=out.ecsv") == 0
    assert run(folder, "out=out.ecsv", "overwrite=true", "target=8") == 0
    assert len(sntorch.read(folder / "out.ecsv")) == 28


@pytest.mark.parametrize("name", ["out.parquet", "out.ecsv", "out.csv"])
def test_ctrl_c_leaves_nothing_half_written(folder, name, monkeypatch):
    import os

    def interrupted(*_):
        raise KeyboardInterrupt

    before = files_in(folder)
    monkeypatch.setattr(os, "replace", interrupted)
    assert run(folder, f"out={name}") == 130
    monkeypatch.undo()
    assert files_in(folder) == before
    assert [p.name for p in folder.iterdir()] == ["in.parquet"]
