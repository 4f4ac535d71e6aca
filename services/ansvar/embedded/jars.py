"""The jars of Apache Kafka: fetched once per user by jgo, and always exactly the ones on the checked-in list.

Invariants
- `kafka-4.1.1.sha256` names every jar (Maven coordinate) and its SHA-256; nothing else gets on the class
  path, and every jar is hashed at every start (44 MB, about 0.1 s), so a damaged or altered cache is noticed.
- The cache belongs to the user and is shared by all data directories. A jar appears in it by an atomic
  rename after its hash was checked; downloads hold a file lock, so two first starts fetch once.
- With a full cache the network is not touched.

Left to others: where Maven repositories are. jgo knows, and its own settings file can name a mirror.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansvar.embedded.errors import JarRefused, JarsUnavailable
from ansvar.embedded.filelock import FileLock

KAFKA_VERSION = "4.1.1"

_LIST = Path(__file__).with_name(f"kafka-{KAFKA_VERSION}.sha256")
_KAFKA = f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}"
# Kafka's own module leaves the choice of a log binding to the distribution; without one it logs nothing.
_LOG_BINDING = "org.apache.logging.log4j:log4j-slf4j-impl:2.24.3"
_DOWNLOADS_AT_ONCE = 8
_ATTEMPTS = 3
_TIMEOUT_SECONDS = 30

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Jar:
    """One jar: its Maven coordinate `group:artifact:version` and the SHA-256 of its bytes, in hex."""

    coordinate: str
    sha256: str

    @property
    def filename(self) -> str:
        _, artifact, version = self.coordinate.split(":")
        return f"{artifact}-{version}.jar"

    def is_at(self, path: Path) -> bool:
        """Whether the file at `path` is this jar, byte for byte."""
        try:
            with path.open("rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest() == self.sha256
        except FileNotFoundError:
            return False


def required_jars() -> tuple[Jar, ...]:
    """The checked-in list."""
    lines = _LIST.read_text(encoding="ascii").splitlines()
    return tuple(Jar(coordinate, sha256) for sha256, coordinate in (line.split() for line in lines))


def cache_directory() -> Path:
    """`$ANSVAR_CACHE/kafka-4.1.1`, or the same under the user's XDG cache directory."""
    own = os.environ.get("ANSVAR_CACHE")
    if own:
        base = Path(own).expanduser()
    else:
        xdg = os.environ.get("XDG_CACHE_HOME", "")
        # The XDG specification says to ignore a relative path.
        base = (Path(xdg) if xdg.startswith("/") else Path.home() / ".cache") / "ansvar"
    return base.resolve() / f"kafka-{KAFKA_VERSION}"


def class_path(cache: Path, on_progress: Progress) -> list[Path]:
    """All jars of the broker, present and checked; what is missing or wrong is fetched first.

    Raises `JarsUnavailable` when one cannot be fetched, `JarRefused` when what came is not on the list.
    """
    jars = required_jars()
    if _wrong(cache, jars):
        _make_private(cache)
        with FileLock(cache / "download.lock").held():
            # Looked at again: whoever held the lock may just have fetched them.
            _fetch(cache, _wrong(cache, jars), on_progress)
    return [cache / jar.filename for jar in jars]


def _wrong(cache: Path, jars: Iterable[Jar]) -> list[Jar]:
    return [jar for jar in jars if not jar.is_at(cache / jar.filename)]


def _make_private(cache: Path) -> None:
    try:
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise JarsUnavailable(
            f"the jar cache {cache} cannot be made ({error.strerror}); "
            "point ANSVAR_CACHE at a directory of yours"
        ) from error


def _fetch(cache: Path, jars: list[Jar], on_progress: Progress) -> None:
    if not jars:
        return
    on_progress(f"Downloading Apache Kafka {KAFKA_VERSION}: {len(jars)} jars into {cache} (once per user)")
    with tempfile.TemporaryDirectory(prefix="partial-", dir=cache) as name:
        context = _maven(Path(name))
        with ThreadPoolExecutor(_DOWNLOADS_AT_ONCE) as pool:
            waiting = [pool.submit(_fetch_one, context, cache, jar) for jar in jars]
            try:
                for done, future in enumerate(as_completed(waiting), start=1):
                    future.result()
                    if done % 10 == 0 or done == len(jars):
                        on_progress(f"Downloaded {done} of {len(jars)} jars")
            finally:
                # After the first failure (or Ctrl-C) the rest need not be tried.
                pool.shutdown(wait=True, cancel_futures=True)


def _fetch_one(context: Any, cache: Path, jar: Jar) -> None:
    artifact = _artifact(context, jar.coordinate)
    failure: Exception | None = None
    for _ in range(_ATTEMPTS):
        try:
            fetched: Path = artifact.resolve()
        except Exception as error:  # noqa: BLE001 - jgo raises RuntimeError, requests' and urllib3's errors alike
            failure = error
        else:
            if jar.is_at(fetched):
                fetched.replace(cache / jar.filename)
                return
            failure = None
        with contextlib.suppress(FileNotFoundError):
            artifact.cached_path.unlink()  # else jgo would take the torn file for a finished one
    if failure is None:
        raise JarRefused(
            f"{jar.coordinate} was fetched {_ATTEMPTS} times, but its SHA-256 is not that in {_LIST.name}; "
            "something between here and the Maven repository alters it: check the proxy or mirror"
        )
    raise JarsUnavailable(
        f"{jar.coordinate} could not be fetched ({type(failure).__name__}); check the network and the proxy, "
        f"or copy the cache directory {cache} from a machine that has it"
    ) from failure


def _maven(repository: Path) -> Any:
    # Imported here: it takes 0.3 s, and a start with a full cache does without.
    from jgo.config import GlobalSettings
    from jgo.maven import MavenContext

    context = MavenContext(repo_cache=repository, timeout=_TIMEOUT_SECONDS)
    context.remote_repos.update(GlobalSettings.load().repositories)
    return context


def _artifact(context: Any, coordinate: str) -> Any:
    group, artifact, version = coordinate.split(":")
    return context.project(group, artifact).at_version(version).artifact()


def resolve_afresh() -> Iterator[Jar]:
    """What Maven resolves today for the broker, to compare with the checked-in list. Uses the network."""
    with tempfile.TemporaryDirectory(prefix="ansvar-resolve-") as name:
        context = _maven(Path(name))
        inputs, transitive = context.resolver.resolve([context.create_dependency(_KAFKA)])
        wanted = [dependency.artifact for dependency in inputs]
        wanted += [found.artifact for found in transitive if found.scope in ("compile", "runtime")]
        # The binding is taken alone: resolved together with Kafka, jgo would let the binding's parent
        # overrule Kafka's versions (kafka-clients 3.8.0 beside a 4.1.1 broker, which cannot start).
        wanted.append(_artifact(context, _LOG_BINDING))
        for artifact in sorted(wanted, key=lambda a: (a.groupId, a.artifactId)):
            digest = hashlib.sha256(artifact.resolve().read_bytes()).hexdigest()
            yield Jar(f"{artifact.groupId}:{artifact.artifactId}:{artifact.version}", digest)


if __name__ == "__main__":  # python -m ansvar.embedded.jars > services/ansvar/embedded/kafka-4.1.1.sha256
    for resolved in resolve_afresh():
        sys.stdout.write(f"{resolved.sha256}  {resolved.coordinate}\n")
