"""The verb ``publish``: a folder with a card, and one-line errors."""

from __future__ import annotations

import json
import shutil
from functools import partial

import pytest
import running
import torch
import yaml

from sntorch.cli import publish as verb
from sntorch.cli.entry import config_dir
from sntorch.generative import Generator
from sntorch.generative.baselines import Bootstrap
from sntorch.generative.evaluate import evaluate_generator
from sntorch.generative.gan_module import LightCurveGAN
from sntorch.pretrained import model_sha256
from sntorch.testing import example_batch

run_here = partial(running.run_here, verb)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The folder of a small GAN, its scores beside it."""
    folder, threads = tmp_path_factory.mktemp("publish"), torch.get_num_threads()
    torch.set_num_threads(1)
    config = yaml.safe_load((config_dir() / "model" / "gan" / "recurrent.yaml").read_text())
    options = {k: v for k, v in config.items() if not k.startswith("_")}
    gan = LightCurveGAN(**options | {"conditions": [], "seed": 0})
    batch = example_batch()
    with pytest.warns(UserWarning, match="objects"):
        gan.fit_encoding(batch)
    gan.save_pretrained(folder / "model")
    drawn = gan.sample(20, seed=1)
    scores = evaluate_generator(drawn, batch, batch, n_resamples=3, thorough=False)
    scores["model_sha256"] = model_sha256(folder / "model")
    (folder / "metrics.json").write_text(json.dumps(scores))
    torch.set_num_threads(threads)
    return folder


def error_of(capsys):
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    return lines[0]


@pytest.mark.parametrize("metrics", ["metrics.json", "."])
def test_a_model_is_published_with_its_scores(metrics, model, tmp_path, capsys):
    arguments = f"ckpt={model / 'model'}", f"metrics={model / metrics}", "out=card"
    assert run_here(arguments, tmp_path) == 0
    names = sorted(path.name for path in (tmp_path / "card").iterdir())
    assert names == ["README.md", "config.json", "model.safetensors"]
    assert "KS of peak magnitude" in (tmp_path / "card" / "README.md").read_text()
    assert "LightCurveGAN with scores" in capsys.readouterr().out
    assert len(Generator.from_pretrained(tmp_path / "card").sample(3, seed=1)) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["card"]


def test_scores_are_no_must(model, tmp_path):
    assert run_here([f"ckpt={model / 'model'}", "out=card"], tmp_path) == 0
    assert "None were computed" in (tmp_path / "card" / "README.md").read_text()


def test_scores_of_another_model_are_refused(model, tmp_path, capsys):
    scores = json.loads((model / "metrics.json").read_text())
    cases = {
        "holds the scores of another model": json.dumps(scores | {"model_sha256": "0"}),
        "has no peak": json.dumps({k: v for k, v in scores.items() if k != "peak"}),
        "has no n, peak": "[1, 2]",
        "cannot be read": "{",
    }
    for message, text in cases.items():
        (tmp_path / "metrics.json").write_text(text)
        arguments = f"ckpt={model / 'model'}", "metrics=metrics.json", "out=card"
        assert run_here(arguments, tmp_path) == 2
        assert message in error_of(capsys)
    assert run_here([f"ckpt={model / 'model'}", "metrics=nowhere", "out=card"], tmp_path) == 2
    assert "nowhere: cannot be read" in error_of(capsys)
    assert not (tmp_path / "card").exists()


def test_what_is_no_trained_network_is_refused(model, tmp_path, capsys):
    Bootstrap().fit(example_batch()).save_pretrained(tmp_path / "baseline")
    assert run_here(["ckpt=baseline", "out=card"], tmp_path) == 2
    assert "a trained network is accepted" in error_of(capsys)
    shutil.copy(model / "metrics.json", tmp_path / "baseline" / "notes.json")
    assert run_here([f"ckpt={model / 'model'}", "out=baseline"], tmp_path) == 2
    assert "out=baseline: exists already" in error_of(capsys)
    again = [f"ckpt={model / 'model'}", "out=baseline", "overwrite=true"]
    assert run_here(again, tmp_path) == 0
    assert run_here(["ckpt=nowhere", "out=card"], tmp_path) == 2
    assert "no checkpoint there" in error_of(capsys)
