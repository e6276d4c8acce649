"""What the card of a published model says, and that it is true."""

from __future__ import annotations

import pytest
from toys import flow, population, recurrent, two_classes

from sntorch.errors import DataError
from sntorch.generative import Generator
from sntorch.generative.evaluate import evaluate_generator
from sntorch.pretrained import training_sha256


def fitted(make=recurrent, **changes):
    model = make(conditions=["type", "redshift"], **changes)
    model.fit_encoding(two_classes(50))
    return model


def card_in(folder):
    return (folder / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("make", [recurrent, flow])
def test_the_card_says_what_the_model_learned_from(make, tmp_path):
    model, train = fitted(make), two_classes(50)
    model.save_pretrained(tmp_path / "model")
    card = card_in(tmp_path / "model")
    low, high = float(train.redshift.min()), float(train.redshift.max())
    assert card.startswith(f"# {type(model).__name__}: ")
    assert "Bands: desg, desr, desi; fluxes with zero point 27.5" in card
    assert f"50 objects, redshift {low:.3g} to {high:.3g}." in card
    assert "| II | 25 |\n| Ia | 25 |" in card
    assert f"`{training_sha256(train)}`" in card
    assert f"asked for: type (II, Ia), redshift ({low:.3g} to {high:.3g})" in card
    assert "fewer than 30 training objects may repeat them: II (25), Ia (25)" in card
    assert "Not made for rates" in card
    assert "Not scored" in card
    assert "Started from" not in card


@pytest.mark.parametrize("make", [recurrent, flow])
def test_a_folder_gives_the_same_samples_and_the_same_card(make, tmp_path):
    model = fitted(make)
    model.save_pretrained(tmp_path / "model")
    again = Generator.from_pretrained(tmp_path / "model")
    ours, theirs = model.sample(10, seed=4), again.sample(10, seed=4)
    assert (ours.flux == theirs.flux).all()
    assert (ours.time == theirs.time).all()
    again.model.save_pretrained(tmp_path / "again")  # pyright: ignore[reportAttributeAccessIssue]
    assert card_in(tmp_path / "again") == card_in(tmp_path / "model")


def test_a_model_without_conditions_and_types_has_a_card(tmp_path):
    model = recurrent()
    model.fit_encoding(population(40))
    model.save_pretrained(tmp_path)
    assert "40 objects, redshift unknown." in card_in(tmp_path)
    assert "It can be asked for: no property of an object." in card_in(tmp_path)


def test_scores_stand_beside_their_floors(tmp_path):
    model, train = fitted(), two_classes(50)
    held_out = two_classes(60, seed=1)
    drawn = model.sample(60, seed=1)
    scores = evaluate_generator(drawn, held_out, train, n_resamples=5, thorough=False)
    model.save_pretrained(tmp_path, scores)
    card = card_in(tmp_path)
    peak = scores["peak"]["desg"]
    numbers = f"{peak['ks']:.3f} | {peak['ks_interval'][0]:.3f} - {peak['ks_interval'][1]:.3f}"
    assert f"| KS of peak magnitude, desg | <=0.10 | {numbers} | {peak['ks_fresh']:.3f}" in card
    assert "60 generated, 60 held out, 50 train objects. not passed" in card
    assert "Memorisation gate: " in card
    # Without training the worst features are far away, and the card says which.
    worst = max(scores["features"], key=lambda name: scores["features"][name]["ks"] or 0)
    assert f"Farthest from held-out objects (KS; of fresh real ones): {worst} " in card
    assert "Not scored" not in card


def test_a_failed_memorisation_gate_is_a_known_failure(tmp_path):
    model, train = fitted(), two_classes(50)
    held_out = two_classes(60, seed=1)
    scores = evaluate_generator(train, held_out, train, n_resamples=5, thorough=False)
    model.save_pretrained(tmp_path, scores)
    assert "Memorisation gate: NOT passed" in card_in(tmp_path)
    failed = "copies of training objects, copies of light curves"
    assert f"- Did not pass the memorisation gate ({failed})" in card_in(tmp_path)


def test_the_origin_of_a_fine_tuned_model_is_told(tmp_path):
    first = fitted()
    first.save_pretrained(tmp_path / "first")
    second = recurrent(conditions=["type", "redshift"], start_from=tmp_path / "first")
    second.fit_encoding(two_classes(40, seed=3))
    second.save_pretrained(tmp_path / "second")
    words = f"Started from a model whose training set has SHA-256 `{first.training_sha256}`"
    assert words in card_in(tmp_path / "second")


def test_other_files_are_not_overwritten(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match="holds other files"):
        fitted().save_pretrained(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
