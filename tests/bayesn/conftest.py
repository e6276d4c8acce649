"""What the tests of fits share."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
import yaml
from fake_posterior import simulated, truth_of

from sntorch.bayesn.observations import Observations
from sntorch.bayesn.training_sample import TrainingSample, training_sample
from sntorch.data.batch import LightCurveBatch
from sntorch.data.selection import load_objects
from sntorch.errors import SntorchWarning
from sntorch.physics.cosmology import Cosmology
from sntorch.physics.sed import SEDModel


class Sample(NamedTuple):
    """Simulated supernovae."""

    truth: dict[str, np.ndarray]
    batch: LightCurveBatch
    observations: Observations


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Few objects are fastest on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def t21() -> SEDModel:
    return SEDModel.from_name("t21")


@pytest.fixture(scope="session")
def sample(t21) -> Sample:
    """Three supernovae; the second lacks a band, the third has more of them than a slot holds."""
    truth = truth_of(3, seed=11)
    curves = list(simulated(t21, truth, seed=12).to_light_curves())
    curves[1] = curves[1].keep(curves[1].band != "ps1::r")
    again = curves[2].keep(curves[2].band == "ps1::g")
    rest = curves[2]
    curves[2] = type(rest).from_arrays(
        rest.object_id,
        np.concatenate([rest.time, again.time + 0.4]),
        np.concatenate([rest.flux, again.flux]),
        np.concatenate([rest.flux_err, again.flux_err]),
        np.concatenate([rest.band, again.band]),
        redshift=rest.redshift,
        redshift_err=rest.redshift_err,
        mwebv=rest.mwebv,
        peak_mjd=57002.0,
    )
    batch = LightCurveBatch.from_light_curves(curves)
    muhat = Cosmology().distmod(batch.redshift)
    return Sample(truth, batch, Observations.from_batch(batch, muhat))


@pytest.fixture(scope="session")
def foundation(root: Path, shared: Path, t21: SEDModel) -> tuple[TrainingSample, SEDModel]:
    """The 157 supernovae that T21 was trained on, and the model."""
    config = (root / "conf" / "data" / "foundation_t21.yaml").read_text()
    entry = yaml.safe_load(config)["light_curves"]
    keys = {k: entry[k] for k in ("name", "objects", "survey") if k in entry}
    folder = shared / "data" / "foundation_dr1"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SntorchWarning)
        curves = load_objects(**keys, source=folder)
    return training_sample(curves, t21, headers=folder / "T21_sample.txt"), t21
