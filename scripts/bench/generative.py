"""Trained generators on 350 (or 30) simulated SNe Ia, against 3,000 that they never saw.

Training stops after a fixed CPU time, and nothing is chosen by the held-out objects: what is
scored is the average of the weights at the end. Every seed has its own training set and network; a
row gives the median of the seeds, all of them, and what a training set and fresh real objects get.
A seed is stored as soon as it is done, so the same command goes on where it was stopped.

``--simulation des_mixed --pretrain SECONDS`` trains on 1,000 core-collapse supernovae of the same
survey first, once, and goes on from there on each small training set. ``--simulation-seed`` draws
the survey and all of its objects anew: settings that were found on one are confirmed on another.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from generative_samples import ALONE, MIXED, N_FRESH, N_TRAIN, RARE, SIMULATION_SEED, Samples
from table import Row, markdown
from training_clock import built, quiet, train

from sntorch.atomic import atomic_write
from sntorch.generative.abilities import GENERATED
from sntorch.generative.evaluate import evaluate_generator
from sntorch.generative.flow_matching import FlowMatching

# The config of each model in conf/model.
MODELS = {
    "recurrent": "gan/recurrent",
    "talk": "gan/talk",
    "transformer": "gan/transformer",
    "flow": "flow/matching",
}
COMMAND = "python scripts/bench/generative.py"

Scores = dict[str, Any]


@dataclass(frozen=True)
class Study:
    """What is trained on what, for how long.

    Attributes:
        model: Key of ``MODELS``.
        n: Training objects.
        seconds: CPU time on them.
        pretrain: CPU time on the common class before, 0 for none.
        simulation: Preset in conf/simulation.
        overrides: Of the model's config.
        simulation_seed: Of the survey and all of its objects.
        thorough: Whether sequence classifiers and mean discrepancies are scored, too.
    """

    model: str
    n: int
    seconds: float
    pretrain: float
    simulation: str
    overrides: tuple[str, ...]
    simulation_seed: int = SIMULATION_SEED
    thorough: bool = False

    @property
    def label(self) -> str:
        """In a few words."""
        before = f" after {self.pretrain:.0f} s on the common class" if self.pretrain else ""
        changed = f" ({' '.join(self.overrides)})" if self.overrides else ""
        other = self.simulation_seed != SIMULATION_SEED
        survey = f", survey {self.simulation_seed}" if other else ""
        trained = f"n = {self.n}, {self.seconds:.0f} s{before}"
        return f"{MODELS[self.model]}{changed}, {trained}{survey}"


@dataclass(frozen=True)
class Target:
    """A score and what the issue asks of it.

    Attributes:
        what: In a few words.
        read: The score, of one pair of samples.
        accept: The least; None where it is only reported.
        goal: What it should be.
        large: Whether larger is better.
    """

    what: str
    read: Callable[[Scores, str], float]
    accept: float | None = None
    goal: float | None = None
    large: bool = False

    def met(self, value: float) -> str:
        """ "goal", "yes" (accepted), "no", or "-"."""
        if self.accept is None or self.goal is None:
            return "-"
        sign = -1 if self.large else 1
        reached = [sign * value <= sign * limit for limit in (self.goal, self.accept)]
        return "goal" if reached[0] else "yes" if reached[1] else "no"

    @property
    def asked(self) -> str:
        """Both limits."""
        sign = ">=" if self.large else "<="
        return "reported" if self.accept is None else f"{sign} {self.accept:g}; {self.goal:g}"


def peak_worst(scores: Scores, who: str) -> float:
    """Largest KS distance of the peak magnitudes of the bands."""
    return max(band[_key("ks", who)] for band in scores["peak"].values())


def ks(kind: str) -> Callable[[Scores, str], float]:
    """Mean KS distance of the features of a kind."""

    def read(scores: Scores, who: str) -> float:
        return float(np.mean([f[_key("ks", who)] for f in chosen(scores, kind)]))

    return read


def chosen(scores: Scores, kind: str) -> list[dict[str, float]]:
    """The features of a kind; all of them for ``mean``."""
    found = scores["features"]
    names = [k for k in found if kind == "mean" or k.startswith(f"{kind}_")]
    return [found[k] for k in names if all(found[k][w] is not None for w in ("ks", "ks_train"))]


def gain(scores: Scores, who: str) -> float:
    """Mean KS distance against the training set's own."""
    return ks("mean")(scores, who) / ks("mean")(scores, "train")


