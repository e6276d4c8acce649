"""``Classifier``: tables of probabilities, epochs, ensembles, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from small_classifiers import BANDS, labelled, small

from sntorch.classification import Classifier
from sntorch.classification.early import until
from sntorch.data.light_curve import LightCurve, LightCurves
from sntorch.errors import CheckpointError, ConfigError, DataError, SntorchWarning


def curves(n=12, bands=BANDS):
    return labelled(n, bands).to_light_curves()


def test_a_row_an_object_and_a_probability_a_class():
    module = small()
    table = Classifier([module]).predict(curves())
    names = ["object_id", "n_observations", "p_Ia", "p_II", "uncertainty"]
    assert list(table) == names
    batch = labelled()
    assert table["object_id"].tolist() == batch.object_id
    assert table["n_observations"].tolist() == batch.n_observations.tolist()
    p = table[["p_Ia", "p_II"]].to_numpy()
    np.testing.assert_allclose(p, module.logits(batch).double().softmax(1), rtol=1e-4)
    np.testing.assert_allclose(table["uncertainty"], -(p * np.log(p)).sum(1))


@pytest.mark.parametrize("size", [1, 5, 512])
def test_batches_paths_generators_and_chunks_give_the_same(size, tmp_path):
    classifier = Classifier([small()])
    want = classifier.predict(labelled(), batch_size=512)
    curves().write(tmp_path / "sn.parquet")
    for given in (curves(), iter(curves()), list(curves()), tmp_path / "sn.parquet", labelled()):
        found = classifier.predict(given, batch_size=size)
        pd.testing.assert_frame_equal(found, want, rtol=1e-4)


def test_a_saved_folder_a_checkpoint_and_a_run_give_the_same(tmp_path):
    import lightning as L

    module = small(context=["redshift"])
    module.save_pretrained(tmp_path / "saved")
    trainer = L.Trainer(
        max_epochs=0, logger=False, accelerator="cpu", default_root_dir=tmp_path,
        enable_checkpointing=False, enable_model_summary=False, enable_progress_bar=False,
    )  # fmt: skip
    trainer.strategy.connect(module)
    path = tmp_path / "run" / "checkpoints" / "last.ckpt"
    trainer.save_checkpoint(path)
    want = Classifier([module]).predict(curves())
    for place in (tmp_path / "saved", path, tmp_path / "run"):
        again = Classifier.from_pretrained(place)
        assert (again.bands, again.classes) == (BANDS, ("Ia", "II"))
        pd.testing.assert_frame_equal(again.predict(curves()), want)
    assert again.members[0].training_facts["classes"] == {"Ia": 6, "II": 6}


def test_epochs_use_the_data_up_to_then_and_nothing_later():
    classifier, batch = Classifier([small()]), labelled()
    table = classifier.predict(curves(), epochs=[-5, 0, 10, np.inf])
    assert table["object_id"].tolist() == np.repeat(batch.object_id, 4).tolist()
    assert table["epoch"].tolist() == [-5, 0, 10, np.inf] * len(batch)
    for days in (-5, 0, 10):
        cut = until(batch, days)
        rows = table[table["epoch"] == days]
        assert rows["n_observations"].tolist() == cut.n_observations.tolist()
    whole = table[table["epoch"] == np.inf].drop(columns="epoch").reset_index(drop=True)
    pd.testing.assert_frame_equal(whole, classifier.predict(curves()), rtol=1e-4)
    late = replace(
        batch, flux=torch.where(batch.time > until(batch, 0).t_ref[:, None] + 10, 9e9, batch.flux)
    )
    again = classifier.predict(late, epochs=[10])
    early = table[table["epoch"] == 10].reset_index(drop=True)
    pd.testing.assert_frame_equal(again, early, rtol=1e-4)


def test_before_anything_is_observed_there_is_no_probability():
    table = Classifier([small()]).predict(curves(), epochs=[-500])
    assert (table["n_observations"] == 0).all()
    assert table[["p_Ia", "p_II", "uncertainty"]].isna().all(axis=None)


def test_epochs_from_the_peak_need_one():
    classifier = Classifier([small()])
    light_curves = curves()
    assert len(classifier.predict(light_curves, epochs=[0], since="peak")) == 12
    for lc in light_curves[:3]:
        lc.peak_mjd = np.nan
    with pytest.raises(DataError, match=r"sn0 and 2 others: the time of peak is not known"):
        classifier.predict(light_curves, epochs=[0], since="peak")
    assert len(classifier.predict(light_curves, epochs=[0])) == 12


def test_an_ensemble_averages_probabilities_and_says_where_its_members_differ():
    modules = [small(seed) for seed in (0, 1, 2)]
    each = np.stack([Classifier([m]).predict(labelled())[["p_Ia", "p_II"]] for m in modules])
    table = Classifier(modules).predict(labelled())
    np.testing.assert_allclose(table[["p_Ia", "p_II"]], each.mean(0))
    np.testing.assert_allclose(table["sd_Ia"], each[..., 0].std(0, ddof=1))
    entropies = -(each * np.log(each)).sum(-1)
    mean = each.mean(0)
    gap = -(mean * np.log(mean)).sum(1) - entropies.mean(0)
    np.testing.assert_allclose(table["mutual_information"], gap, atol=1e-12)


def test_dropout_gives_a_spread_that_a_seed_repeats():
    classifier = Classifier([small()])
    plain = classifier.predict(labelled())
    first, again, other = (classifier.predict(labelled(), samples=5, seed=s) for s in (1, 1, 2))
    assert (first["sd_Ia"] > 0).all()
    assert (first["mutual_information"] > 0).all()
    pd.testing.assert_frame_equal(first, again)
    assert not np.allclose(first["p_Ia"], other["p_Ia"])
    pd.testing.assert_frame_equal(classifier.predict(labelled()), plain)


def test_other_bands_orders_and_zero_points_are_brought_to_the_classifiers():
    module = small()
    batch = labelled()
    want = Classifier([module]).predict(batch)
    turned = batch.to_light_curves().to_batch(bands=("ztfg", "desi", "desg", "desr"))
    scale = 10 ** (0.4 * (25.0 - 27.5))
    faint = replace(
        turned, flux=turned.flux * scale, flux_err=turned.flux_err * scale, zeropoint=25.0
    )
    pd.testing.assert_frame_equal(Classifier([module]).predict(faint), want, rtol=1e-4)
    objects = LightCurves(lc.with_zeropoint(25.0) for lc in batch.to_light_curves())
    pd.testing.assert_frame_equal(Classifier([module]).predict(objects), want, rtol=1e-4)


def mixed():
    known, foreign = curves(2), curves(2, ("ztfg", "ztfr", "ztfi"))
    empty = known[0].keep(np.zeros(len(known[0]), dtype=bool))
    for i, lc in enumerate([*known, *foreign, empty]):
        lc.object_id = f"x{i}"
    return LightCurves([*known, *foreign, empty])


def test_objects_without_a_known_band_are_kept_and_counted():
    classifier = Classifier([small()])
    message = (
        "3 of 5 light curves have no observation in desg, desr, desi .* x2, in ztfg, ztfi, ztfr"
    )
    with pytest.warns(SntorchWarning, match=message):
        table = classifier.predict(mixed())
    assert table["object_id"].tolist() == ["x0", "x1", "x2", "x3", "x4"]
    assert table["p_Ia"].isna().tolist() == [False, False, True, True, True]
    assert (table["n_observations"] > 0).tolist() == [True, True, False, False, False]
    with pytest.warns(SntorchWarning, match="the first: x4, which is empty"):
        table = classifier.predict(mixed()[4:])
    assert table["uncertainty"].isna().all()
    half_empty = labelled(2).where(torch.tensor([[True], [False]]))
    with pytest.warns(SntorchWarning, match="1 of 2 light curves"):
        classifier.predict(half_empty)


def test_a_survey_in_other_bands_is_refused_in_one_line():
    classifier = Classifier([small()])
    words = r"light curves in ztfg, ztfi, ztfr; this classifier knows desg, desr, desi"
    for given in (curves(4, ("ztfg", "ztfr", "ztfi")), labelled(4, ("ztfg", "ztfr", "ztfi"))):
        with pytest.raises(DataError, match=words) as caught:
            classifier.predict(given)
        assert "\n" not in str(caught.value)


def test_observations_in_other_bands_are_left_out():
    lc = curves(1)[0]
    more = LightCurve.from_arrays(
        lc.object_id,
        [*lc.time, 58000.0],
        [*lc.flux, 1e4],
        [*lc.flux_err, 1.0],
        [*lc.band, "ztfg"],
    )
    classifier = Classifier([small()])
    found, want = classifier.predict([more]), classifier.predict([lc])
    pd.testing.assert_frame_equal(found, want, rtol=1e-4)


def test_a_redshift_that_is_needed_and_missing():
    module = small(context=["redshift"], context_required=True)
    light_curves = curves()
    light_curves[3].redshift = np.nan
    with pytest.raises(DataError, match=r"sn3: none of redshift is known"):
        Classifier([module]).predict(light_curves)
    assert Classifier([small(context=["redshift"])]).predict(light_curves)["p_Ia"].notna().all()


def test_columns_of_the_host_are_found_by_name():
    batch = labelled()
    batch.host = torch.randn(len(batch), 1, dtype=torch.float64)
    module = small(batch=batch, host=["mass"], context=["host_0"])
    light_curves = batch.to_light_curves()
    for lc, mass in zip(light_curves, batch.host[:, 0].tolist(), strict=True):
        lc.meta["mass"] = mass
    found = Classifier([module]).predict(light_curves)
    pd.testing.assert_frame_equal(found, Classifier([module]).predict(batch), rtol=1e-4)


def test_what_cannot_be_asked_for():
    classifier = Classifier([small()])
    cases = {
        "epochs=": {"epochs": []},
        "samples=-1": {"samples": -1},
        "since=birth: accepted are trigger, peak": {"since": "birth"},
        "sample_by=coin: accepted are dropout, swag": {"samples": 2, "sample_by": "coin"},
        "no weights were collected": {"samples": 2, "sample_by": "swag"},
    }
    for message, options in cases.items():
        with pytest.raises(ConfigError, match=message):
            classifier.predict(curves(2), **options)
    with pytest.raises(DataError, match="no light curves"):
        classifier.predict([])
    with pytest.raises(ConfigError, match="has no dropout"):
        Classifier([small(network={"dropout": 0.0})]).predict(curves(2), samples=2)


def test_members_of_an_ensemble_must_agree(tmp_path):
    small().save_pretrained(tmp_path / "a")
    small(bands=("ztfg", "ztfr", "ztfi")).save_pretrained(tmp_path / "b")
    words = "classifier 2 has the bands ztfg, ztfr, ztfi, the first one desg, desr, desi"
    with pytest.raises(CheckpointError, match=words):
        Classifier.from_pretrained([tmp_path / "a", tmp_path / "b"])
    with pytest.raises(CheckpointError, match="no checkpoint there"):
        Classifier.from_pretrained(tmp_path / "c")
    with pytest.raises(CheckpointError, match="no classifier given"):
        Classifier.from_pretrained([])
