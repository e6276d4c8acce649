"""Survey letters to bandpasses: every name exists, the letters of the real surveys are right."""

from __future__ import annotations

import pytest

from sntorch.data import filters
from sntorch.errors import DataError
from sntorch.physics.bandpasses import bandpass_names, get_bandpass


def test_every_mapped_name_is_a_bandpass() -> None:
    assert filters.mapped_bands() <= set(bandpass_names())


def test_every_survey_has_a_source() -> None:
    assert all(entry["source"] for entry in filters.table()["surveys"].values())


@pytest.mark.parametrize(
    ("survey", "letter", "name"),
    [
        ("FOUNDATION", "g", "ps1::g"),
        ("Foundation", "z", "ps1::z"),
        ("DES", "z", "desz"),
        ("LSST", "Y", "lssty"),
        ("ZTF", "r", "ztfr"),
        ("SDSS", "u", "sdssu"),
        ("PLASTICC", "5", "lssty"),
        ("CSP", "n", "cspv9844"),
        ("CSP", "m", "cspv3014"),
        ("CSP", "o", "cspv3009"),
        ("CSP", "y", "cspyd"),
        ("CSP", "j", "cspjs"),
        ("CSP", "H", "csphs"),
        ("PS1_LOWZ_COMBINED(CFA3S)", "a", "bessellux"),
        ("PS1_LOWZ_COMBINED(CFA3S)", "e", "besselli"),
        ("PS1_LOWZ_COMBINED(CFA3K)", "f", "bessellux"),
        ("PS1_LOWZ_COMBINED(CFA3K)", "j", "sdssi"),
        ("", "DES-g", "desg"),
        ("DES", "LSST-u", "lsstu"),
        ("anything", "ps1::g", "ps1::g"),
        ("", "g_PS1", "ps1::g"),
    ],
)
def test_letters(survey: str, letter: str, name: str) -> None:
    assert filters.band(letter, survey) == name


def test_wavelengths_follow_the_readme() -> None:
    """The natural bands of CfA3 and CSP lie in the order that the data's own comments give."""
    for survey, letters in {"CFA3S": "abcde", "CFA3K": "fghij", "CSP": "ugnriYJH"}.items():
        pivots = [get_bandpass(filters.band(c, survey)).pivot_wavelength for c in letters]
        assert pivots == sorted(pivots)


def test_unknown_letters_list_what_is_accepted() -> None:
    with pytest.raises(DataError, match=r"unknown band 'q' for survey DES; accepted are u, g, r"):
        filters.band("q", "DES")
    with pytest.raises(
        DataError, match=r"survey 'ACME' is not in the table.*survey=… \(one of PS1"
    ):
        filters.band("q", "ACME")


def test_letters_go_back() -> None:
    for survey, letters in filters.surveys().items():
        for name in letters.values():
            letter = filters.letter(name, survey)
            assert not letter or filters.band(letter, survey) == name
    assert filters.letter("ps1::g", "DES") == ""


@pytest.mark.parametrize(
    ("band", "instrument", "system", "expected"),
    [
        ("UVM2", "UVOT", "Vega", ("uvot::uvm2", "vega")),
        ("M2", "Swift", "AB", ("uvot::uvm2", "ab")),
        ("i", "GPC", "", ("ps1::i", "native")),
        ("y", "PS1", "AB", ("ps1::y", "ab")),
        ("R", "PTF48", "", ("bessellr", "ab")),
        ("V", "QUEST", "Swope", ("cspv9844", "native")),
        ("CLEAR", "kait4", "", ("bessellr", "native")),
        ("r'", "KEP2", "", ("sdssr", "native")),
        ("R_c", "FTS", "Vega", ("bessellr", "vega")),
        ("Ks", "PAIRITEL", "", ("2massks", "native")),
        ("W1", "WISE", "Vega", ("", "native")),
        ("g+r", "LSQ", "", ("", "native")),
    ],
)
def test_catalog_bands(band: str, instrument: str, system: str, expected: tuple[str, str]) -> None:
    assert filters.catalog_band(band, instrument, system) == expected
