"""Build the packaged curves and parameters from pinned wheels; ``--check`` compares instead of
writing.

Sources, neither of them a dependency: ``bayesn`` 0.4.0 (MIT: Hsiao template, BayeSN parameters,
bandpasses, standard spectra) and ``speclite`` 1.0.0 (BSD-3: Bessell, SDSS and LSST 2023 curves).
Running it again gives the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import yaml

DATA = Path(__file__).resolve().parents[1] / "sntorch" / "physics" / "data"
WHEELS = {
    "bayesn==0.4.0": "30dc373e4cd556b736e7d8eb4b1f181142fd5a41caa60dd7befc50a99cc35313",
    "speclite==1.0.0": "4bc8cb7f718b347e0ce566cb5ed341684c8efebe4a77f2a49aabe8ee085465d7",
}
MODELS = {"t21": "T21_model", "m20": "M20_model", "w22": "W22_model"}
FILTERS = "bayesn/bayesn-filters"
# Å; fine enough for the lines of a standard star.
FINE_STEP = 2.0
EPOCH = (1980, 1, 1, 0, 0, 0)

# sncosmo's names where it has the band, names in its manner where it has not.
EXACT_NAMES = {
    "V_CSP": "cspv9844",
    "V_CSP_3009": "cspv3009",
    "V_CSP_3014": "cspv3014",
    "Y_RC": "cspys",
    "J_RC1": "cspjs1",
    "J_RC2": "cspjs",
    "H_RC": "csphs",
    "Y_WIRC": "cspyd",
    "J_WIRC": "cspjd",
    "H_WIRC": "csphd",
    "K_WIRC": "cspkd",
    "K_P": "cspk",
    "Y_RCDP": "csp2y",
    "J_RCDP": "csp2j",
    "H_RCDP": "csp2h",
    "J": "2massj",
    "H": "2massh",
    "K": "2massks",
    "UVM2": "uvot::uvm2",
    "UVW1": "uvot::uvw1",
    "UVW2": "uvot::uvw2",
}
FAMILIES = {
    "PS1": "ps1::{}",
    "DES": "des{}",
    "LSST": "lsst{}",
    "CSP": "csp{}",
    "CSP2": "csp2{}",
    "SWIFT": "uvot::{}",
    "AND": "andicam::{}",
    "P": "persson::{}",
    "prime": "usno::{}",
}
SPECLITE_BANDS = {
    **{f"bessell-{b}": (f"bessell{b.lower() if b != 'U' else 'ux'}", "vega") for b in "UBVRI"},
    **{f"sdss2010-{b}": (f"sdss{b}", "ab") for b in "ugriz"},
    **{f"lsst2023-{b}": (f"lsst2023::{b}", "ab") for b in "ugrizy"},
}


def main() -> None:
    """Write (or compare) every packaged file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="compare with the packaged files only"
    )
    parser.add_argument("--wheels", type=Path, help="folder that holds the wheels already")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.wheels or Path(scratch)
        bayesn, speclite = (zipfile.ZipFile(fetch(name, folder)) for name in WHEELS)
        files = dict(build(bayesn, speclite))
    if options.check:
        changed = [name for name, content in files.items() if not same(DATA / name, content)]
        sys.exit(f"differ: {', '.join(changed)}" if changed else 0)
    for name, content in files.items():
        (DATA / name).parent.mkdir(parents=True, exist_ok=True)
        (DATA / name).write_bytes(content)
        print(f"{name}: {len(content) / 1000:.0f} kB")


def fetch(requirement: str, folder: Path) -> Path:
    """Download one wheel with the pip client and check its sha256."""
    name, version = requirement.split("==")
    pattern = f"{name}-{version}-*.whl"
    if not list(folder.glob(pattern)):
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "-q",
            "--no-deps",
            "-d",
            str(folder),
            requirement,
        ]
        subprocess.run(command, check=True)
    wheel = next(folder.glob(pattern))
    found = hashlib.sha256(wheel.read_bytes()).hexdigest()
    if found != WHEELS[requirement]:
        sys.exit(f"{wheel.name}: sha256 {found}, expected {WHEELS[requirement]}")
    return wheel


def build(bayesn: zipfile.ZipFile, speclite: zipfile.ZipFile) -> Iterator[tuple[str, bytes]]:
    """Names and contents of all packaged files."""
    yield "hsiao.npz", hsiao(bayesn.read("bayesn/data/hsiao.h5"))
    for name, folder in MODELS.items():
        yield f"models/{name}.yaml", bayesn.read(f"bayesn/model_files/{folder}/BAYESN.YAML")
    yield "standards.npz", standards(bayesn)
    yield from bandpasses(bayesn, speclite)
    yield "LICENSES/bayesn.txt", bayesn.read("bayesn-0.4.0.dist-info/LICENSE")
    yield "LICENSES/speclite.rst", speclite.read("speclite-1.0.0.dist-info/licenses/LICENSE.rst")


def hsiao(content: bytes) -> bytes:
    """The template of Hsiao et al. (2007, ApJ 663, 1187) in single precision."""
    import h5py

    with h5py.File(io.BytesIO(content)) as file:
        group: Any = file["default"]
        arrays = {name: np.asarray(group[name]) for name in ("phase", "wave", "flux")}
    return npz({**arrays, "flux": arrays["flux"].astype(np.float32)})


