from typing import Any

import numpy as np
import pandas as pd
import pytest

from sntorch.errors import ConfigError
from sntorch.physics import bandpasses, standards
from sntorch.physics.bandpasses import (
    Bandpass,
    bandpass_names,
    canonical_name,
    get_bandpass,
    load_bandpasses,
    register_bandpass,
)

WAVE = np.arange(900.0, 27000.0)
# Largest difference of AB colours, mmag, of three smooth spectra through our curve and sncosmo's.
SAME, ROUNDED = 0.02, 0.5
OTHER_VERSION = {
    "ps1::g": 7,  # the reference's revised g (Brownsberger), not Tonry's
    "desg": 1,
    "desr": 1.5,
    "desi": 2,
    "desz": 4,  # DECam as of 2015, not DES DR1
    "desy": 11,
    "desu": 60,  # with atmosphere and CCD
    "sdssu": 6,
}
FAMILIES = {
    "ps1": "ps1::{}:grizy",
    "des": "des{}:ugrizy",
    "lsst": "lsst{}:ugrizy",
    "ztf": "ztf{}:gri",
    "bessell": "bessell{}:bvri",
    "sdss": "sdss{}:ugriz",
    "csp": "csp{}:ugriBk",
}
SHARED_WITH_SNCOSMO = [
    pattern.format(letter.lower())
    for family in FAMILIES.values()
    for pattern, letters in [family.rsplit(":", 1)]
    for letter in letters
] + [
    "bessellux",
    "cspv3009",
    "cspv3014",
    "cspv9844",
    "cspys",
    "cspyd",
    "cspjs",
    "cspjd",
    "csphs",
    "csphd",
]
PROMISED = [
    *SHARED_WITH_SNCOSMO,
    *["uvot::b", "uvot::u", "uvot::v", "uvot::uvm2", "uvot::uvw1", "uvot::uvw2"],
    *["f105w", "f125w", "f140w", "f160w", "2massj", "2massh", "2massks"],
]


@pytest.fixture
def registry(monkeypatch):
    """The registry as a test finds it is the registry as it leaves it."""
    kept = bandpasses._registry()
    spectra = standards._spectra()
    before = dict(kept.bands), dict(kept.aliases), dict(spectra)
    yield kept
    now: Any
    for now, then in zip((kept.bands, kept.aliases, spectra), before, strict=True):
        now.clear()
        now.update(then)


def colours(wave, transmission):
    """AB magnitudes of three smooth spectra relative to one of constant f_λ."""
    transmission = np.interp(WAVE, wave, transmission, left=0, right=0)
    photons = transmission * standards.standard_flux("ab", WAVE) * WAVE
    ripple = 1 + 0.3 * np.sin(WAVE / 300)
    spectra = [(WAVE / 5500) ** slope * ripple for slope in (-2, 0, 1)]
    return [-2.5 * np.log10((s * transmission * WAVE).sum() / photons.sum()) for s in spectra]


@pytest.mark.parametrize("name", SHARED_WITH_SNCOSMO)
def test_same_curve_as_sncosmo(name, shared):
    import sncosmo

    theirs = sncosmo.get_bandpass(name)
    ours = get_bandpass(name)
    difference = np.subtract(
        colours(ours.wave, ours.transmission), colours(theirs.wave, theirs.trans)
    )
    worst = 1000 * np.abs(difference).max()
    csp = name.startswith("csp")
    assert worst < OTHER_VERSION.get(name, ROUNDED if csp else SAME + 0.02)


def test_zero_points_of_the_reference(shared):
    table = pd.read_csv(shared / "reference/bayesn/zeropoints.csv").query("band != 'NULL_BAND'")
    ours = [get_bandpass(name) for name in table.band]
    assert len(ours) == 86
    assert np.abs([b.zeropoint for b in ours] - table.zp).max() < 1e-6
    assert np.abs([b.magzero for b in ours] - table.magzero).max() == 0
    assert np.array_equal([b.edges for b in ours], table[["lam_lo_1pct", "lam_hi_1pct"]])


