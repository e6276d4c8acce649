"""Every experiment is run by its verb, in little time; resuming gives the same weights."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import output
from omegaconf import OmegaConf

from sntorch.cli.config import compose_config
from sntorch.cli.entry import config_dir
from sntorch.cli.experiments import verb_of
from sntorch.cli.main import VERBS
from sntorch.data.io import write
from sntorch.data.light_curve import LightCurve, LightCurves
from sntorch.data.splits import read_split
from sntorch.physics.cosmology import Cosmology
from sntorch.physics.sed import SEDModel
from sntorch.simulation.testing import example_batch

CONFIGS = Path(__file__).parents[1] / "conf" / "experiment"
EXPERIMENTS = sorted(p.stem for p in CONFIGS.glob("*.yaml"))
FEW = [f"data.{part}.n=40" for part in ("light_curves", "validation", "test")]


# Of generators without a network.
FITTED_AT_ONCE = {"baseline_ia"}
# With an SED that is learnt.
TRAINED = {"t21", "m20", "pop_rv"}


def train(folder, *overrides):
    return output("train", *overrides, cwd=folder)


def foundation(request):
    return request.getfixturevalue("shared") / "data" / "foundation_dr1"


def of_simulated_data(name):
    return "/data: simulated" in (CONFIGS / f"{name}.yaml").read_text()


def of_templates(name):
    return "/simulation: des_mixed" in (CONFIGS / f"{name}.yaml").read_text()


def of_surveys(name):
    text = (CONFIGS / f"{name}.yaml").read_text()
    kinds = ("surveys", "tripp", "light_curve_surveys", "salt_surveys")
    return any(f"/data: {kind}" in text for kind in kinds)


def data_for(name, folder, request):
    """Overrides that give an experiment little data; what needs the shared folder skips without.

    Classifiers need two classes: theirs are made up here, in the bands of the experiment.
    """
    if of_surveys(name):
        few, text = ["data.n_validation=64"], (CONFIGS / f"{name}.yaml").read_text()
        if "/data: light_curve_surveys" in text:
            return [*few, "data.simulator.benchmark.n_bank=60", "data.simulator.benchmark.n=10"]
        if "/data: salt_surveys" in text:
            request.getfixturevalue("shared")
            return ["data.n_validation=4", "data.n_stored=4", "data.simulator.n=5"]
        if "/data: tripp" not in text:
            return few
        table = request.getfixturevalue("shared") / "data" / "Foundation_DR1.FITRES.TEXT"
        return [*few, f"files={table}"]
    if of_templates(name):
        request.getfixturevalue("shared")
    if of_simulated_data(name):
        return FEW
    text = (CONFIGS / f"{name}.yaml").read_text()
    if "model: classifier" not in text and "start_from" not in text:
        return [f"files={foundation(request)}"]
    batch = example_batch(
        n=40, bands=tuple(compose_config("train", [f"experiment={name}"]).data.bands)
    )
    light_curves = batch.to_light_curves()
    for i, lc in enumerate(light_curves):
        lc.type = ("Ia", "IIP")[i % 2]
        lc.meta |= {"hostgal_photoz": 0.1 + i / 100, "hostgal_photoz_err": 0.01 * (1 + i % 3)}
    light_curves.write(folder / "two_classes.parquet")
    data = [f"files={folder / 'two_classes.parquet'}"]
    if "start_from" in text:
        train(folder, "experiment=transformer_des", "debug=tiny", *data)
    return data


def experiments_of(verb):
    return [name for name in EXPERIMENTS if verb_of(CONFIGS / f"{name}.yaml") == verb]


def test_every_experiment_names_its_verb():
    named = [*experiments_of("train"), *experiments_of("train-bayesn")]
    assert sorted(named) == EXPERIMENTS
    assert set(VERBS) >= {"train", "train-bayesn"}


@pytest.mark.parametrize("name", experiments_of("train"))
def test_one_tiny_epoch(name, tmp_path, request):
    data = data_for(name, tmp_path, request)
    out = train(tmp_path, f"experiment={name}", "debug=tiny", *data)
    run = Path(out.strip().splitlines()[-1].removeprefix("run: "))
    assert (run / "metrics.json").is_file()
    if of_surveys(name):
        assert "val/information" in json.loads((run / "metrics.json").read_text())
    else:
        assert {*read_split(run / "split.csv").values()} >= {"train", "test"}
    if name in FITTED_AT_ONCE:
        assert (run / "checkpoints" / "model" / "model.safetensors").is_file()
    else:
        assert (run / "checkpoints" / "last.ckpt").is_file()
        assert list((run / "tensorboard").glob("events*"))
    assert (run / ".hydra" / "config.yaml").is_file()


@pytest.fixture(scope="module")
def supernovae(tmp_path_factory):
    """A dozen simulated ones in optical and near-infrared bands, in hosts of all masses."""
    bands = ("cspb", "ps1::g", "ps1::r", "ps1::i", "ps1::z", "cspys", "cspjs", "csphs")
    sed, rng, curves = SEDModel.from_name("m20"), np.random.default_rng(0), []
    for i, z in enumerate(np.linspace(0.015, 0.04, 12)):
        phase = np.sort(rng.uniform(-9, 38, 6))
        drawn = {"theta": rng.normal(), "av": rng.exponential(0.2), "redshift": z}
        distance = float(Cosmology().distmod(z)) + 0.1 * rng.normal()
        flux = sed.flux(phase, bands, distmod=distance, **drawn).numpy()
        curve = LightCurve.from_arrays(
            f"SN{i}",
            np.tile(57000 + phase * (1 + z), len(bands)),
            (flux * (1 + 0.03 * rng.normal(size=flux.shape))).ravel(),
            0.03 * flux.ravel(),
            np.repeat(bands, len(phase)),
            redshift=z,
            redshift_err=1e-4,
            mwebv=0.03,
            peak_mjd=57000.0,
            meta={"HOSTGAL_LOGMASS": 9.4 + 0.1 * i},
        )
        curves.append(curve)
    path = tmp_path_factory.mktemp("supernovae") / "sne.parquet"
    write(LightCurves(curves), path)
    return path


# SNe are few, so M20's knots beyond the last band are left out.
KNOTS = {"m20": "wave_knots=[3000,4300,6200,8700,12400,18500]"}
TINY = {
    "mode_iterations": 4,
    "svi_iterations": 4,
    "svi_draws": 2,
    "chains": 2,
    "warmup": 4,
    "draws": 4,
    "max_tree_depth": 2,
}


def test_two_names_of_one_experiment():
    one, other = (compose_config("train_bayesn", [f"experiment={n}"]) for n in ("pop_rv", "popRV"))
    assert one == other


@pytest.mark.parametrize("name", sorted({*experiments_of("train-bayesn")} - {"popRV"}))
def test_few_draws_of_few_supernovae(name, supernovae, tmp_path):
    tiny = [f"training.{key}={value}" for key, value in TINY.items()]
    knots = [KNOTS[name]] if name in KNOTS else []
    arguments = [f"experiment={name}", "data=files", f"files={supernovae}", *knots, *tiny]
    out = output("train-bayesn", *arguments, cwd=tmp_path)
    run = tmp_path / out.strip().splitlines()[-1]
    assert run.parent.parent == tmp_path / "outputs"
    assert (run / "report.md").is_file()
    assert (run / "summary.csv").is_file()
    assert (run / "figures" / "population.png").is_file()
    assert (run / "figures" / "surfaces.png").is_file() == (name in TRAINED)
    assert (run / "BAYESN.YAML").is_file() or "split" in name


def test_generated_snana_files_are_read_by_us_and_by_sncosmo(tmp_path, shared):
    import sncosmo

    import sntorch

    train(
        tmp_path,
        "experiment=gan_foundation",
        "debug=tiny",
        f"files={shared / 'data' / 'foundation_dr1'}",
    )
    generate = ["generate", "ckpt=outputs/gan_foundation", "n=6", "seed=3"]
    output(*generate, "out=made", "format=snana", cwd=tmp_path)
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

    def __init__(self, n_bands, n_condition, n_hidden):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(5 + n_condition, n_hidden),
            torch.nn.ReLU(),
            torch.nn.Linear(n_hidden, 3 * n_bands),
        )

    def forward(self, z, steps, mask, encoding, cadence=None, condition=None):
        if condition is not None:
            z = torch.cat([z, condition], -1)
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
    output("generate", "ckpt=outputs/mine", "n=5", "lengths=4", "out=made.parquet", cwd=work)
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
