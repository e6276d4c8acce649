from types import MappingProxyType

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from simulation_toy import Parabola, toy_population, toy_survey

from sntorch.cli.config import compose_config
from sntorch.errors import ConfigError
from sntorch.simulation import (
    BayeSNSource,
    Constant,
    IndependentPopulation,
    MinDetections,
    Mixture,
    NoiseModel,
    Simulator,
    Source,
    Uniform,
    simulated_batch,
)

FIELDS = ("time", "flux", "flux_err", "band", "mask", "redshift", "mwebv", "t_ref", "label")


def toy(**changes):
    settings = {"source": Parabola(), "population": toy_population(), "survey": toy_survey()}
    return Simulator(**{**settings, **changes})


def same(left, right, exact=True):
    """The objects of ``left`` are the first of ``right``."""
    n, width = left.batch.time.shape
    assert left.batch.object_id == right.batch.object_id[:n]
    for name in FIELDS:
        a, b = getattr(left.batch, name), getattr(right.batch, name)[:n]
        b = b[:, :width] if b.ndim > 1 else b
        if exact:
            assert torch.equal(a, b), name
        else:
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)
    for name, values in left.truth.items():
        torch.testing.assert_close(values, right.truth[name][:n], equal_nan=True)


@pytest.mark.parametrize("selection", [None, MinDetections(25, 5.0)])
def test_objects_do_not_depend_on_how_many_are_asked_for(selection):
    simulator = toy(selection=selection, chunk=64)
    same(simulator.simulate(100, 3), simulator.simulate(250, 3))


@pytest.mark.parametrize("selection", [None, MinDetections(25, 5.0)])
def test_samples_from_numbers_far_apart_share_no_object(selection):
    simulator = toy(selection=selection, chunk=64)
    first, other = simulator.simulate(40, 3), simulator.simulate(40, 3, first=10_000_000)
    assert not {*first.batch.object_id} & {*other.batch.object_id}
    assert float(other.truth["candidate"].min()) >= 10_000_000
    batch = simulated_batch(simulator, 40, 3, first=10_000_000)
    assert batch.object_id == other.batch.object_id


def test_the_samples_of_the_default_data_are_of_one_survey():
    """Its weather is drawn once a seed: another seed would be another survey."""
    data = compose_config("train", ["experiment=gan_ia", "data.light_curves.seed=7"]).data
    places = [data.light_curves, data.validation, data.test]
    assert [place.seed for place in places] == [7, 7, 7]
    starts = [place.get("first", 0) for place in places]
    assert len(set(starts)) == 3


@pytest.mark.parametrize("selection", [None, MinDetections(25, 5.0)])
def test_objects_do_not_depend_on_the_chunk(selection):
    small, large = (toy(selection=selection, chunk=c).simulate(100, 3) for c in (7, 64))
    same(small, large, exact=False)
    assert small.cut_flow == large.cut_flow


def test_bayesn_objects_do_not_depend_on_number_or_chunk():
    def make(chunk):
        source = BayeSNSource("w22")
        return toy(source=source, chunk=chunk, survey=toy_survey(phases=(-10, 40)))

    few = make(16).simulate(20, 5)
    same(few, make(16).simulate(40, 5))
    same(few, make(7).simulate(40, 5), exact=False)


def test_another_seed_gives_other_objects():
    a, b = toy().simulate(20, 0), toy().simulate(20, 1)
    assert not bool((a.truth["redshift"] == b.truth["redshift"]).any())


def test_truth_is_what_the_source_was_given():
    sample = toy(noise=NoiseModel(scale=1e-9, zeropoint_err=0.0)).simulate(30, 0)
    batch, truth = sample.batch, sample.truth
    phase = (batch.time - truth["peak_mjd"][:, None]) / (1 + truth["redshift"][:, None])
    flux = Parabola().flux(phase, batch.band, batch.bands, truth)
    keep = batch.mask
    torch.testing.assert_close(flux[keep], sample.true_flux[keep])
    torch.testing.assert_close(batch.flux[keep], flux[keep], rtol=1e-6, atol=1e-6)


