"""SNANA's SEARCHEFF files: how likely a survey's pipeline detects, and follow-up confirms.

Reference: the SNANA manual, "Search efficiency" (Kessler et al. 2009, PASP 121, 1028), and the
reader of SNANA itself (``sntools_trigger.c``). A detection file has maps, each of some filters
(``FILTER: griz`` or ``BAND:``), of the efficiency against signal-to-noise ratio (``SNR:``, or
``ABS(SNR):``); a file of spectroscopic efficiency has ``VARNAMES: PEAKMAG_r SPECEFF`` and rows
``SPECEFF: 20.0 1.0``. Text up to ``DOCUMENTATION_END:`` and behind ``#`` is skipped.

Not read: maps of fields (``FIELD:``), of detection against magnitude, PHOTPROB maps, and
spectroscopic efficiencies of more than one variable; such files are refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from sntorch.errors import DataError
from sntorch.simulation.selection.efficiencies import EfficiencyTable
from sntorch.simulation.selection.trigger import ABSOLUTE

# What a row is of, and what of it: its size, or the number itself.
DETECTION = {"SNR:": "snr", "ABS(SNR):": ABSOLUTE}
REFUSED = ("FIELD:", "MAG:", "MAPNAME_PHOTPROB:")
END_OF_TEXT = "DOCUMENTATION_END:"
PEAK = "PEAKMAG_"


def read_detection_efficiency(
    path: str | Path, bands: Mapping[str, str] | None = None
) -> dict[str, EfficiencyTable]:
    """Efficiency of a detection against signal-to-noise ratio, by band.

    Args:
        path: A SEARCHEFF_PIPELINE file.
        bands: Bandpass of each of the file's filters, {"g": "desg"}; by default the filters'
            own letters are the keys.

    Raises:
        DataError: No such file, no map, two of one filter, a row that is not two numbers, an
            efficiency outside [0, 1], a filter without a bandpass, or a map of a kind that is
            not read.
    """
    filters, rows, kinds = "", {}, {}
    for number, key, words in _lines(path):
        if key in REFUSED:
            raise DataError(f"{path}, line {number}: {key} is not read; maps of SNR by filter are")
        if key in ("FILTER:", "BAND:"):
            filters = words[0] if words else ""
            for letter in filters:
                if letter in rows:
                    raise DataError(f"{path}, line {number}: a second map of {letter}")
                rows[letter] = []
        if key in DETECTION:
            if not filters:
                raise DataError(f"{path}, line {number}: a row before any FILTER:")
            pair = _pair(path, number, words)
            for letter in filters:
                rows[letter].append(pair)
                kinds[letter] = DETECTION[key]
    if not rows:
        raise DataError(f"{path}: no map; lines FILTER: and SNR: are accepted")
    missing = [letter for letter in rows if bands is not None and letter not in bands]
    if missing:
        raise DataError(f"{path}: no bandpass for its filter {missing[0]}; give bands={{…}}")
    names = {letter: letter if bands is None else bands[letter] for letter in rows}
    return {names[k]: _table(path, kinds.get(k, "snr"), pairs) for k, pairs in rows.items()}


def read_spectroscopic_efficiency(path: str | Path) -> tuple[str, EfficiencyTable]:
    """Efficiency of spectroscopic confirmation against peak magnitude in one band.

    Args:
        path: A SEARCHEFF_SPEC file.

    Returns:
        The band's letter, and the efficiency of the true parameter ``peak_magnitude``.

    Raises:
        DataError: No such file, no table, several variables, or rows that are not two numbers.
    """
    band, pairs = "", []
    for number, key, words in _lines(path):
        if key == "VARNAMES:":
            if len(words) != 2 or not words[0].startswith(PEAK) or words[1] != "SPECEFF":
                raise DataError(
                    f"{path}, line {number}: VARNAMES: {' '.join(words)}; one magnitude, "
                    "PEAKMAG_r SPECEFF, is accepted"
                )
            band = words[0].removeprefix(PEAK)
        if key == "SPECEFF:":
            pairs.append(_pair(path, number, words))
    if not band or not pairs:
        raise DataError(f"{path}: no table; lines VARNAMES: and SPECEFF: are accepted")
    return band, _table(path, "peak_magnitude", pairs)


def _lines(path: str | Path) -> Iterator[tuple[int, str, list[str]]]:
    """Number, first word and other words of every line that says something."""
    path = Path(path)
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    lines = [line.split("#")[0].split() for line in path.read_text(errors="replace").splitlines()]
    ends = [i for i, words in enumerate(lines) if words[:1] == [END_OF_TEXT]]
    for i, words in enumerate(lines):
        if words and (not ends or i > ends[0]):
            yield i + 1, words[0], words[1:]


def _pair(path: str | Path, number: int, words: list[str]) -> tuple[float, float]:
    try:
        value, efficiency = (float(word) for word in words)
    except ValueError:
        raise DataError(
            f"{path}, line {number}: {' '.join(words)!r}; a value and an efficiency are accepted"
        ) from None
    if not 0 <= efficiency <= 1:
        raise DataError(
            f"{path}, line {number}: an efficiency lies in [0, 1]; found {efficiency:g}"
        )
    return value, efficiency


def _table(path: str | Path, of: str, pairs: list[tuple[float, float]]) -> EfficiencyTable:
    values, efficiencies = zip(*pairs, strict=True) if pairs else ((), ())
    if len(values) < 2 or list(values) != sorted(set(values)):
        raise DataError(f"{path}: two rows or more, in increasing order, are accepted")
    return EfficiencyTable(of, values, efficiencies)
