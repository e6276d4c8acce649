"""Bandpasses by name: the packaged ones under sncosmo's names, and a user's own."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from sntorch.errors import ConfigError
from sntorch.physics.standards import DATA, register_standard, zero_point

Array = NDArray[np.float64]
IN_ANGSTROM = {"AA": 1.0, "nm": 10.0, "micron": 1e4}
EDGE = 0.01


@dataclass(frozen=True, eq=False)
class Bandpass:
    """Transmission of a filter for photon counts.

    Attributes:
        name: Canonical name.
        wave: Wavelength, Å, shape (N,), increasing.
        transmission: Fraction of photons counted, any scale, shape (N,); 0 outside the grid.
        magsys: Magnitude system: ``ab``, ``vega``, ``bd17``.
        magzero: Magnitude of that system's standard in this band.
        source: Where the curve comes from.
    """

    name: str
    wave: Array = field(repr=False)
    transmission: Array = field(repr=False)
    magsys: str = "ab"
    magzero: float = 0.0
    source: str = ""

    def __post_init__(self) -> None:
        for name in ("wave", "transmission"):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=np.float64))

    @cached_property
    def zeropoint(self) -> float:
        """2.5 log10 of the standard's mean f_λ in the band, mag."""
        return zero_point(self.magsys, self.wave, self.transmission)

    @cached_property
    def pivot_wavelength(self) -> float:
        """Pivot wavelength, Å: sqrt(∫ λ T dλ / ∫ T/λ dλ)."""
        top = np.trapezoid(self.wave * self.transmission, self.wave)
        return float(np.sqrt(top / np.trapezoid(self.transmission / self.wave, self.wave)))

    @cached_property
    def support(self) -> tuple[float, float]:
        """Wavelengths, Å, between which any photons pass."""
        used = np.flatnonzero(self.transmission)
        last = len(self.wave) - 1
        return float(self.wave[max(used[0] - 1, 0)]), float(self.wave[min(used[-1] + 1, last)])

    @cached_property
    def edges(self) -> tuple[float, float]:
        """First and last wavelength, Å, with more than 1 % of the largest transmission."""
        inside = self.wave[self.transmission > EDGE * self.transmission.max()]
        return float(inside[0]), float(inside[-1])


def get_bandpass(name: str) -> Bandpass:
    """The bandpass of a canonical name or an alias.

    Raises:
        ConfigError: Unknown name; the message lists those most alike.
    """
    return _registry().bands[canonical_name(name)]


def canonical_name(name: str) -> str:
    """The canonical name of a bandpass: ``g_PS1`` is ``ps1::g``.

    Raises:
        ConfigError: Unknown name; the message lists those most alike.
    """
    registry = _registry()
    if name in registry.bands:
        return name
    if name in registry.aliases:
        return registry.aliases[name]
    known = [*registry.bands, *registry.aliases]
    alike = difflib.get_close_matches(name, known, n=5, cutoff=0.5)
    hint = f"did you mean {', '.join(alike)}?" if alike else "see sntorch.physics.bandpass_names()"
    raise ConfigError(f"unknown bandpass {name!r}; {hint}")


def bandpass_names() -> tuple[str, ...]:
    """All canonical names, sorted."""
    return tuple(sorted(_registry().bands))


def register_bandpass(bandpass: Bandpass, aliases: tuple[str, ...] = ()) -> None:
    """Add a bandpass, or replace the one of that name.

    Raises:
        ConfigError: Wavelengths that do not increase, a negative or zero transmission curve, a
            magnitude system that is not known, or an alias that is the name of another bandpass.
    """
    _check(bandpass)
    registry = _registry()
    taken = [alias for alias in aliases if alias in registry.bands]
    if taken:
        raise ConfigError(f"bandpass {bandpass.name}: {taken[0]} is the name of another bandpass")
    registry.bands[bandpass.name] = bandpass
    registry.aliases.update(dict.fromkeys(aliases, bandpass.name))


def load_bandpasses(path: str | Path) -> tuple[str, ...]:
    """Add the bandpasses of a YAML file in the BayeSN package's format.

    Keys: ``standards_root`` and ``standards: {name: {path}}``, ``filters_root`` and ``filters:
    {name: {magsys, magzero, path, lam_unit}}`` with ``lam_unit`` one of AA, nm, micron. Roots are
    relative to the file and, as the paths, may hold environment variables. Nothing is added if one
    of them is wrong.

    Returns:
        The names added.

    Raises:
        ConfigError: A missing file or key, a unit or magnitude system that is not known, or a
            curve that ``register_bandpass`` does not accept.
    """
    path = Path(path)
    content = _yaml(path)
    root = _root(path, content, "standards_root")
    for system, entry in _section(path, content, "standards").items():
        register_standard(system, *_columns(root / _key(path, system, entry, "path")))
    root = _root(path, content, "filters_root")
    entries = _section(path, content, "filters")
    bands = [_from_entry(path, root, str(name), entry) for name, entry in entries.items()]
    for bandpass in bands:
        _check(bandpass)
    for bandpass in bands:
        register_bandpass(bandpass)
    return tuple(b.name for b in bands)