def test_pulls_of_a_whole_sample_are_standard_normal():
    from scipy import stats

    sample = toy().simulate(300, 0)
    batch = sample.batch
    pulls = ((batch.flux - sample.true_flux) / batch.flux_err)[batch.mask].numpy()
    assert len(pulls) > 5000
    assert stats.kstest(pulls, "norm").pvalue > 0.01


def test_the_candidates_of_a_sample_are_its_injections():
    sample = toy(selection={"bright": MinDetections(25, 5.0)}, chunk=32).simulate(50, 0)
    injections = sample.injections
    assert len(injections) == sample.cut_flow.counts[0]
    assert int(injections.kept.sum()) == 50
    everything = toy().simulate(len(injections), 0)
    for name, values in injections.truth.items():
        torch.testing.assert_close(values, everything.truth[name])
        torch.testing.assert_close(values[injections.kept], sample.truth[name])
    assert toy().candidates(0, 0, 5).injections is None


def test_no_more_injections_are_kept_than_a_map_needs(monkeypatch):
    monkeypatch.setattr("sntorch.simulation.simulate.MAX_INJECTIONS", 40)
    sample = toy(chunk=32).simulate(150, 0)
    assert len(sample.injections) == 64
    assert len(sample) == 150


def test_magnitudes_at_maximum_are_those_of_the_brightest_covered_band():
    with pytest.warns(UserWarning, match="covers band desg only at"):
        simulator = toy(population=toy_population(0.3, 0.7), chunk=32)
    injections = simulator.simulate(100, 0).injections
    truth = injections.truth
    truth["mwebv"] += 0.1
    # The parabola has its maximum at 0 and least dust in desi, which it always covers.
    expected = truth["magnitude"] + truth["distmod"] + 0.31 / 3
    torch.testing.assert_close(simulator.peak_magnitudes(injections), expected)


def test_only_selected_objects_are_kept_and_counted():
    cut = MinDetections(25, 5.0)
    sample = toy(selection={"bright": cut}).simulate(50, 0)
    assert bool(cut.probability(sample.batch, sample.truth).bool().all())
    assert sample.cut_flow.names == ["simulated", "bright"]
    everything = toy().simulate(sample.cut_flow.counts[0], 0)
    kept = cut.probability(everything.batch, everything.truth).bool()
    assert int(kept.sum()) == 50
    assert bool(kept[-1])
    assert sample.batch.object_id == [everything.batch.object_id[i] for i in kept.nonzero()]


def test_a_hopeless_selection_is_refused(monkeypatch):
    monkeypatch.setattr("sntorch.simulation.simulate.MAX_CANDIDATES", 500)
    monkeypatch.setattr("sntorch.simulation.simulate.MAX_PER_OBJECT", 1)
    with pytest.raises(ConfigError, match="keeps too little to find 10 objects"):
        toy(selection=MinDetections(10_000)).simulate(10, 0)


def test_no_objects_are_refused():
    with pytest.raises(ConfigError, match="at least 1"):
        toy().simulate(0, 0)


def test_light_curves_carry_their_truth():
    sample = toy().simulate(5, 0)
    curves = sample.to_light_curves()
    for i, lc in enumerate(curves):
        assert lc.survey == "toy"
        assert lc.type == "Ia"
        assert lc.meta["TRUTH_REDSHIFT"] == float(sample.truth["redshift"][i])
        assert lc.meta["TRUTH_MAGNITUDE"] == float(sample.truth["magnitude"][i])
        assert len(lc) == int(sample.batch.n_observations[i])
        assert (np.diff(lc.time) >= 0).all()


def test_truth_table_has_a_row_an_object(tmp_path):
    sample = toy(source=BayeSNSource(), survey=toy_survey(phases=(-10, 40))).simulate(6, 0)
    sample.write_truth(tmp_path / "truth.parquet", flux=True)
    table = pq.read_table(tmp_path / "truth.parquet").to_pydict()
    assert table["object_id"] == sample.batch.object_id
    assert table["av"] == sample.truth["av"].tolist()
    assert [len(f) for f in table["true_flux"]] == sample.batch.n_observations.tolist()
    assert len(table["epsilon"][0]) == sample.truth["epsilon"][0].numel()


