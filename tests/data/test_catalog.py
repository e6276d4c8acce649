"""Named data sets: checksums, mirrors, failures that leave nothing, archives that may not escape."""

from __future__ import annotations

import functools
import gzip
import hashlib
import http.server
import io
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sntorch.data import catalog, downloads
from sntorch.data.catalog import DataSet, datasets, fetch, load
from sntorch.errors import ConfigError, DataError

CONTENT = {"a.csv": b"name,mjd\n", "sub/b.csv.gz": gzip.compress(b"hello\n", mtime=0)}
HASHES = {
    "a.csv": hashlib.sha256(b"name,mjd\n").hexdigest(),
    "sub/b.csv.gz": hashlib.sha256(b"hello\n").hexdigest(),
}


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Keep the tests' output clean."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    root = tmp_path / "www"
    for name, content in CONTENT.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    handler = functools.partial(Quiet, directory=str(root))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{httpd.server_port}/", root
        httpd.shutdown()


def files_below(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def test_entries_are_complete() -> None:
    assert {"foundation_dr1", "plasticc", "snpcc", "pantheon_plus", "des_mini"} <= set(datasets())
    for dataset in datasets().values():
        assert dataset.text
        assert dataset.cite
        assert dataset.licence
        assert dataset.wanted
        assert all(len(digest) == 64 for digest in dataset.files.values())
        assert dataset.address.startswith("https://") or not dataset.address
        assert dataset.address.endswith("/") or not dataset.address
    with pytest.raises(ConfigError, match="no data set 'sdss'; the names are foundation_dr1"):
        catalog.get("sdss")


@pytest.mark.parametrize("name", [n for n, d in datasets().items() if d.files])
def test_checksums_are_those_of_the_real_files(shared: Path, tmp_path: Path, name: str) -> None:
    folder = fetch(name, source=shared / "data" / name, folder=tmp_path / name)
    assert files_below(folder) == set(datasets()[name].files)
    assert not list(tmp_path.glob(".*"))


def test_load(shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(catalog.CACHE_VARIABLE, str(tmp_path))
    copy = shared / "data" / "foundation_dr1"
    assert len(load("foundation_dr1", source=copy)) == 180
    fetch("foundation_dr1", copy)
    assert len(load("foundation_dr1")) == 180  # from the cache, without any download
    # What is asked for by path is not taken from the cache.
    with pytest.raises(DataError, match="no such file or folder"):
        load("foundation_dr1", source=tmp_path / "nowhere")


def test_download(server: tuple[str, Path], tmp_path: Path) -> None:
    dataset = DataSet("mine", address=server[0], files=HASHES)
    folder = fetch(dataset, folder=tmp_path / "mine")
    assert files_below(folder) == set(CONTENT)
    (server[1] / "a.csv").unlink()
    assert fetch(dataset, folder=folder) == folder


def test_failed_download_leaves_nothing(server: tuple[str, Path], tmp_path: Path) -> None:
    (server[1] / "sub" / "b.csv.gz").unlink()
    dataset = DataSet("mine", address=server[0], files=HASHES)
    with pytest.raises(
        DataError, match=r"mine: could not be fetched .*b.csv.gz: status 404.*--from"
    ):
        fetch(dataset, folder=tmp_path / "mine")
    assert not (tmp_path / "mine").exists()
    assert [p.name for p in tmp_path.iterdir()] == ["www"]


@pytest.mark.parametrize("damage", [b"another version", CONTENT["sub/b.csv.gz"][:-9], b""])
def test_damaged_download_leaves_nothing(
    server: tuple[str, Path], tmp_path: Path, damage: bytes
) -> None:
    (server[1] / "sub" / "b.csv.gz").write_bytes(damage)
    dataset = DataSet("mine", address=server[0], files=HASHES)
    with pytest.raises(DataError, match=r"sub/b.csv.gz: does not match its checksum"):
        fetch(dataset, folder=tmp_path / "mine")
    assert not (tmp_path / "mine").exists()


def test_no_connection(tmp_path: Path) -> None:
    dataset = DataSet("mine", address="http://127.0.0.1:9/", files=HASHES)
    with pytest.raises(DataError, match=r"could not be fetched \(http.*a.csv: ConnectionError\)"):
        fetch(dataset, folder=tmp_path / "mine")
    assert not list(tmp_path.iterdir())


def test_mirror_is_tried_when_the_address_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = tmp_path / "pkg-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("pkg/data/a.csv", CONTENT["a.csv"])
        archive.writestr("pkg/data/sub/b.csv", b"hello\n")

    def pip(command: list[str], **_: object) -> object:
        assert command[-1] == "pkg==1"
        target = Path(command[command.index("-d") + 1]) / wheel.name
        target.write_bytes(wheel.read_bytes())
        return type("Result", (), {"returncode": 0, "stderr": ""})

    monkeypatch.setattr(downloads.subprocess, "run", pip)
    mirrors = ({"pypi": "pkg==1", "folder": "pkg/data"},)
    dataset = DataSet("mine", address="http://127.0.0.1:9/", mirrors=mirrors, files=HASHES)
    assert files_below(fetch(dataset, folder=tmp_path / "mine")) == set(CONTENT)
    lacking = DataSet("mine", mirrors=mirrors, files={"c.csv": "0" * 64})
    with pytest.raises(DataError, match=r"pypi pkg==1: has no pkg/data/c.csv"):
        fetch(lacking, folder=tmp_path / "other")


def test_a_failing_pip_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = type("Result", (), {"returncode": 1, "stderr": "x\nERROR: No matching distribution"})
    monkeypatch.setattr(downloads.subprocess, "run", lambda *_, **__: result)
    mirrors = ({"pypi": "pkg==1", "folder": "pkg"},)
    with pytest.raises(DataError, match=r"pypi pkg==1: ERROR: No matching distribution"):
        fetch(DataSet("mine", mirrors=mirrors, files=HASHES), folder=tmp_path / "mine")


@pytest.mark.slow
def test_real_wheel(tmp_path: Path) -> None:
    """The SNPCC subset out of the published wheel (80 MB)."""
    folder = fetch("snpcc_subset", folder=tmp_path / "snpcc")
    from sntorch.data.io import read

    assert len(read(folder, strict=True)) == 2000


def tar(members: dict[str, bytes], link: str = "") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        if link:
            info = tarfile.TarInfo("set/link")
            info.type, info.linkname = tarfile.SYMTYPE, link
            archive.addfile(info)
    return stream.getvalue()


def packed(content: bytes) -> DataSet:
    digest = hashlib.sha256(content).hexdigest()
    return DataSet("mine", archive={"file": "set.tar.gz", "sha256": digest, "folder": "set"})


def test_archive_is_unpacked(tmp_path: Path) -> None:
    content = tar({"set/a.DAT": b"SNID: a\n"})
    (tmp_path / "set.tar.gz").write_bytes(content)
    folder = fetch(packed(content), source=tmp_path / "set.tar.gz", folder=tmp_path / "out")
    assert folder == tmp_path / "out" / "set"
    assert files_below(folder) == {"a.DAT"}
    assert fetch(packed(content), folder=tmp_path / "out") == folder


@pytest.mark.parametrize(
    "content",
    [
        tar({"set/a": b"1", "../escaped": b"2"}),
        tar({"set/a": b"1", "/tmp/sntorch_escaped": b"2", "set/../../escaped": b"3"}),
        tar({"set/a": b"1"}, link="/etc/passwd"),
        tar({"other/a": b"1"}),
        tar({"set/a": b"1" * 100_000})[:-40],
    ],
    # Bytes would name the tests, and they hold the time of day: workers would not agree.
    ids=["up", "absolute", "link", "other folder", "cut short"],
)
def test_archive_may_not_escape(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "set.tar.gz").write_bytes(content)
    with pytest.raises(DataError, match=r"set.tar.gz: (cannot be unpacked|holds no folder)"):
        fetch(packed(content), source=tmp_path, folder=tmp_path / "deep" / "out")
    assert {p.name for p in tmp_path.iterdir()} == {"set.tar.gz", "deep"}
    assert not list((tmp_path / "deep").iterdir())


def test_bad_local_copies(tmp_path: Path) -> None:
    dataset = DataSet("mine", files=HASHES)
    with pytest.raises(DataError, match="no such file or folder"):
        fetch(dataset, source=tmp_path / "nothing", folder=tmp_path / "out")
    (tmp_path / "here").mkdir()
    with pytest.raises(DataError, match=r"a.csv of the data set mine is not there"):
        fetch(dataset, source=tmp_path / "here", folder=tmp_path / "out")
    with pytest.raises(DataError, match="it has no public address"):
        fetch(dataset, folder=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_other_files_are_not_replaced(server: tuple[str, Path], tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    dataset = DataSet("mine", address=server[0], files=HASHES)
    with pytest.raises(DataError, match="the folder holds other files"):
        fetch(dataset, folder=tmp_path / "mine")
    (tmp_path / "mine" / "notes.txt").rename(tmp_path / "mine" / "a.csv")
    assert files_below(fetch(dataset, folder=tmp_path / "mine")) == set(CONTENT)