def test_zero_point_of_vega_against_sncosmo(shared):
    import sncosmo

    vega: Any
    ab: Any
    band = get_bandpass("bessellv")
    theirs = sncosmo.get_bandpass("bessellv")
    # Its Vega is another version of CALSPEC's.
    vega, ab = (sncosmo.get_magsystem(name).zpbandflux(theirs) for name in ("vega", "ab"))
    offset = standards.zero_point("ab", band.wave, band.transmission) - band.zeropoint
    assert -2.5 * np.log10(vega / ab) == pytest.approx(offset, abs=0.015)


@pytest.mark.parametrize("name", PROMISED)
def test_promised_names_exist(name):
    assert canonical_name(name) == name
    assert name in bandpass_names()


def test_every_curve_is_usable():
    for name in bandpass_names():
        band = get_bandpass(name)
        assert (np.diff(band.wave) > 0).all()
        # Some of the reference's curves go slightly below zero in their wings.
        assert band.transmission.min() > -0.2 * band.transmission.max()
        low, high = band.edges
        assert band.support[0] <= low < band.pivot_wavelength < high <= band.support[1]
        assert 1500 < band.pivot_wavelength < 25000
        assert np.isfinite(band.zeropoint)
        assert band.source


def test_aliases_and_similar_names():
    assert canonical_name("g_PS1") == "ps1::g"
    assert get_bandpass("B_CSP") is get_bandpass("cspb")
    with pytest.raises(ConfigError, match=r"unknown bandpass 'ps1::q'; did you mean .*ps1::g"):
        get_bandpass("ps1::q")
    with pytest.raises(ConfigError, match=r"see sntorch\.physics\.bandpass_names"):
        get_bandpass("????????????")


def test_simpson_is_exact_for_parabolas_on_any_grid():
    rng = np.random.default_rng(0)
    for size in (3, 4, 9, 10):
        x = np.sort(rng.uniform(0, 5, size))
        wanted = (x[-1] ** 3 - x[0] ** 3) - (x[-1] - x[0])
        assert standards.simpson(3 * x**2 - 1, x) == pytest.approx(wanted)
    assert standards.simpson(np.array([1.0, 3.0]), np.array([0.0, 2.0])) == 4


def test_ab_zero_point_of_a_narrow_band():
    band = Bandpass("line", np.array([4999.0, 5000.0, 5001.0]), np.array([0.0, 1.0, 0.0]))
    jansky_3631 = 3631e-23 * 2.99792458e18 / 5000**2
    assert band.zeropoint == pytest.approx(2.5 * np.log10(jansky_3631), abs=1e-4)
    assert band.pivot_wavelength == pytest.approx(5000)


def test_registering_replaces_and_adds_aliases(registry):
    band = Bandpass("mine", np.array([4000.0, 5000, 6000]), np.array([0.0, 1, 0]))
    register_bandpass(band, aliases=("my band",))
    assert get_bandpass("my band") is band
    other = Bandpass("mine", np.array([4000, 5500, 6000]), np.array([0, 1, 0]))
    register_bandpass(other)
    assert get_bandpass("my band") is other


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"wave": [5000, 4000, 6000]}, "two or more increasing wavelengths"),
        ({"wave": [5000], "transmission": [1]}, "two or more increasing wavelengths"),
        ({"wave": [0, 1, 2]}, "wavelengths > 0"),
        ({"transmission": [1, 1]}, "one transmission for each wavelength"),
        ({"transmission": [0, -1, 1]}, "transmissions >= 0"),
        ({"transmission": [0, np.nan, 1]}, "transmissions >= 0"),
        ({"transmission": [0, 0, 0]}, "not all zero"),
        ({"magsys": "st"}, "magnitude system 'st': accepted are ab, "),
    ],
)
def test_unusable_bandpass_is_refused(changes, message, registry):
    columns = {"wave": [4000, 5000, 6000], "transmission": [0, 1, 0], **changes}
    with pytest.raises(ConfigError, match=f"bandpass bad: .*{message}") as caught:
        register_bandpass(Bandpass("bad", **columns))
    assert "\n" not in str(caught.value)
    assert "bad" not in bandpass_names()


def test_an_alias_cannot_hide_a_bandpass(registry):
    with pytest.raises(ConfigError, match="desg is the name of another bandpass"):
        register_bandpass(
            Bandpass("mine", np.array([4000, 5000]), np.array([1, 1])), aliases=("desg",)
        )