class Other(Parabola):
    parameters = ("magnitude", "extra")
    defaults = MappingProxyType({"magnitude": Constant(-17.0), "extra": Uniform(0, 1)})
    phase_range = (-15.0, 20.0)


def test_mixture_has_the_fractions_and_sources_of_its_classes():
    mixture = Mixture([toy_population(), toy_population(name="Ib")], [3, 1])
    sample = toy(source={"Ia": Parabola(), "Ib": Other()}, population=mixture).simulate(600, 0)
    label, truth = sample.batch.label, sample.truth
    assert sample.batch.classes == ("Ia", "Ib")
    assert (label == 1).double().mean() == pytest.approx(0.25, abs=0.06)
    assert bool((truth["magnitude"][label == 1] == -17).all())
    assert bool(truth["extra"][label == 0].isnan().all())
    assert bool(truth["extra"][label == 1].isfinite().all())
    phase = sample.batch.phase / (1 + sample.batch.redshift[:, None])
    assert phase[label == 1].max() <= 20
    assert phase[label == 0].max() > 20


def test_mixtures_of_mixtures_multiply_their_fractions():
    inner = Mixture([toy_population(name="Ib"), toy_population(name="Ic")], [1, 3])
    whole = Mixture({"a": toy_population(), "b": inner}, {"b": 1.0, "a": 1.0})
    assert whole.types == ("Ia", "Ib", "Ic")
    assert whole.fractions == pytest.approx([0.5, 0.125, 0.375])


@pytest.mark.parametrize(
    ("populations", "fractions", "message"),
    [
        ([toy_population()], [1, 1], "one fraction a population"),
        ([toy_population()], [-1], "not negative"),
        ({"a": toy_population()}, {"b": 1.0}, "must agree"),
        ([toy_population()], {"b": 1.0}, "both lists or both mappings"),
    ],
)
def test_impossible_mixtures_are_refused(populations, fractions, message):
    with pytest.raises(ConfigError, match=message):
        Mixture(populations, fractions)


def test_class_without_a_source_is_refused():
    with pytest.raises(ConfigError, match="no source for class Ia"):
        toy(source={"Ib": Parabola()})


def test_unknown_parameter_and_missing_parameter_are_refused():
    odd = IndependentPopulation("Ia", Uniform(0.1, 0.2), {"stretch": Constant(1.0)})
    with pytest.raises(ConfigError, match="has no parameter stretch; it has magnitude"):
        toy(population=odd).simulate(1, 0)

    class Bare(Parabola):
        defaults = MappingProxyType({})

    with pytest.raises(ConfigError, match="no distribution of magnitude"):
        toy(source=Bare()).simulate(1, 0)


def test_partly_covered_bands_are_left_out_or_refused():
    population = toy_population(0.3, 0.7)
    with pytest.warns(UserWarning, match=r"covers band desg only at z = 0\.300"):
        simulator = toy(population=population)
    sample = simulator.simulate(200, 0)
    far = sample.truth["redshift"] >= 0.5
    blue = (sample.batch.mask & (sample.batch.band == 0)).sum(1)
    assert bool((blue[far] == 0).all())
    assert bool((blue[~far] > 0).any())
    assert bool((sample.batch.mask[:, 1:] <= sample.batch.mask[:, :-1]).all())
    with pytest.raises(ConfigError, match="choose another source"):
        toy(population=population, uncovered="refuse")
    with pytest.raises(ConfigError, match="desg nowhere"):
        toy(population=toy_population(0.6, 0.7))


def test_t21_does_not_reach_des_g_beyond_a_redshift_of_a_tenth():
    with pytest.warns(UserWarning, match="desg only at"):
        toy(source=BayeSNSource("t21"), survey=toy_survey(phases=(-10, 40)))


def test_source_is_a_protocol_for_users():
    assert issubclass(Parabola, Source)
    with pytest.raises(ConfigError, match="uncovered is skip or refuse"):
        toy(uncovered="maybe")


@pytest.mark.parametrize("chunk", [0, -5])
def test_chunks_hold_at_least_one_candidate(chunk):
    with pytest.raises(ConfigError, match=f"at least 1; found {chunk}"):
        Simulator(Parabola(), toy_population(), toy_survey(), chunk=chunk)
