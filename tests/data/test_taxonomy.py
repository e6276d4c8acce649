"""The tree of classes, its aliases and codes, and how a user extends it."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from sntorch.data.taxonomy import Taxonomy, default_taxonomy, is_a
from sntorch.errors import ConfigError, DataError

TAX = default_taxonomy()


@pytest.mark.parametrize(
    ("value", "scheme", "node"),
    [
        (1, "snana", "Ia"),
        ("101", "snana", "Ia"),
        (120.0, "snana", "IIP"),
        (121, "snana", "IIn"),
        (122, "snana", "IIL"),
        (123, "snana", "IIb"),
        (132, "snana", "Ib"),
        (133, "snana", "Ic"),
        (90, "plasticc", "Ia"),
        (6, "plasticc", "microlensing"),
        (4, "talk", "Ic"),
        ("II P", "", "IIP"),
        ("SN Ia", "", "Ia"),
        ("sn_iin", "", "IIn"),
        ("Ia Pec", "", "Ia-pec"),
        ("Ib/c", "", "Ibc"),
        ("IIn/Ibn", "", "CC"),
        ("Ia Pec?", "", "Ia"),
        ("Ia?", "", "SN"),
        ("Lensed SN Ia", "", "Ia"),
        (".Ia", "", ".Ia"),
        ("", "", ""),
        (-9, "snana", ""),
        (float("nan"), "plasticc", ""),
    ],
)
def test_resolve(value: object, scheme: str, node: str) -> None:
    assert TAX.resolve(value, scheme) == node


def test_unknown_codes_list_what_is_accepted() -> None:
    with pytest.raises(DataError, match=r"unknown type '77'; accepted are codes of snana: 1, 101"):
        TAX.resolve(77, "snana")
    with pytest.raises(DataError, match=r"unknown type 'Zb'; accepted are nodes: transient, SN"):
        TAX.resolve("Zb")


def test_every_plasticc_class_has_a_node(shared: Path) -> None:
    table = pd.read_csv(shared / "data" / "plasticc" / "plasticc_train_metadata.csv.gz")
    assert all(TAX.resolve(int(code), "plasticc") for code in table["target"].unique())


def test_every_catalog_type_has_a_node(shared: Path) -> None:
    table = pd.read_csv(shared / "data" / "osc_2010_2014" / "objects.csv")
    nodes = {kind: TAX.resolve(kind) for kind in table["type"].unique()}
    assert all(nodes.values())
    assert nodes["Super-Luminous Ic"] == "SLSN-I"
    assert all(TAX.is_a(node, "SN") for node in nodes.values())


def test_relations() -> None:
    assert TAX.ancestors("Ic-BL") == ("Ic", "Ibc", "CC", "SN", "transient")
    assert set(TAX.children("Ibc")) == {"Ib", "Ic", "Ibn", "Icn"}
    assert set(TAX.descendants("Ibc")) == {"Ib", "Ic", "Ic-BL", "Ibn", "Icn"}
    assert is_a("IIP", "CC")
    assert is_a("Ia", "Ia")
    assert not is_a("Ia", "CC")
    assert not is_a("", "SN")
    assert TAX.common("IIP", "Ic-BL") == "CC"
    assert TAX.common("Ia", "RRL") == ""
    assert TAX.code("Ia", "snana") == "1"
    assert TAX.code("Ic-BL", "snana") == ""
    with pytest.raises(ConfigError, match="no node 'XX'; the nodes are"):
        TAX.is_a("XX", "SN")


def test_every_node_resolves_to_itself_and_every_code_to_a_node() -> None:
    for node in TAX:
        assert TAX.resolve(node) == node
        assert (node, *TAX.ancestors(node))[-1] in ("transient", "variable", "microlensing")
    for scheme, table in TAX.codes.items():
        assert all(TAX.resolve(code, scheme) in TAX for code in table)


def test_extend(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "tree: {transient: {SN: {Ia: {Ia-dusty: }}}, alien: {}}\n"
        "aliases: {Ia-dusty: [dusty one]}\ncodes: {mine: {7: Ia-dusty}, snana: {907: alien}}\n"
    )
    tax = TAX.extended(path)
    assert tax.is_a("Ia-dusty", "SN")
    assert tax.resolve("Dusty One") == tax.resolve(7, "mine") == "Ia-dusty"
    assert tax.resolve(907, "snana") == "alien"
    assert tax.resolve(1, "snana") == "Ia"
    assert "alien" not in TAX


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("tree: {CC: {Ia: }}", "'Ia' stands under 'SN' already, not under 'CC'"),
        ("trees: {}", "accepted are the sections tree, aliases, codes"),
        ("- 1", "found list"),
        ("tree: [", "not YAML"),
        ("codes: {snana: {5: Nothing}}", "'Nothing', which is not a node"),
    ],
)
def test_bad_extensions(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "t.yaml").write_text(text)
    with pytest.raises(ConfigError, match=words):
        TAX.extended(tmp_path / "t.yaml")


def test_missing_extension(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        Taxonomy.from_yaml(tmp_path / "none.yaml")
