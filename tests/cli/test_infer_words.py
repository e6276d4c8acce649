"""What a report of ``sntorch infer`` says, word by word."""

from sntorch.cli.infer_words import (
    NETWORK,
    check_texts,
    kept_caption,
    methods_told,
    setting,
    value_texts,
)
from sntorch.physics.cosmology import Cosmology
from sntorch.sbi import BoxPrior, ProbitLimit
from sntorch.sbi.tripp_methods import EFFICIENCY, FLOW, IGNORED, KNOWN

PRIOR = BoxPrior(("m0",), (-20.0,), (-19.0,))


def test_what_was_assumed():
    cosmology = Cosmology(h0=67.5, om0=0.31)
    said = setting("40 supernovae", ProbitLimit(17.5, 0.4), cosmology, PRIOR, 500, 7)
    assert said[0] == (
        "40 supernovae. Selection: kept with probability Φ((17.5 - m) / 0.4), of the measured "
        "peak magnitude m, stretch x1 and colour c."
    )
    assert "h0 = 67.5 km/s/Mpc and om0 = 0.31" in said[1]
    assert said[2] == ("Prior, uniform: m0 -20 to -19. 500 draws of each posterior, seed 7.")
    said = setting("40 supernovae", None, cosmology, PRIOR, 500, 7)
    assert said[0] == "40 supernovae. Selection: all kept."


def test_every_method_has_words_of_its_own():
    names = (IGNORED, KNOWN, EFFICIENCY, FLOW, "npe.ckpt")
    told = methods_told(names)
    words = [line.removeprefix(f"{name}: ") for name, line in zip(names, told, strict=True)]
    assert all(len(word) < len(line) for word, line in zip(words, told, strict=True))
    assert len(set(words)) == len(names)
    # What is no likelihood is a network.
    assert [word == f"{NETWORK}." for word in words] == [False] * 4 + [True]


def test_the_caption_names_the_method():
    assert "“B efficiency”" in kept_caption("B efficiency")


def test_values_have_two_digits_of_their_error():
    row = {"name": "m0", "mean": -19.30456, "sd": 0.00234}
    assert value_texts(row) == ["m0", "-19.3046", "0.0023"]
    assert value_texts(row | {"sd": 1.5}) == ["m0", "-19.305", "1.500"]
    assert value_texts(row | {"sd": 0.0}) == ["m0", "-19.305", "0.000"]


def test_p_values_are_no_smaller_than_the_simulations_tell():
    row = {"statistic": "mean m", "observed": 17.25, "p": 0.5, "simulated": 999}
    assert check_texts(row) == ["mean m", "17.250", "0.500", "999"]
    assert check_texts(row | {"p": 2 / 1000})[2] == "< 0.002"
    # Rounded up: a bound.
    assert check_texts(row | {"p": 2 / 301, "simulated": 300})[2] == "< 0.007"