def within(*path: str) -> Callable[[Scores, str], float]:
    """A score that is kept by sample: the first word, the sample, the other words."""

    def read(scores: Scores, who: str) -> float:
        found = scores[path[0]][who]
        for word in path[1:]:
            found = found[word]
        return float(found)

    return read


def impossible(scores: Scores, who: str) -> float:
    """Generated observations that cannot be."""
    return float(sum(scores["impossible"].values())) if who == "generated" else 0.0


def _key(distance: str, who: str) -> str:
    return distance if who == "generated" else f"{distance}_{who}"


C2ST_ALL, C2ST_PHOTOMETRY = within("c2st", "all", "auc"), within("c2st", "no_cadence", "auc")
RATIO, COPIES = within("memorisation", "ratio"), within("memorisation", "copies")
# Of light curves themselves, after a grey shift and a time shift have been removed.
RAW_RATIO, RAW_COPIES = (within("raw_memorisation", key) for key in ("ratio", "copies"))
COVERAGE, RECALL = within("prdc", "coverage"), within("prdc", "recall")

ALWAYS = (
    Target("nearest-neighbour ratio", RATIO, 0.90, 0.90, large=True),
    Target("copies", COPIES, 0.02, 0.02),
    Target("nearest light curve ratio, shifts removed", RAW_RATIO, 0.90, 0.90, large=True),
    Target("copies of light curves, shifts removed", RAW_COPIES, 0.02, 0.02),
    Target("C_T of light curves", within("raw_memorisation", "c_t")),
    Target("number of observations, chi2 / dof", within("lengths", "mean", "chi2")),
    Target("population, ln width ratio", within("fan", "mean", "width")),
    Target("unsorted, error <= 0, not finite", impossible, 0.0, 0.0),
)
GAN = (
    Target("KS peak magnitude, worst band", peak_worst, 0.08, 0.06),
    Target("KS roughness", ks("roughness"), 0.12, 0.07),
    Target("KS colour", ks("colour"), 0.15, 0.08),
    Target("KS dm15", ks("dm15"), 0.15, 0.08),
    Target("mean KS", ks("mean")),
    Target("C2ST AUC", C2ST_ALL),
    Target("C2ST AUC without cadence", C2ST_PHOTOMETRY, 0.90, 0.75),
    Target("coverage", COVERAGE, 0.55, 0.80, large=True),
    Target("recall", RECALL, 0.80, 0.85, large=True),
)
FLOW = (
    Target("KS peak magnitude, worst band", peak_worst),
    Target("mean KS", ks("mean"), 0.10, 0.07),
    Target("C2ST AUC", C2ST_ALL, 0.90, 0.75),
    Target("C2ST AUC without cadence", C2ST_PHOTOMETRY, 0.85, 0.70),
    Target("coverage", COVERAGE, 0.70, 0.85, large=True),
    Target("recall", RECALL),
)
FEW = (
    Target("KS peak magnitude, worst band", peak_worst),
    Target("mean KS", ks("mean")),
    Target("mean KS against the training set's own", gain, 1.0, 0.8),
    Target("nearest-neighbour ratio", RATIO, 0.85, 0.95, large=True),
    Target("copies", COPIES, 0.05, 0.02),
    Target("nearest light curve ratio, shifts removed", RAW_RATIO, 0.85, 0.95, large=True),
    Target("copies of light curves, shifts removed", RAW_COPIES, 0.05, 0.02),
    Target("C_T of light curves", within("raw_memorisation", "c_t")),
    Target("coverage", COVERAGE, 0.35, 0.55, large=True),
    Target("C2ST AUC without cadence", C2ST_PHOTOMETRY),
    Target("number of observations, chi2 / dof", within("lengths", "mean", "chi2")),
    Target("population, ln width ratio", within("fan", "mean", "width")),
    Target("unsorted, error <= 0, not finite", impossible, 0.0, 0.0),
)
# Of --thorough.
THOROUGH = (
    Target("C2ST AUC of sequences", within("c2st", "sequence", "auc")),
    Target("MMD2, features", within("mmd", "features", "mmd2")),
    Target("MMD2, features: p", within("mmd", "features", "p_value")),
    Target("MMD2, signatures", within("mmd", "signature", "mmd2")),
    Target("MMD2, signatures: p", within("mmd", "signature", "p_value")),
)