def _check(bandpass: Bandpass) -> None:
    wave, transmission, name = bandpass.wave, bandpass.transmission, bandpass.name
    if wave.ndim != 1 or len(wave) < 2 or not (np.diff(wave) > 0).all() or not wave[0] > 0:
        raise ConfigError(f"bandpass {name}: two or more increasing wavelengths > 0 are accepted")
    if wave.shape != transmission.shape:
        raise ConfigError(f"bandpass {name}: one transmission for each wavelength is accepted")
    if not (np.isfinite(transmission) & (transmission >= 0)).all() or not transmission.any():
        raise ConfigError(f"bandpass {name}: transmissions >= 0, not all zero, are accepted")
    try:
        _ = bandpass.zeropoint
    except ConfigError as error:
        raise ConfigError(f"bandpass {name}: {error}") from error


def _from_entry(path: Path, root: Path, name: str, entry: Any) -> Bandpass:
    wave, transmission = _columns(root / _key(path, name, entry, "path"))
    magsys, magzero = _key(path, name, entry, "magsys"), entry.get("magzero", 0)
    unit = entry.get("lam_unit", "AA")
    if unit not in IN_ANGSTROM:
        units = ", ".join(IN_ANGSTROM)
        raise ConfigError(f"{path}: {name}: lam_unit {unit!r}; accepted are {units}")
    if not isinstance(magzero, int | float):
        raise ConfigError(f"{path}: {name}: magzero {magzero!r}; a number is accepted")
    source = f"{path}: {entry['path']}"
    wave = wave * IN_ANGSTROM[unit]
    return Bandpass(name, wave, transmission, magsys, float(magzero), source)


@dataclass
class _Registry:
    bands: dict[str, Bandpass]
    aliases: dict[str, str]


@cache
def _registry() -> _Registry:
    table = yaml.safe_load((DATA / "bandpasses.yaml").read_text())
    with np.load(DATA / "bandpasses.npz", allow_pickle=False) as file:
        names, length = file["name"].tolist(), file["length"]
        wave, transmission = file["wave"], file["transmission"].astype(np.float64)
    ends = np.cumsum(length)[:-1]
    bands: dict[str, Bandpass] = {}
    aliases: dict[str, str] = {}
    for name, w, t in zip(names, np.split(wave, ends), np.split(transmission, ends), strict=True):
        entry = table[name]
        bands[name] = Bandpass(name, w, t, entry["magsys"], entry["magzero"], entry["source"])
        aliases.update(dict.fromkeys(entry["aliases"], name))
    return _Registry(bands, aliases)


def _yaml(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ConfigError(f"{path}: no such file")
    try:
        content = yaml.safe_load(path.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not YAML ({type(error).__name__})") from error
    if not isinstance(content, dict) or "filters" not in content:
        raise ConfigError(f"{path}: a mapping with the key filters is accepted")
    return content


def _section(path: Path, content: dict[str, Any], key: str) -> dict[str, Any]:
    section = content.get(key) or {}
    if not isinstance(section, dict):
        raise ConfigError(f"{path}: {key}: a mapping of names to settings is accepted")
    return section


def _root(path: Path, content: dict[str, Any], key: str) -> Path:
    return path.parent / os.path.expandvars(str(content.get(key) or ""))


def _key(path: Path, name: str, entry: Any, key: str) -> str:
    if not isinstance(entry, dict) or key not in entry:
        raise ConfigError(f"{path}: {name}: the key {key} is missing")
    return os.path.expandvars(str(entry[key]))


def _columns(path: Path) -> Array:
    """Wavelength and value of a text table, shape (2, N), wavelengths increasing."""
    if not path.is_file():
        raise ConfigError(f"{path}: no such file")
    try:
        rows = [line.split("#")[0].split()[:2] for line in path.read_text().splitlines()]
        columns = np.array([row for row in rows if row], dtype=np.float64).T
    except ValueError as error:
        raise ConfigError(f"{path}: two columns of numbers are accepted ({error})") from error
    if columns.ndim != 2 or len(columns) != 2:
        raise ConfigError(f"{path}: two columns of numbers are accepted")
    return columns if columns[0, 0] < columns[0, -1] else columns[:, ::-1]
