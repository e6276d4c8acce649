"""What a classifier is told of an object besides its photometry."""

import pytest
import torch
from astropy.cosmology import FlatLambdaCDM
from small_classifiers import labelled, small

from sntorch.classification.context import Context, column, told_name
from sntorch.classification.told import told as told_of
from sntorch.classification.told import told_redshift
from sntorch.errors import ConfigError


def told():
    batch = labelled(n=4)
    batch.redshift[:] = torch.tensor([0.05, 0.8, 0.0, torch.nan])
    batch.host = torch.tensor([[0.1], [-9.0], [2.0], [1e-4]], dtype=batch.redshift.dtype)
    return batch


def test_distance_moduli_are_astropys():
    found = column(told(), "mu_redshift")
    expected = FlatLambdaCDM(H0=73.24, Om0=0.28).distmod([0.05, 0.8]).value
    assert found[:2].tolist() == pytest.approx(expected.tolist(), abs=1e-4)
    assert bool(found[2:].isnan().all())
    assert column(told(), "mu_host_0").isnan().tolist() == [False, True, False, False]


def test_a_modulus_stands_beside_its_redshift():
    context = Context(["redshift", "mu_redshift"])
    batch = told()
    context.fit(batch)
    found = context(batch)
    assert found.shape == (4, 4)
    assert found[:, 2:].tolist() == [[1, 1], [1, 1], [1, 0], [0, 0]]
    known = found[:2, 1]
    torch.testing.assert_close(known.mean(), torch.tensor(0.0), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["mu_mwebv", "mu_redshift_err", "mu_host_", "mu_", "host_x"])
def test_other_columns_are_refused(name):
    with pytest.raises(ConfigError, match=r"accepted are .*mu_redshift, mu_host_0"):
        Context([name])


def test_columns_in_words():
    host = ("photoz", "")
    assert told_name("mu_host_0", host) == "distance modulus at host_0 (photoz)"
    assert told_name("host_1", host) == "host_1 (unnamed)"
    assert told_name("host_2", host) == "host_2 (unnamed)"
    assert told_name("mu_redshift", host) == "distance modulus at redshift"
    assert told_name("mwebv", host) == "mwebv"


@pytest.mark.parametrize(
    ("context", "known"),
    [(["mu_redshift"], "spec-z"), (["mu_host_0"], "photo-z"), (["mwebv"], "none")],
)
def test_reports_say_which_redshift_is_known(context, known):
    batch = told()
    module = small(batch=batch, context=context, host=("photoz",), features=None)
    assert told_redshift(module) == known
    assert told_of(module) == [told_name(context[0], ("photoz",))]


def test_a_network_is_told():
    batch = labelled()
    module = small(batch=batch, context=["mu_redshift"])
    moved = labelled()
    moved.redshift[:] = 2 * batch.redshift
    assert float((module.logits(moved) - module.logits(batch)).detach().abs().max()) > 1e-4
