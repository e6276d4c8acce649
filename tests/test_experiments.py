"""Every experiment is composed and run for one tiny epoch; resuming gives the same weights."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

EXPERIMENTS = sorted(
    p.stem for p in (Path(__file__).parents[1] / "conf" / "experiment").glob("*.yaml")
)
FEW = [f"data.{part}.n=40" for part in ("light_curves", "validation", "test")]


def train(folder, *overrides):
    command = [sys.executable, "-m", "sntorch.cli.main", "train", *overrides]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


def of_simulated_data(name):
    config = Path(__file__).parents[1] / "conf" / "experiment" / f"{name}.yaml"
    return "/data: simulated" in config.read_text()


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_one_tiny_epoch(name, tmp_path, shared):
    data = FEW if of_simulated_data(name) else [f"files={shared / 'data' / 'foundation_dr1'}"]
    out = train(tmp_path, f"experiment={name}", "debug=tiny", *data)
    run = Path(out.strip().splitlines()[-1].removeprefix("run: "))
    assert (run / "checkpoints" / "last.ckpt").is_file()
    assert (run / "metrics.json").is_file()
    assert list((run / "tensorboard").glob("events*"))
    assert (run / ".hydra" / "config.yaml").is_file()


def test_generated_snana_files_are_read_by_us_and_by_sncosmo(tmp_path, shared):
    import sncosmo

    import sntorch

    train(
        tmp_path,
        "experiment=gan_foundation",
        "debug=tiny",
        f"files={shared / 'data' / 'foundation_dr1'}",
    )
    command = [
        sys.executable,
        "-m",
        "sntorch.cli.main",
        "generate",
        "ckpt=outputs/gan_foundation",
        "n=6",
    ]
    subprocess.run([*command, "seed=3", "out=made", "format=snana"], cwd=tmp_path, check=True)
    ours = sntorch.read(tmp_path / "made")
    assert len(ours) == 6
    for light_curve in ours:
        path = next((tmp_path / "made").glob(f"*{light_curve.object_id}*"))
        header, tables = sncosmo.read_snana_ascii(str(path), default_tablename="OBS")
        table = tables["OBS"]
        assert header["SNID"] == light_curve.object_id
        assert sorted(table["MJD"]) == sorted(light_curve.time)
        assert sorted(table["FLUXCAL"]) == sorted(light_curve.flux)


def test_resuming_the_last_run_gives_the_same_weights(tmp_path):
    common = [
        "experiment=gan_ia",
        "debug=tiny",
        *FEW,
        "data.batch_size=20",
        "callbacks.checkpoint.every_n_epochs=1",
    ]
    train(tmp_path, *common, "trainer.max_epochs=3", "task=whole")
    train(tmp_path, *common, "trainer.max_epochs=2", "task=cut")
    train(tmp_path, *common, "trainer.max_epochs=3", "task=cut", "ckpt_path=last")
    whole, resumed = (weights(tmp_path / "outputs" / task) for task in ("whole", "cut"))
    assert whole.keys() == resumed.keys()
    for name, value in whole.items():
        torch.testing.assert_close(resumed[name], value, rtol=0, atol=0, msg=name)


def weights(task):
    newest = sorted(task.glob("*/checkpoints/last.ckpt"), key=lambda p: p.stat().st_mtime)[-1]
    return torch.load(newest, weights_only=True)["state_dict"]
