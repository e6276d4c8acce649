"""The rules of who may import whom, and what ``import sntorch`` may cost."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOMAINS = {"generative", "classification", "bayesn", "sbi"}
# How parts are found by name, and how models are kept and opened.
SHARED = {"errors", "atomic", "building", "checkpoints", "pretrained", "saved", "fitted"}
MAY_IMPORT = {
    "errors": set(),
    "atomic": {"errors"},
    "physics": {"errors", "atomic"},
    "data": {"errors", "atomic", "physics"},
    "statistics": {"errors"},
    "features": {"errors", "data"},
    "simulation": {"errors", "atomic", "physics", "data", "plotting"},
    "nn": {"errors"},
    "inference": {"errors", "atomic"},
    "building": {"errors"},
    "checkpoints": {"errors", "building"},
    "pretrained": {"errors", "atomic", "checkpoints", "data"},
    "saved": {"errors", "checkpoints", "pretrained"},
    "fitted": {"errors", "pretrained", "saved", "data"},
    "plotting": {"errors", "physics", "data", "statistics"},
    "callbacks": {"errors", "physics", "data", "plotting", "nn", "generative", "sbi"},
    **{
        d: {"physics", "data", "features", "statistics", "simulation", "nn", "inference", *SHARED}
        for d in DOMAINS
    },
    "testing": {"errors", "physics", "data", "simulation", "nn", "inference", *DOMAINS},
}
MAY_IMPORT["simulation"].discard("plotting")
ONLY_IN = {
    "pyro": {"bayesn", "inference", "sbi"},
    "sbi": {"sbi"},
    "sncosmo": {"data", "simulation"},
    "astropy": {"data", "simulation"},
}
PACKAGE = Path(__file__).parents[1] / "sntorch"


def modules():
    return sorted(p for p in PACKAGE.rglob("*.py") if "conf" not in p.relative_to(PACKAGE).parts)


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module


def part_of(path):
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_import_directions(path):
    part = part_of(path)
    if part in ("__init__", "cli"):
        return
    for name in imported(path):
        top, _, rest = name.partition(".")
        if top == "sntorch" and rest:
            other = rest.split(".")[0]
            assert other == part or other in MAY_IMPORT[part], f"{part} imports sntorch.{other}"
        if top in ONLY_IN:
            assert part in ONLY_IN[top], f"{part} imports {top}"


def test_physics_needs_torch_and_numpy_only():
    allowed = {"torch", "numpy", "yaml", "sntorch", *sys.stdlib_module_names}
    found = {n.split(".")[0] for p in (PACKAGE / "physics").rglob("*.py") for n in imported(p)}
    assert found <= allowed, found - allowed


def test_import_is_light():
    heavy = [
        "pyro",
        "sbi",
        "sklearn",
        "lightning",
        "pandas",
        "astropy",
        "matplotlib",
        "hydra",
        "pyarrow",
    ]
    code = f"import sys, sntorch; print([m for m in {heavy} if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip()
        == "[]"
    )


HOMES = {
    "MILKY_WAY_RV": "physics",
    "FLUXCAL_ZEROPOINT": "data/light_curve.py",
    "POGSON": "data/magnitudes.py",
    "LN_PER_MAG": "data/magnitudes.py",
}


def assigned(path):
    targets = [
        t for n in ast.parse(path.read_text()).body if isinstance(n, ast.Assign) for t in n.targets
    ]
    return {t.id for t in targets if isinstance(t, ast.Name)}


def test_constants_of_photometry_have_one_home_outside_physics():
    for path in modules():
        place = str(path.relative_to(PACKAGE))
        if part_of(path) == "physics":
            continue
        for name in assigned(path) & set(HOMES):
            assert place == HOMES[name], f"{place} has a {name} of its own"
        if place != HOMES["POGSON"]:
            found = re.search(r"(2\.5 / |0\.4 \* )(np|math)\.log\(10", path.read_text())
            assert found is None, f"{place}: import it from sntorch.data.magnitudes"


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_docstrings_are_not_broken_in_the_middle_of_a_sentence(path):
    """What an automatic wrap leaves: a full line, a line of one or two words, and the rest."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            continue
        lines = (ast.get_docstring(node) or "").splitlines()
        for before, line, after in zip(lines, lines[1:], lines[2:], strict=False):
            prose = [text.split() for text in (before, line, after)]
            stray = 0 < len(prose[1]) < 3 and len(before) > 60 and prose[2]
            assert not (stray and line.strip()[-1] not in ".:;"), f"{path.name}: {line.strip()}"