def standards(bayesn: zipfile.ZipFile) -> bytes:
    """Spectra of Vega and BD+17 4708 (CALSPEC), wavelength in Å and f_λ."""
    from astropy.io import fits

    content = bayesn.read(f"{FILTERS}/standards/alpha_lyr_stis_010.fits")
    table: Any = fits.getdata(io.BytesIO(content), 1)
    vega = np.array([table["WAVELENGTH"], table["FLUX"]], dtype=np.float64)
    bd17 = text_columns(bayesn.read(f"{FILTERS}/standards/bd_17d4708_stisnic_007.dat"))
    return npz({"vega": vega, "bd17": bd17})


def bandpasses(bayesn: zipfile.ZipFile, speclite: zipfile.ZipFile) -> Iterator[tuple[str, bytes]]:
    """All curves in one file, and a table of what each is."""
    curves: dict[str, np.ndarray] = {}
    table: dict[str, dict[str, object]] = {}
    for alias, entry in yaml.safe_load(bayesn.read(f"{FILTERS}/filters.yaml"))["filters"].items():
        name = canonical(alias)
        curves[name] = text_columns(bayesn.read(f"{FILTERS}/{entry['path']}"))
        table[name] = {
            "aliases": [alias],
            "magsys": entry["magsys"],
            "magzero": float(entry["magzero"]),
            "source": f"bayesn 0.4.0, {entry['path']}",
        }
    for alias, (name, magsys) in SPECLITE_BANDS.items():
        text = speclite.read(f"speclite/data/filters/{alias}.ecsv").decode()
        curves[name] = photon_response(ecsv_columns(text), name)
        table[name] = {
            "aliases": [alias],
            "magsys": magsys,
            "magzero": 0.0,
            "source": f"speclite 1.0.0, {alias}",
        }
    names = sorted(curves)
    lengths = np.array([curves[n].shape[1] for n in names])
    wave, transmission = np.concatenate([curves[n] for n in names], axis=1)
    yield (
        "bandpasses.npz",
        npz(
            {
                "name": np.array(names),
                "length": lengths,
                "wave": wave,
                "transmission": transmission.astype(np.float32),
            }
        ),
    )
    yield "bandpasses.yaml", yaml.safe_dump({n: table[n] for n in names}, sort_keys=False).encode()


def canonical(alias: str) -> str:
    """Our name of one of the reference's bands."""
    if alias in EXACT_NAMES:
        return EXACT_NAMES[alias]
    letter, _, family = alias.partition("_")
    if family:
        return FAMILIES[family].format(letter.lower())
    if alias.startswith("p48"):
        return f"ztf{alias[-1]}"
    return alias.lower() if re.fullmatch(r"F\d+\w", alias) else f"stritzinger::{alias.lower()}"


def text_columns(content: bytes) -> np.ndarray:
    """The first two columns of a text table, shape (2, N), wavelengths increasing."""
    columns = np.loadtxt(io.BytesIO(content), usecols=(0, 1)).T
    return columns if columns[0, 0] < columns[0, -1] else columns[:, ::-1]


def ecsv_columns(text: str) -> np.ndarray:
    """Wavelength in Å and response of one of speclite's tables, shape (2, N)."""
    rows = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    wave, response = np.array(rows[1:], dtype=np.float64).T
    in_angstrom = {"Angstrom": 1, "nm": 10}
    unit = re.search(r"name: wavelength, unit: (\w+)", text)
    if unit is None or unit[1] not in in_angstrom:
        sys.exit(f"unit of wavelength: accepted are {', '.join(in_angstrom)}")
    return np.array([wave * in_angstrom[unit[1]], response])


def photon_response(curve: np.ndarray, name: str) -> np.ndarray:
    """The curve for photon counts, peak 1.

    Bessell (1990, PASP 102, 1181), table 2, multiplies energies, so a photon's share is it over λ
    (Bessell & Murphy 2012, PASP 124, 140). Its steps of 50-100 Å are made finer, with straight
    lines between: an integral over Vega's spectrum would step across the Balmer lines (0.07 mag).
    """
    if not name.startswith("bessell"):
        return curve
    wave = np.arange(curve[0, 0], curve[0, -1] + FINE_STEP / 2, FINE_STEP)
    photons = np.interp(wave, curve[0], curve[1] / curve[0])
    return np.array([wave, photons / photons.max()])


def npz(arrays: dict[str, np.ndarray]) -> bytes:
    """A compressed archive of arrays whose bytes depend on nothing but the arrays."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, np.ascontiguousarray(array), allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}.npy", EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, member.getvalue())
    return buffer.getvalue()


def same(path: Path, content: bytes) -> bool:
    """Whether a packaged file holds these bytes, or an archive these members.

    How well an archive is compressed depends on the zlib that wrote it.
    """
    if not path.is_file():
        return False
    packaged = path.read_bytes()
    return packaged == content or (path.suffix == ".npz" and members(packaged) == members(content))


def members(archive: bytes) -> dict[str, bytes]:
    """Names and contents of an archive's files."""
    with zipfile.ZipFile(io.BytesIO(archive)) as file:
        return {name: file.read(name) for name in file.namelist()}


if __name__ == "__main__":
    main()