def targets(study: Study) -> tuple[Target, ...]:
    """What the issue asks of a model and a number of training objects."""
    if study.n < N_TRAIN:
        return FEW
    own = (FLOW if study.model == "flow" else GAN) + ALWAYS
    if study.model == "talk":
        return tuple(Target(t.what, t.read) for t in own)
    return own


@cache
def samples(simulation: str, seed: int) -> Samples:
    """The samples of a preset."""
    return Samples.draw(simulation, seed)


def pretrained(study: Study, folder: Path) -> Path | None:
    """A model trained on the common class, written once."""
    if not study.pretrain:
        return None
    out = folder / "common"
    if not out.is_dir():
        model = built(MODELS[study.model], "seed=0", *study.overrides)
        known = samples(study.simulation, study.simulation_seed)
        train(model, known.common, study.pretrain, seed=0)
        model.save_pretrained(out)
    return out


def measure(study: Study, seed: int, folder: Path) -> Scores:
    """Train and score one seed, or read what is stored of it."""
    path = folder / f"seed_{seed}.json"
    if path.exists():
        return json.loads(path.read_text())
    known = samples(study.simulation, study.simulation_seed)
    start = pretrained(study, folder)
    batch = known.train(study.n, seed)
    going_on = [] if start is None else [f"start_from={start.resolve()}"]
    model = built(MODELS[study.model], f"seed={seed}", *study.overrides, *going_on)
    speed = train(model, batch, study.seconds, seed)
    condition = {"type": RARE} if "type" in model.config.get("conditions", ()) else {}
    started = time.process_time()
    drawn = model.sample(N_FRESH, seed=seed, condition=condition)
    rate = N_FRESH / (time.process_time() - started)
    scores = evaluate_generator(drawn, known.held_out, batch, known.fresh, thorough=study.thorough)
    scores |= {"iterations_a_second": speed, "light_curves_a_second": rate}
    for name, other in elsewhere(model, known).items():
        options = {**other, "condition": condition | other.get("condition", {})}
        drawn = model.sample(N_FRESH, seed=seed, **options)
        scores.setdefault("elsewhere", {})[name] = evaluate_generator(
            drawn, known.held_out, batch, known.fresh, n_resamples=20, thorough=False
        )
    with atomic_write(path) as draft:
        draft.write_text(json.dumps(scores) + "\n")
    return scores


def elsewhere(model: Any, known: Samples) -> dict[str, dict[str, Any]]:
    """Other ways to draw from a model: at its own epochs, at those of fresh real objects."""
    if isinstance(model, FlowMatching):
        redshift = {"redshift": known.fresh.redshift, "extrapolate": True}
        asked = redshift if "redshift" in model.config["conditions"] else {}
        return {"epochs of fresh objects": {"cadence": known.fresh, "condition": asked}}
    usual = model.config["cadence"]
    return {} if usual == GENERATED else {"its own epochs": {"cadence": GENERATED}}


def study_rows(study: Study, seeds: Sequence[int], folder: Path) -> Iterable[Row]:
    """One row a target: the median of the seeds counts."""
    every = [measure(study, seed, folder) for seed in seeds]
    for target in targets(study) + THOROUGH * study.thorough:
        yield score_row(study.label, target, every)
    for place in every[0].get("elsewhere", {}):
        for target in targets(study):
            named = Target(f"{target.what}, at {place}", target.read)
            elsewhere_scores = [scores["elsewhere"][place] for scores in every]
            yield score_row(study.label, named, elsewhere_scores)
    for key in ("iterations_a_second", "light_curves_a_second"):
        values = [scores[key] for scores in every]
        what = f"{study.label}: {key.replace('_', ' ')} (CPU)"
        yield Row("generative", what, "reported", f"{np.median(values):.0f}")


