"""What classifiers are told besides the photometry, and that they read nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from small_classifiers import labelled

from sntorch.classification import ClassifierModule
from sntorch.classification.told import told, told_redshift
from sntorch.cli.config import compose_config
from sntorch.errors import ConfigError

FOLDER = Path(__file__).parents[2] / "conf"
NAMES = sorted(p.stem for p in (FOLDER / "model/classifier").glob("*.yaml") if p.stem != "module")
EXPERIMENTS = sorted(p.stem for p in (FOLDER / "experiment").glob("*plasticc*.yaml"))
LSST = ("lsstu", "lsstg", "lsstr", "lssti", "lsstz", "lssty")
HOST = ("hostgal_photoz", "hostgal_photoz_err")
PARSNIP = {
    "_target_": "sntorch.classification.networks.parsnip.Parsnip",
    "width": 0.1,
    "stride": 8,
}
BY_PHOTO_Z = {"redshift": "photometric", "redshift_columns": ["host_0", "host_1"]}


def with_photo_z(bands=LSST, n=8):
    """Light curves whose host has a photometric redshift beside the spectroscopic one."""
    batch = labelled(n, bands)
    photo_z = torch.stack([batch.redshift + 0.05, torch.full_like(batch.redshift, 0.03)], dim=1)
    return replace(batch, redshift_err=torch.full_like(batch.redshift, 0.001), host=photo_z)


def fitted(options, batch):
    """The classifier of a config, fitted to its inputs, not trained."""
    torch.manual_seed(0)
    module = instantiate(compose_config("train", options).model, _convert_="all")
    module.fit_inputs(batch, HOST)
    return module.eval()


def small(network, batch, host=HOST, **options):
    """The same of a network."""
    torch.manual_seed(0)
    module = ClassifierModule(network, **options)
    module.fit_inputs(batch, host)
    return module.eval()


def unknown_to_surveys(batch):
    """The same light curves with other answers, names and dates of peak."""
    return {
        "label": replace(batch, label=1 - batch.label),
        "object_id": replace(batch, object_id=[f"other{i}" for i in range(len(batch))]),
        "t_ref": replace(batch, t_ref=batch.t_ref + 9),
    }


def with_other_columns(batch):
    """The same light curves with other values in each column that a classifier may be told."""
    host = [batch.host.clone() for _ in HOST]
    for k, values in enumerate(host):
        values[:, k] = values[:, k] * 1.5 + 0.2
    others = {f"host_{k}": replace(batch, host=values) for k, values in enumerate(host)}
    for name in ("redshift", "redshift_err", "mwebv"):
        others[name] = replace(batch, **{name: getattr(batch, name) * 1.5 + 0.2})
    return others


def moved_by(module, batch, others):
    """Names of the changes that change the logits."""
    logits = module.logits(batch)
    return {
        name for name, other in others.items() if not torch.equal(module.logits(other), logits)
    }


@pytest.mark.parametrize("name", NAMES)
def test_classifiers_read_what_they_say_and_nothing_else(name):
    """A network that reads a redshift of its own accord has to say so."""
    batch = with_photo_z()
    module = fitted([f"model=classifier/{name}", "model.context=[host_0]"], batch)
    says = {"host_0", *module.network.reads}
    assert moved_by(module, batch, with_other_columns(batch)) <= says
    assert not moved_by(module, batch, unknown_to_surveys(batch))
    spectroscopic = "redshift" in module.network.reads
    assert told_redshift(module) == ("spec-z" if spectroscopic else "photo-z")
    assert spectroscopic == name.startswith("parsnip")


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_experiments_with_photometric_redshifts_read_no_spectroscopic_ones(experiment):
    batch = with_photo_z()
    module = fitted([f"experiment={experiment}", "files=none"], batch)
    assert told_redshift(module) == "photo-z"
    others = with_other_columns(batch) | unknown_to_surveys(batch)
    assert moved_by(module, batch, others) == {"host_0", "host_1"}


def test_parsnip_may_be_told_the_photometric_redshift_alone():
    batch = with_photo_z()
    network = {**PARSNIP, **BY_PHOTO_Z, "milky_way": False}
    module = small(network, batch)
    assert moved_by(module, batch, with_other_columns(batch)) == {"host_0", "host_1"}
    assert told(module) == ["host_0 (hostgal_photoz)", "host_1 (hostgal_photoz_err)"]
    hidden = replace(batch, redshift=torch.full_like(batch.redshift, torch.nan))
    torch.testing.assert_close(module.logits(hidden), module.logits(batch))


def test_what_a_network_reads_by_itself_stands_on_its_card(tmp_path):
    module = small(PARSNIP, with_photo_z())
    assert told(module) == ["redshift", "mwebv"]
    module.save_pretrained(tmp_path)
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "besides the photometry: read by the network itself: redshift, mwebv." in card
    assert "not even the redshift" not in card


@pytest.mark.parametrize("around", ["window.AroundTrigger", "features.FeatureFusion"])
def test_a_network_inside_another_is_asked_too(around):
    outer = {"_target_": f"sntorch.classification.networks.{around}", "network": PARSNIP}
    module = small(outer, with_photo_z())
    assert told(module) == ["redshift", "mwebv"]
    assert told_redshift(module) == "spec-z"


def test_other_columns_of_the_host_are_no_start_for_a_network_that_reads_them(tmp_path):
    batch, network = with_photo_z(), {**PARSNIP, **BY_PHOTO_Z}
    small(network, batch).save_pretrained(tmp_path / "first")
    with pytest.raises(ConfigError, match="host columns hostgal_photoz, hostgal_photoz_err"):
        small(
            network=network,
            batch=batch,
            host=("hostgal_specz", "ra"),
            start_from=tmp_path / "first",
        )
