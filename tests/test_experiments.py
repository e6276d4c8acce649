"""Every experiment is composed and run for one tiny epoch; resuming gives the same weights."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from sntorch.cli.entry import config_dir

EXPERIMENTS = sorted(
    p.stem for p in (Path(__file__).parents[1] / "conf" / "experiment").glob("*.yaml")
)
FEW = [f"data.{part}.n=40" for part in ("light_curves", "validation", "test")]


def train(folder, *overrides):
    command = [sys.executable, "-m", "sntorch.cli.main", "train", *overrides]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


def foundation(request):
    return request.getfixturevalue("shared") / "data" / "foundation_dr1"


def of_simulated_data(name):
    config = Path(__file__).parents[1] / "conf" / "experiment" / f"{name}.yaml"
    return "/data: simulated" in config.read_text()


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_one_tiny_epoch(name, tmp_path, request):
    # Only real data need the shared folder: without it the other experiments are tested still.
    data = FEW if of_simulated_data(name) else [f"files={foundation(request)}"]
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


USER_NETWORK = '''
import torch


class Straight(torch.nn.Module):
    """A generator of the user's own: one linear map for every step."""

    n_latent, n_step_noise = 3, 2

    def __init__(self, n_bands, n_hidden):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(5, n_hidden), torch.nn.ReLU(), torch.nn.Linear(n_hidden, 3 * n_bands)
        )

    def forward(self, z, steps, mask, encoding, cadence=None):
        latent = z[:, None].expand(-1, steps.shape[1], -1)
        time, *others = self.layers(torch.cat([latent, steps], -1)).chunk(3, -1)
        if cadence is not None:
            time = torch.where(cadence.isnan(), time, cadence)
        return torch.cat([time, *others], -1) * mask.repeat(1, 1, 3)
'''


def test_a_network_and_a_config_folder_of_the_users_own(tmp_path):
    """Both lie outside the repository; ``generate`` finds the class again from the run alone."""
    import sntorch

    work, conf = tmp_path / "work", tmp_path / "conf"
    model = OmegaConf.load(config_dir() / "model" / "gan" / "recurrent.yaml")
    model.generator = {"_target_": "mypkg.Straight", "n_hidden": 8}
    (conf / "model").mkdir(parents=True)
    OmegaConf.save(model, conf / "model" / "straight.yaml")
    work.mkdir()
    (work / "mypkg.py").write_text(USER_NETWORK)
    mine = ["--config-dir", str(conf), "experiment=gan_ia", "model=straight", "task=mine"]
    train(work, *mine, "debug=tiny", *FEW)
    command = [sys.executable, "-m", "sntorch.cli.main", "generate", "ckpt=outputs/mine", "n=5"]
    subprocess.run([*command, "lengths=4", "out=made.parquet"], cwd=work, check=True)
    assert [len(lc) for lc in sntorch.read(work / "made.parquet")] == [16] * 5


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
