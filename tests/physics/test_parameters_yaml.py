"""A BAYESN.YAML that is written reads back to the last bit."""

from __future__ import annotations

import re
from dataclasses import fields, replace

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sntorch.errors import ConfigError, DataError
from sntorch.physics.parameters import SEDParameters

T21 = SEDParameters.from_name("t21")
FLOATS = st.floats(allow_nan=False, allow_infinity=False)


def bits(parameters):
    values = ((f.name, getattr(parameters, f.name)) for f in fields(parameters))
    return {name: np.asarray(value, dtype=np.float64).tobytes() for name, value in values}


@st.composite
def models(draw):
    k_l, k_t = draw(st.integers(3, 5)), draw(st.integers(3, 4))
    n = (k_l - 2) * k_t
    count = 2 * k_l * k_t + n * n
    values = draw(st.lists(FLOATS, min_size=8, max_size=8))
    # A few numbers in all places: hypothesis shrinks 200 of them slowly.
    picks = np.random.default_rng(draw(st.integers(0, 99))).integers(0, 8, count)
    w0, w1, factor = np.split(np.array(values)[picks], [k_l * k_t, 2 * k_l * k_t])
    knots = [
        sorted(draw(st.lists(FLOATS, min_size=k, max_size=k, unique=True))) for k in (k_l, k_t)
    ]
    return SEDParameters(
        np.array(knots[0]),
        np.array(knots[1]),
        w0.reshape(k_l, k_t),
        w1.reshape(k_l, k_t),
        factor.reshape(n, n),
        *draw(st.tuples(FLOATS, FLOATS, FLOATS, FLOATS, FLOATS.filter(lambda x: x != 0))),
    )


@settings(max_examples=20, deadline=None)
@given(parameters=models(), provenance=st.lists(st.text(), max_size=3))
def test_round_trip(tmp_path_factory, parameters, provenance):
    path = tmp_path_factory.mktemp("yaml") / "BAYESN.YAML"
    # Neighbouring doubles as knots may differ by less than their difference can hold.
    if not all((np.diff(k) > 0).all() for k in (parameters.wave_knots, parameters.time_knots)):
        return
    parameters.to_yaml(path, provenance)
    assert bits(SEDParameters.from_yaml(path)) == bits(parameters)


@pytest.mark.parametrize("name", ["t21", "m20", "w22"])
def test_packaged_models_round_trip(name, tmp_path):
    parameters = SEDParameters.from_name(name)
    parameters.to_yaml(tmp_path / "model.yaml")
    assert bits(SEDParameters.from_yaml(tmp_path / "model.yaml")) == bits(parameters)


def test_keys_of_the_reference_and_numbers_of_every_yaml(tmp_path):
    path = tmp_path / "BAYESN.YAML"
    replace(T21, tau_a=1e-5, w0=T21.w0 * 1e-7).to_yaml(path, ["Foundation", "157 SNe"])
    text = path.read_text()
    assert text.startswith("# Foundation\n# 157 SNe\nM0: -19.5\n")
    content = yaml.safe_load(text)
    assert set(content) == {
        "M0",
        "SIGMA0",
        "RV",
        "TAUA",
        "L_KNOTS",
        "TAU_KNOTS",
        "W0",
        "W1",
        "L_SIGMA_EPSILON",
    }
    assert content["TAUA"] == 1e-5
    assert all(isinstance(x, float) for row in content["W0"] for x in row)
    # YAML 1.1 takes a number without a point for a word.
    assert not re.search(r"[\s\[]-?\d+e", text)


def test_a_population_of_rv_has_keys_of_its_own(tmp_path):
    path = tmp_path / "BAYESN.YAML"
    replace(T21, sigma_r=0.4).to_yaml(path)
    content = yaml.safe_load(path.read_text())
    assert (content["MUR"], content["SIGMAR"]) == (T21.rv, 0.4)
    assert "RV" not in content


def test_nothing_unreadable_is_written(tmp_path):
    path = tmp_path / "BAYESN.YAML"
    with pytest.raises(ConfigError, match="TAUA holds a value that is not finite"):
        replace(T21, tau_a=np.nan).to_yaml(path)
    with pytest.raises(ConfigError, match="W1 has shape"):
        replace(T21, w1=T21.w1[:-1]).to_yaml(path)
    with pytest.raises(DataError, match="is a folder"):
        T21.to_yaml(tmp_path)
    assert not list(tmp_path.iterdir())
