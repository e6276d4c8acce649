import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from sntorch.simulation.streams import Streams, philox, pick

# Known answers of the authors' own test suite (Random123, kat_vectors, philox4x32-10).
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    (
        (0xFFFFFFFF,) * 4,
        (0xFFFFFFFF,) * 2,
        (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
    ),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)
def test_philox_gives_the_published_answers(counter, key, answer):
    a, b, c, d = (np.array([word], dtype=np.uint64) for word in counter)
    words = philox((a, b, c, d), key)
    assert tuple(int(w[0]) for w in words) == answer


def test_uniform_numbers_are_uniform_and_independent():
    u = Streams.range(4, 0, 400).uniform("a", 50)
    assert u.min() > 0
    assert u.max() < 1
    assert stats.kstest(u.ravel().numpy(), "uniform").pvalue > 0.01
    neighbours = np.corrcoef(u[:, :-1].ravel(), u[:, 1:].ravel())[0, 1]
    objects = np.corrcoef(u[:-1].ravel(), u[1:].ravel())[0, 1]
    assert abs(neighbours) < 0.03
    assert abs(objects) < 0.03


def test_normal_numbers_are_normal():
    x = Streams.range(4, 0, 400).normal("a", 50).ravel().numpy()
    assert stats.kstest(x, "norm").pvalue > 0.01


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(-(2**40), 2**64),
    start=st.integers(0, 2**40),
    size=st.integers(1, 20),
    width=st.integers(1, 7),
)
def test_numbers_belong_to_objects(seed, start, size, width):
    whole = Streams.range(seed, start, start + size).uniform("x", width, 3)
    one = Streams.range(seed, start + size - 1, start + size).uniform("x", width + 2, 3)
    assert torch.equal(whole[-1:], one[:, :width])


def test_seed_object_purpose_and_scope_all_matter():
    streams = Streams.range(1, 0, 50)
    base = streams.uniform("x", 4)
    others = [
        Streams.range(2, 0, 50).uniform("x", 4),
        Streams.range(1, 50, 100).uniform("x", 4),
        streams.uniform("y", 4),
        streams.within("part").uniform("x", 4),
        Streams.range(1 + 2**32, 0, 50).uniform("x", 4),
    ]
    assert not any(bool((base == other).any()) for other in others)


def test_counters_address_places_and_may_be_negative():
    streams = Streams.range(1, 0, 3)
    places = torch.tensor([[0, 2], [1, 1], [2, 0]])
    assert torch.equal(streams.uniform_at("x", places), streams.uniform("x", 3).gather(1, places))
    below = streams.uniform_at("x", torch.full((3, 1), -1))
    assert not torch.equal(below, streams.uniform("x", 1))


def test_pick_follows_the_weights():
    counts = torch.bincount(pick(Streams.range(0, 0, 20000).uniform("c"), [1, 0, 3]), minlength=3)
    assert counts[1] == 0
    assert counts[2] / counts[0] == pytest.approx(3, rel=0.05)
