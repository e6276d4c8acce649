"""Survey filter letters to bandpass names, from the packaged ``filters.yaml``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from sntorch.errors import ConfigError, DataError

TABLE = Path(__file__).with_name("filters.yaml")


@cache
def table() -> dict[str, Any]:
    """The packaged table: ``surveys`` and ``open_supernova_catalog``."""
    return yaml.safe_load(TABLE.read_text(encoding="utf-8"))


def surveys() -> dict[str, dict[str, str]]:
    """Filter letters and bandpasses of every survey, by the survey's name."""
    return {name: dict(entry["bands"]) for name, entry in table()["surveys"].items()}


def mapped_bands() -> set[str]:
    """Every bandpass that the table names."""
    osc = table()["open_supernova_catalog"]
    groups = [*surveys().values(), osc["others"], *(rule["bands"] for rule in osc["rules"])]
    return {name for group in groups for name in group.values()}


@cache
def survey_name(text: str) -> str:
    """The table's name of a survey as a header writes it, empty where it is not in the table.

    ``PS1_LOWZ_COMBINED(CFA3S)`` is looked up as a whole, then as ``CFA3S``, then without
    the brackets.
    """
    inside = re.search(r"\(([^)]*)\)", text)
    candidates = [text, inside.group(1) if inside else "", re.sub(r"\([^)]*\)", "", text)]
    return next((found for c in candidates if (found := _aliases().get(c.strip().upper()))), "")


@cache
def band(letter: str, survey: str = "") -> str:
    """Bandpass that a survey's filter letter means.

    Args:
        letter: The file's own name of the filter: a letter, ``SURVEY-letter`` or the name
            of a bandpass.
        survey: The survey as the header writes it.

    Raises:
        DataError: Neither a letter of the survey nor the name of a bandpass; lists what is
            accepted.
    """
    letters = table()["surveys"].get(survey_name(survey), {}).get("bands", {})
    if letter in letters:
        return letters[letter]
    if (name := _bandpass(letter)[0]) is not None:
        return name
    owner, _, last = re.split("[/ ]", letter)[0].rpartition("-")
    if owner and owner.upper() in _aliases():
        return band(last, owner)
    raise DataError(unknown(letter, survey))


@cache
def _bandpass(name: str) -> tuple[str | None, str]:
    """Canonical name of a bandpass given by its name or an alias, or None and why not."""
    if name in mapped_bands():
        return name, ""
    from sntorch.physics.bandpasses import canonical_name

    try:
        return canonical_name(name), ""
    except ConfigError as error:
        return None, str(error)


def known(name: str) -> str:
    """Canonical name of a bandpass given by its name or an alias.

    Raises:
        DataError: No such bandpass.
    """
    found, why = _bandpass(name)
    if found is None:
        raise DataError(f"unknown band {name!r}: {why}")
    return found


def canonical(names: Iterable[str]) -> dict[str, str]:
    """Canonical name of each bandpass; a name that is not known stays as it is."""
    return {name: _bandpass(name)[0] or name for name in set(names)}


def by_wavelength(names: Iterable[str]) -> tuple[str, ...]:
    """Bands from blue to red; those whose bandpass is not known after them, by name."""
    from sntorch.physics.bandpasses import get_bandpass

    def rank(name: str) -> tuple[bool, float, str]:
        try:
            return False, get_bandpass(name).pivot_wavelength, name
        except ConfigError:
            return True, 0.0, name

    return tuple(sorted(names, key=rank))


def unknown(letter: str, survey: str = "") -> str:
    """What to say of a filter that is not known."""
    name = survey_name(survey)
    if not name:
        found = f"survey {survey!r} is not in the table" if survey else "the file names no survey"
        return (
            f"unknown band {letter!r} ({found}); accepted are names of bandpasses, survey=… "
            f"(one of {', '.join(surveys())}) or bands={{{letter!r}: name}}"
        )
    letters = ", ".join(surveys()[name])
    return (
        f"unknown band {letter!r} for survey {name}; accepted are {letters}, "
        f"or bands={{{letter!r}: name}}"
    )


@cache
def letter(bandpass: str, survey: str) -> str:
    """The one letter by which a survey's files name a bandpass, empty where there is none."""
    letters = table()["surveys"].get(survey_name(survey), {}).get("bands", {})
    fitting = [key for key, name in letters.items() if name == bandpass and len(key) == 1]
    return fitting[0] if fitting else ""


@cache
def catalog_band(band: str, instrument: str = "", system: str = "") -> tuple[str, str]:
    """Nearest bandpass to a filter of the Open Supernova Catalog, and its magnitudes' system.

    Args:
        band: The catalog's band.
        instrument: Its instrument, or empty.
        system: Its system, or empty.

    Returns:
        Name of a bandpass, empty where none comes near; ``ab``, ``vega`` or ``native``.
    """
    osc = table()["open_supernova_catalog"]
    name = band.replace("_", "").rstrip("'")
    stated = {"ab": "ab", "vega": "vega"}.get(system.lower(), "")
    for rule in osc["rules"]:
        if instrument in rule.get("instrument", ()) or system in rule.get("system", ()):
            if name in rule["bands"]:
                return rule["bands"][name], stated or rule.get("magsys", "native")
            if not rule.get("others", True):
                return "", "native"
    return osc["others"].get(name, ""), stated or "native"


@cache
def _aliases() -> Mapping[str, str]:
    entries = table()["surveys"].items()
    return {str(a).upper(): name for name, e in entries for a in (name, *e["aliases"])}
