"""``SEDModel.fit``: whatever holds light curves goes in, a posterior comes out."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
import torch
from fake_posterior import simulated, truth_of

from sntorch.bayesn import SEDModel
from sntorch.bayesn.sed import PARTS
from sntorch.data.io import write
from sntorch.data.io.sncosmo import to_table
from sntorch.data.light_curve import LightCurves
from sntorch.errors import ConfigError, DataError
from sntorch.physics.cosmology import Cosmology

FAST = {"sampler": "laplace", "draws": 10, "chains": 2, "progress": False}


@pytest.fixture(scope="module")
def sed():
    return SEDModel.from_name("t21")


@pytest.fixture(scope="module")
def batch(sed):
    return simulated(sed, truth_of(3, seed=21), seed=22)


@pytest.fixture(scope="module")
def alone(sed, batch):
    """The first one's posterior."""
    return sed.fit(batch[0], **FAST)


@pytest.mark.parametrize("kind", ["object", "list", "batch", "table", "generator"])
def test_one_supernova_in_any_shape(sed, batch, alone, kind):
    curve = batch.to_light_curves()[0]
    given = {
        "object": curve,
        "list": [curve],
        "batch": batch[0],
        "table": to_table(curve),
        "generator": (lc for lc in [curve]),
    }[kind]
    found = sed.fit(given, **FAST)
    assert found.batch.object_id == ["SN000"]
    torch.testing.assert_close(found.draws["ds"], alone.draws["ds"], rtol=1e-9, atol=0)


@pytest.mark.parametrize("name", ["a.ecsv", "a.parquet", "a.csv", "folder"])
@pytest.mark.parametrize("as_text", [True, False])
def test_files_and_folders(sed, batch, tmp_path, name, as_text):
    path = tmp_path / name
    curves = batch[:1] if name.endswith("ecsv") else batch
    write(LightCurves(curves.to_light_curves()), path)
    found = sed.fit(str(path) if as_text else path, **FAST)
    assert sorted(found.batch.object_id) == curves.object_id
    assert len(found.summary()) == len(curves)


def test_several_come_in_their_order(sed, batch):
    curves = list(batch.to_light_curves())[::-1]
    for given in (curves, tuple(curves), LightCurves(curves)):
        assert sed.fit(given, **FAST).batch.object_id == ["SN002", "SN001", "SN000"]


def test_settings_find_their_parts(sed, batch, tmp_path):
    found = sed.fit(
        batch,
        **FAST,
        fix_theta=0.5,
        epsilon=False,
        drop_bands=["ps1::z"],
        chunk=2,
        keep="scalars",
        folder=tmp_path / "chunks",
    )
    assert found.draws["ds"].shape == (3, 2, 10)
    assert bool((found.draws["theta"] == 0.5).all())
    assert "epsilon" not in found.draws
    assert (found.statistics["dropped_bands"] == "ps1::z").all()
    assert len(list((tmp_path / "chunks").glob("chunk_*.safetensors"))) == 2


def test_names_of_settings_belong_to_one_part():
    names = [f.name for part in PARTS for f in fields(part)]
    assert len(names) == len(set(names))


def test_an_unknown_setting_lists_the_accepted_ones(sed, batch):
    with pytest.raises(ConfigError) as caught:
        sed.fit(batch, rvmode="fixed", chian=3)
    text = str(caught.value)
    assert text.startswith("no setting chian, rvmode; accepted are ")
    for part in PARTS:
        for f in fields(part):
            assert f.name in text


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"sampler": "mcmc"}, "sampler=mcmc: accepted are nuts, vi, laplace, map"),
        ({"rv_mode": "free"}, "rv_mode=free: accepted are fixed, population, uniform"),
        ({"workers": 0}, "workers=0: a whole number of at least 1"),
        ({"peak": "first"}, "peak=first: accepted are header, brightest"),
        ({"drop_bands": ["nope"]}, "unknown bandpass 'nope'"),
    ],
)
def test_values_that_are_not_accepted(sed, batch, settings, words):
    with pytest.raises(ConfigError, match=words):
        sed.fit(batch, **settings)


def test_missing_files_are_named(sed, batch, tmp_path):
    with pytest.raises(DataError, match=r"nowhere\.txt"):
        sed.fit(tmp_path / "nowhere.txt")
    with pytest.raises(DataError, match=r"headers\.txt: no such file"):
        sed.fit(batch, headers=tmp_path / "headers.txt")
    with pytest.raises(DataError, match="no supernova can be fitted: no light curves"):
        sed.fit([])


@pytest.mark.parametrize("as_file", [True, False])
def test_headers_are_a_file_or_a_mapping(sed, batch, tmp_path, as_file):
    headers = {"SN000": {"peak_mjd": 57001.25}}
    if as_file:
        (tmp_path / "h.txt").write_text("SNID SEARCH_PEAKMJD\nSN000 57001.25\n")
        headers = tmp_path / "h.txt"
    found = sed.fit(batch, headers=headers, **FAST)
    assert found.batch.t_ref.tolist() == [57001.25, 57001.0, 57002.0]


def test_the_cosmology_gives_the_expected_distances(sed, batch, alone):
    other = Cosmology(h0=60.0)
    found = sed.fit(batch[0], cosmology=other, **FAST)
    offset = found.statistics["muhat"][0] - alone.statistics["muhat"][0]
    assert offset == pytest.approx(5 * np.log10(Cosmology().h0 / 60.0))


def test_a_fit_goes_on_from_its_folder(sed, batch, tmp_path):
    first = sed.fit(batch, folder=tmp_path, **FAST)
    second = sed.fit(batch, folder=tmp_path, **FAST)
    assert torch.equal(first.draws["ds"], second.draws["ds"])
    with pytest.raises(ConfigError, match=r"another run \(draws=10 there, 20 now\)"):
        sed.fit(batch, folder=tmp_path, **FAST | {"draws": 20})
    with pytest.raises(ConfigError, match=r"another run \(other light curves\)"):
        sed.fit(batch, folder=tmp_path, cosmology=Cosmology(h0=60.0), **FAST)
