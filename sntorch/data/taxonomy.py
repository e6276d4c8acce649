"""One tree of transient classes, to which every survey's own codes and strings map.

The packaged tree is ``taxonomy.yaml``; a file of the same form extends it::

    tax = default_taxonomy().extended("mine.yaml")
    tax.resolve("II P", "osc")      # "IIP"
    tax.is_a("IIP", "CC")           # True
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from sntorch.errors import ConfigError, DataError

TABLE = Path(__file__).with_name("taxonomy.yaml")
SECTIONS = ("tree", "aliases", "codes")


class Taxonomy:
    """A tree of classes with aliases and codes.

    Args:
        parents: Parent of each node, empty for the tops.
        aliases: Node of each other spelling.
        codes: Per scheme (``snana``, ``plasticc``, …), node of each code, written as a string.

    Raises:
        ConfigError: An alias or a code names a node that is not in the tree.
    """

    def __init__(
        self,
        parents: Mapping[str, str],
        aliases: Mapping[str, str] | None = None,
        codes: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self.parents = dict(parents)
        self.aliases = dict(aliases or {})
        self.codes = {scheme: dict(table) for scheme, table in (codes or {}).items()}
        targets = [
            *self.aliases.items(),
            *(item for table in self.codes.values() for item in table.items()),
        ]
        for spelling, node in targets:
            if node not in self.parents:
                raise ConfigError(
                    f"taxonomy: {spelling!r} maps to {node!r}, which is not a node of the tree"
                )
        self._spellings = {_key(a): node for a, node in self.aliases.items()}
        self._spellings.update({_key(node): node for node in self.parents})
        self._resolved: dict[tuple[str, str], str] = {}

    @classmethod
    def from_yaml(cls, path: str | Path) -> Taxonomy:
        """A taxonomy of its own from a file with ``tree``, ``aliases`` and ``codes``."""
        return cls({}).extended(path)

    def extended(self, path: str | Path) -> Taxonomy:
        """This taxonomy with the nodes, aliases and codes of a file added.

        A node of the file's tree that exists already keeps its place; its new children are added
        under it.

        Raises:
            ConfigError: No such file, not YAML, another section than ``tree``, ``aliases``,
                ``codes``, or a node that stands elsewhere already.
        """
        content = _load(Path(path))
        parents = dict(self.parents)
        for node, parent in _edges(content.get("tree") or {}):
            if parents.get(node, parent) != parent and parent:
                raise ConfigError(
                    f"{path}: {node!r} stands under {parents[node]!r} already, "
                    f"not under {parent!r}"
                )
            parents.setdefault(node, parent)
        aliases = dict(self.aliases)
        for node, spellings in (content.get("aliases") or {}).items():
            aliases.update({str(s): str(node) for s in spellings})
        codes = {scheme: dict(table) for scheme, table in self.codes.items()}
        for scheme, table in (content.get("codes") or {}).items():
            codes.setdefault(str(scheme), {}).update({str(k): str(v) for k, v in table.items()})
        return Taxonomy(parents, aliases, codes)

    def __contains__(self, node: object) -> bool:
        return node in self.parents

    def __iter__(self) -> Iterator[str]:
        return iter(self.parents)

    def __repr__(self) -> str:
        return (
            f"Taxonomy({len(self.parents)} nodes, codes of {', '.join(self.codes) or 'no scheme'})"
        )

    def ancestors(self, node: str) -> tuple[str, ...]:
        """Nodes above ``node``, the nearest first."""
        above, parent = [], self.parents[self._node(node)]
        while parent:
            above.append(parent)
            parent = self.parents[parent]
        return tuple(above)

    def children(self, node: str) -> tuple[str, ...]:
        """Nodes directly below ``node``."""
        node = self._node(node)
        return tuple(child for child, parent in self.parents.items() if parent == node)

    def descendants(self, node: str) -> tuple[str, ...]:
        """All nodes below ``node``."""
        found: list[str] = []
        for child in self.children(node):
            found += [child, *self.descendants(child)]
        return tuple(found)

    def is_a(self, node: str, other: str) -> bool:
        """Whether ``node`` is ``other`` or below it; False where ``node`` is empty."""
        if not node:
            return False
        other = self._node(other)
        return self._node(node) == other or other in self.ancestors(node)

    def common(self, *nodes: str) -> str:
        """The lowest node that is all of ``nodes`` or above them, empty where there is none."""
        first, *others = [(self._node(n), *self.ancestors(n)) for n in nodes]
        return next((n for n in first if all(n in chain for chain in others)), "")

    def resolve(self, value: Any, scheme: str = "") -> str:
        """The node that a code or a name means.

        Args:
            value: A code of the scheme, a node, an alias, or claims such as ``Ib/c``, ``IIn/Ibn``
                (their lowest common node) and ``Ia Pec?`` (in doubt: the node above). Empty, NaN
                and -9 give an empty string.
            scheme: Whose code it is: ``snana``, ``plasticc``, ``talk``, or one that a file added;
                strings of the Open Supernova Catalog and of the TNS are nodes and aliases.

        Raises:
            DataError: Neither; lists what is accepted.
        """
        text = _text(value)
        if text in ("", "-9", "nan", "None", "NULL", "UNKNOWN"):
            return ""
        if (text, scheme) not in self._resolved:
            self._resolved[text, scheme] = self._find(text, scheme)
        return self._resolved[text, scheme]

    def code(self, node: str, scheme: str) -> str:
        """The first code of ``scheme`` for exactly this node, empty where it has none."""
        return next((code for code, n in self.codes.get(scheme, {}).items() if n == node), "")

    def _find(self, text: str, scheme: str) -> str:
        codes = self.codes.get(scheme, {})
        if text in codes:
            return codes[text]
        if _key(text) in self._spellings:
            return self._spellings[_key(text)]
        if text.endswith("?"):
            certain = self._find(text[:-1].strip(), scheme)
            return self.parents[certain] or certain
        parts = [p.strip() for p in text.split("/")]
        if len(parts) > 1 and all(_key(p) in self._spellings for p in parts):
            return self.common(*parts)
        accepted = f"codes of {scheme}: {', '.join(codes)}; " if codes else ""
        raise DataError(
            f"unknown type {text!r}; accepted are {accepted}nodes: {', '.join(self.parents)}"
        )

    def _node(self, name: str) -> str:
        try:
            return self._spellings[_key(name)]
        except KeyError:
            raise ConfigError(
                f"taxonomy: no node {name!r}; the nodes are {', '.join(self.parents)}"
            ) from None


@cache
def default_taxonomy() -> Taxonomy:
    """The packaged tree."""
    return Taxonomy.from_yaml(TABLE)


def is_a(node: str, other: str) -> bool:
    """Whether ``node`` is ``other`` or below it in the packaged tree."""
    return default_taxonomy().is_a(node, other)


def _text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip()


def _key(name: str) -> str:
    return re.sub(r"[\s_\-]", "", name).lower()


def _load(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})"
        ) from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML ({str(error).splitlines()[0]})") from error
    if not isinstance(content, dict) or set(content) - set(SECTIONS):
        found = sorted(map(str, content)) if isinstance(content, dict) else type(content).__name__
        raise ConfigError(
            f"{path}: found {found}; accepted are the sections {', '.join(SECTIONS)}"
        )
    return content


def _edges(tree: Mapping[str, Any], parent: str = "") -> Iterator[tuple[str, str]]:
    for node, below in tree.items():
        yield str(node), parent
        yield from _edges(below or {}, str(node))
