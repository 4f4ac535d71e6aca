"""The jar cache against a Maven repository on this machine: jgo's own download, no outside network."""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ansvar.embedded import jars
from ansvar.embedded.errors import JarRefused, JarsUnavailable
from ansvar.embedded.jars import Jar, cache_directory, class_path, required_jars, resolve_afresh

SOME = 5


class Repository:
    """A small Maven repository over HTTP, and what was asked of it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.asked: Counter[str] = Counter()
        asked = self.asked

        class Handler(SimpleHTTPRequestHandler):
            def __init__(self, *arguments: Any) -> None:
                super().__init__(*arguments, directory=str(root))

            def log_message(self, *_: Any) -> None:
                asked[self.path.rpartition("/")[2]] += 1

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def path(self, jar: Jar) -> Path:
        group, artifact, version = jar.coordinate.split(":")
        return self.root / group.replace(".", "/") / artifact / version / jar.filename


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    """Five invented jars, listed as required; jgo's settings name a repository that has them."""
    served = Repository(tmp_path / "repository")
    listed = []
    for number in range(SOME):
        content = bytes([number]) * 50_000
        jar = Jar(f"org.example:part-{number}:1.0", hashlib.sha256(content).hexdigest())
        served.path(jar).parent.mkdir(parents=True)
        served.path(jar).write_bytes(content)
        listed.append(f"{jar.sha256}  {jar.coordinate}\n")
    (tmp_path / "list.sha256").write_text("".join(listed))
    (tmp_path / "jgo.conf").write_text(f"[repositories]\ncentral = {served.url}\n")
    monkeypatch.setattr(jars, "_LIST", tmp_path / "list.sha256")
    monkeypatch.setenv("JGO_CONFIG_FILE", str(tmp_path / "jgo.conf"))
    monkeypatch.setenv("ANSVAR_CACHE", str(tmp_path / "cache"))
    thread = threading.Thread(target=served.server.serve_forever, args=(0.01,))
    thread.start()
    yield served
    served.server.shutdown()
    served.server.server_close()
    thread.join()


def _ignore(_: str) -> None:
    """Progress."""


def test_the_first_start_fetches_and_later_ones_do_not(repository: Repository) -> None:
    said: list[str] = []
    found = class_path(cache_directory(), said.append)
    assert [path.name for path in found] == [jar.filename for jar in required_jars()]
    assert all(jar.is_at(path) for jar, path in zip(required_jars(), found, strict=True))
    assert str(SOME) in said[0]
    repository.asked.clear()
    assert class_path(cache_directory(), said.append) == found
    assert not repository.asked
    # What is left of the download is the jars, the lock and nothing else.
    assert len(list(cache_directory().iterdir())) == SOME + 1


def test_starts_at_the_same_time_fetch_once(repository: Repository) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: class_path(cache_directory(), _ignore), range(4)))
    assert all(paths == found[0] for paths in found)
    assert {repository.asked[jar.filename] for jar in required_jars()} == {1}


def test_a_torn_an_altered_and_a_missing_jar_are_fetched_again_and_no_other(repository: Repository) -> None:
    found = class_path(cache_directory(), _ignore)
    good = [path.read_bytes() for path in found]
    repository.asked.clear()
    found[0].write_bytes(good[0][:1000])
    found[1].write_bytes(b"\xff" + good[1][1:])
    found[2].unlink()
    (cache_directory() / "unlisted.jar").write_bytes(b"planted")
    assert class_path(cache_directory(), _ignore) == found
    assert [path.read_bytes() for path in found] == good
    assert {name for name in repository.asked if name.endswith(".jar")} == {path.name for path in found[:3]}


def test_a_jar_that_is_not_the_listed_one_is_refused(repository: Repository) -> None:
    wrong = required_jars()[3]
    repository.path(wrong).write_bytes(b"something else")
    with pytest.raises(JarRefused, match=r"org\.example:part-3:1\.0"):
        class_path(cache_directory(), _ignore)
    assert not (cache_directory() / wrong.filename).exists()


def test_a_jar_that_cannot_be_had_is_named_with_what_to_do(repository: Repository) -> None:
    shutil.rmtree(repository.path(required_jars()[4]).parent)
    with pytest.raises(JarsUnavailable, match=r"org\.example:part-4:1\.0.*copy the cache directory"):
        class_path(cache_directory(), _ignore)


@pytest.mark.nightly
def test_the_list_is_what_maven_resolves() -> None:
    assert sorted(resolve_afresh(), key=str) == sorted(required_jars(), key=str)
