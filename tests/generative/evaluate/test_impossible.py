"""Observations that no light curve may have are found."""

from __future__ import annotations

from toys import population

from sntorch.generative.evaluate.impossible import impossible


def test_impossible_observations_are_counted():
    rows = population(4).to_rows()
    assert not any(impossible(rows).values())
    rows.time[0, 1, 0] = rows.time[0, 0, 0] - 1
    rows.flux_err[1, 0, 0] = 0
    rows.flux[2, 0, 1] = float("nan")
    assert all(value > 0 for value in impossible(rows).values())
