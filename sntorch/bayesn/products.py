"""What a fit leaves on disk: tables of all supernovae, and their draws.

Small samples get one ``posterior.nc``; large ones, which no memory holds, a file a chunk in
``posterior/``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sntorch.atomic import atomic_write
from sntorch.bayesn import fitres, netcdf, summaries
from sntorch.bayesn.posterior import Posterior
from sntorch.bayesn.preparation import Prepared
from sntorch.bayesn.survey import join

if TYPE_CHECKING:
    from pandas import DataFrame

JOINED = 5000
SUMMARY = "summary.csv"


def write_products(
    parts: Iterable[tuple[list[int], Posterior]],
    prepared: Prepared,
    folder: Path,
    prefix: str,
    joined: int = JOINED,
) -> tuple[DataFrame, Posterior]:
    """Write ``summary.csv``, the FITRES table and the draws; nothing is half-written.

    Args:
        parts: Of ``survey.fit_survey``.
        prepared: The supernovae.
        folder: Where to.
        prefix: Name of the FITRES table.
        joined: Samples of up to so many supernovae get one file of draws.

    Returns:
        The summary, and a posterior to make figures of: all supernovae, or the first chunk's.
    """
    netcdf.require()
    tables = _Tables([lc.meta for lc in prepared.light_curves])
    if len(prepared.light_curves) <= joined:
        posterior = join(tables.read(parts), prepared)
        netcdf.save(netcdf.groups(posterior), folder / netcdf.FILE)
        shown = posterior
    else:
        shown = None
        for places, posterior in tables.read(parts):
            shown = shown or posterior
            # Named by the place of its first supernova: the same whatever order chunks finish in.
            name = f"posterior_{places[0]:06d}.nc"
            netcdf.save(netcdf.groups(posterior), folder / "posterior" / name)
    assert shown is not None
    return tables.write(folder, prefix, prepared.failures), shown


class _Tables:
    """The rows of the tables, collected a chunk at a time."""

    def __init__(self, meta: Sequence[Mapping[str, Any]]) -> None:
        self.meta = meta
        self.places: list[int] = []
        self.summaries: list[DataFrame] = []
        self.fitres: list[DataFrame] = []

    def read(
        self, parts: Iterable[tuple[list[int], Posterior]]
    ) -> Iterator[tuple[list[int], Posterior]]:
        """The same parts, their rows taken down."""
        for places, posterior in parts:
            summary = posterior.summary()
            meta = [self.meta[i] for i in places]
            self.places += places
            self.summaries.append(summary)
            self.fitres.append(fitres.fitres_table(summary, posterior.batch, meta))
            yield places, posterior

    def write(self, folder: Path, prefix: str, failures: Sequence[tuple[str, str]]) -> DataFrame:
        from pandas import DataFrame

        left_out = DataFrame(failures, columns=["object_id", "reason"], dtype=str)
        summary = summaries.with_failures(self._in_order(self.summaries), left_out)
        with atomic_write(folder / SUMMARY) as draft:
            summary.to_csv(draft, index=False)
        table = self._in_order(self.fitres)
        fitres.write(table, folder / f"{prefix}.FITRES.TEXT", left_out)
        return summary

    def _in_order(self, tables: list[DataFrame]) -> DataFrame:
        from pandas import concat

        table = concat(tables, ignore_index=True)
        table.index = self.places  # pyright: ignore[reportAttributeAccessIssue]
        return table.sort_index().reset_index(drop=True)