def score_row(label: str, target: Target, every: Sequence[Scores]) -> Row:
    """The median of several seeds, all of them, and the two floors."""
    values = {
        who: [target.read(scores, who) for scores in every]
        for who in ("generated", "fresh", "train")
    }
    middle = {who: float(np.median(found)) for who, found in values.items()}
    each = ", ".join(f"{value:.3f}" for value in values["generated"])
    return Row(
        "generative",
        f"{label}: {target.what}, median of {len(every)} seed(s) (all)",
        target.asked,
        f"{middle['generated']:.3f} ({each})",
        f"fresh real {middle['fresh']:.3f}; training set {middle['train']:.3f}",
        met=target.met(middle["generated"]),
    )


def quick() -> list[Row]:
    """One seed of the GAN for 90 seconds, and the commands for the rest."""
    study = Study("recurrent", N_TRAIN, 90, 0, ALONE, ())
    with tempfile.TemporaryDirectory() as folder:
        found = list(study_rows(study, [1], Path(folder)))
    longer = (
        ("gan/recurrent", " --seconds 300"),
        ("gan/talk", " --model talk --seconds 100"),
        ("gan/transformer", " --model transformer --seconds 300"),
        ("flow/matching", " --model flow --seconds 150"),
        ("30 objects", " --model flow --n 30 --seconds 20 --set epoch_shift=4"),
        (
            "30 objects after common classes",
            f" --model flow --n 30 --simulation {MIXED} --pretrain 200 --seconds 30 "
            "--set epoch_shift=4",
        ),
    )
    return found + [
        Row("generative", f"{what}, three seeds", "as above", COMMAND + options, met="run")
        for what, options in longer
    ]


def main() -> None:
    """Parse the options of all bench scripts and those of this study."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the version that make bench runs")
    parser.add_argument("--json", type=Path, help="also write the rows to this file")
    parser.add_argument("--model", default="recurrent", choices=tuple(MODELS))
    parser.add_argument("--n", type=int, default=N_TRAIN, help="training objects")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--pretrain", type=float, default=0, help="seconds on the common class")
    parser.add_argument("--simulation", default=ALONE, choices=(ALONE, MIXED))
    parser.add_argument("--simulation-seed", type=int, default=SIMULATION_SEED)
    parser.add_argument(
        "--thorough", action="store_true", help="sequence classifiers and mean discrepancies, too"
    )
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="of the model")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--folder", type=Path, default=Path("outputs/generative"))
    options = parser.parse_args()
    quiet()
    if options.quick:
        measured = quick()
    else:
        study = Study(
            options.model,
            options.n,
            options.seconds,
            options.pretrain,
            options.simulation,
            tuple(options.set),
            options.simulation_seed,
            options.thorough,
        )
        measured = list(study_rows(study, options.seeds, prepared(study, options.folder)))
    print(markdown(measured))
    if options.json:
        options.json.write_text(json.dumps([vars(row) for row in measured], indent=2) + "\n")


def prepared(study: Study, folder: Path) -> Path:
    """The folder of a study; its settings lie beside its scores.

    Raises:
        SystemExit: The folder holds another study.
    """
    changed = [option.replace("=", "_") for option in study.overrides]
    parts = [study.model, f"n{study.n}", f"{study.seconds:.0f}s", study.simulation, *changed]
    if study.pretrain:
        parts.append(f"after{study.pretrain:.0f}s")
    if study.simulation_seed != SIMULATION_SEED:
        parts.append(f"survey{study.simulation_seed}")
    if study.thorough:
        parts.append("thorough")
    own = folder / "_".join(parts)
    own.mkdir(parents=True, exist_ok=True)
    settings = own / "study.json"
    wanted = {k: v for k, v in json.loads(json.dumps(asdict(study))).items() if k != "thorough"}
    if settings.exists() and json.loads(settings.read_text()) != wanted:
        raise SystemExit(f"{own}: holds another study; name another --folder")
    settings.write_text(json.dumps(wanted, indent=2) + "\n")
    return own


if __name__ == "__main__":
    main()