def test_a_magnitude_system_has_to_have_flux_in_the_band(registry):
    standards.register_standard("lamp", np.array([3000.0, 4000, 5000]), np.ones(3))
    good = Bandpass("blue", np.array([3500, 4000, 4500]), np.array([0, 1, 0]), magsys="lamp")
    assert good.zeropoint == pytest.approx(0)
    with pytest.raises(ConfigError, match="lamp has no flux between 6000 and 7000 Å"):
        register_bandpass(
            Bandpass("red", np.array([6000, 6500, 7000]), np.array([0, 1, 0]), magsys="lamp")
        )
    for name, wave in (("ab", [1, 2, 3]), ("lamp", [1, 1, 2]), ("lamp", [1, np.nan, 2])):
        with pytest.raises(ConfigError, match=f"magnitude system {name}"):
            standards.register_standard(name, np.array(wave), np.ones(3))


def write_yaml(folder, filters, head=""):
    (folder / "curves").mkdir(exist_ok=True)
    (folder / "curves/box.txt").write_text("# λ T\n0.4 0\n0.5 1 # peak\n\n0.6 0\n")
    (folder / "curves/reversed.txt").write_text("6000 0 9\n5000 1 9\n4000 0 9\n")
    (folder / "lamp.txt").write_text("3000 2\n5000 2\n9000 2\n")
    (folder / "words.txt").write_text("wave trans\n4000 0\n")
    (folder / "one.txt").write_text("4000\n5000\n")
    (folder / "empty.txt").write_text("")
    path = folder / "filters.yaml"
    path.write_text(f"{head}\nfilters_root: $CURVES\nfilters:\n{filters}")
    return path


def test_custom_file_with_units_roots_and_a_standard(tmp_path, monkeypatch, registry):
    monkeypatch.setenv("CURVES", "curves")
    path = write_yaml(
        tmp_path,
        "  mic: {magsys: ab, magzero: 0.5, path: box.txt, lam_unit: micron}\n"
        "  ang: {magsys: lamp, path: reversed.txt}\n",
        "standards: {lamp: {path: lamp.txt}}",
    )
    assert load_bandpasses(path) == ("mic", "ang")
    micron, angstrom = get_bandpass("mic"), get_bandpass("ang")
    np.testing.assert_allclose(micron.wave, angstrom.wave)
    np.testing.assert_allclose(micron.transmission, angstrom.transmission)
    assert micron.magzero == 0.5
    assert angstrom.zeropoint == pytest.approx(2.5 * np.log10(2))
    assert "filters.yaml" in micron.source


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{magsys: ab, path: none.txt}", r"none\.txt: no such file"),
        ("{magsys: ab}", "x: the key path is missing"),
        ("{path: box.txt}", "x: the key magsys is missing"),
        ("{magsys: st, path: box.txt}", "bandpass x: magnitude system 'st'"),
        ("{magsys: ab, path: box.txt, lam_unit: furlong}", "lam_unit 'furlong'; accepted are AA"),
        ("{magsys: ab, path: box.txt, magzero: bright}", "magzero 'bright'; a number"),
        ("{magsys: ab, path: ../words.txt}", r"words\.txt: two columns of numbers"),
        ("{magsys: ab, path: ../one.txt}", r"one\.txt: two columns of numbers"),
        ("{magsys: ab, path: ../empty.txt}", r"empty\.txt: two columns of numbers"),
        ("5", "x: the key path is missing"),
    ],
)
def test_custom_file_errors_are_one_line_and_add_nothing(
    entry, message, tmp_path, monkeypatch, registry
):
    monkeypatch.setenv("CURVES", str(tmp_path / "curves"))
    path = write_yaml(tmp_path, f"  good: {{magsys: ab, path: reversed.txt}}\n  x: {entry}\n")
    before = bandpass_names()
    with pytest.raises(ConfigError, match=message) as caught:
        load_bandpasses(path)
    assert "\n" not in str(caught.value)
    assert bandpass_names() == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no such file"),
        ("filters: {a: [", r"not YAML \(ParserError\)"),
        ("- a", "a mapping with the key filters"),
        ("standards: {}", "a mapping with the key filters"),
        ("filters: [a]", "filters: a mapping of names"),
        ("filters: {}\nstandards: 3", "standards: a mapping of names"),
    ],
)
def test_a_file_that_is_no_table_of_filters(text, message, tmp_path):
    path = tmp_path / "filters.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        load_bandpasses(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
