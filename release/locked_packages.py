"""The packages that an installation gets, as `uv.lock` has them, with the licences that they state."""

from __future__ import annotations

import tomllib
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from license_expression import ExpressionError, Licensing, get_spdx_licensing
from packaging.markers import Marker
from packaging.tags import Tag, sys_tags
from packaging.utils import parse_wheel_filename

ROOT = Path(__file__).parents[1]
PRODUCT = "model-atlas-db"
ALWAYS = ""
"""Stands for what every installation gets, beside the names of extras."""
_NOT_STATED = "not stated"
_CLASSIFIER = "License :: "


@dataclass(slots=True)
class LockedPackage:
    """One package of the lock.

    Attributes:
        name: Its name, normalised.
        version: Its version.
        sha256: Digest of the archive that an installation on this system takes, by file name.
        needs: Names of packages that it needs here.
        extras: Extras of the product that bring it; `ALWAYS` for every installation.
        license: Licence as its metadata states it, an SPDX expression where that can be read.
    """

    name: str
    version: str
    sha256: dict[str, str] = field(default_factory=dict)
    needs: set[str] = field(default_factory=set)
    extras: set[str] = field(default_factory=set)
    license: str = _NOT_STATED

    @property
    def url(self) -> str:
        """Its package URL (purl specification, type pypi)."""
        return f"pkg:pypi/{self.name}@{self.version}"


def locked_packages(lock: Path = ROOT / "uv.lock") -> dict[str, LockedPackage]:
    """Return the packages that the product and its extras need on this system, by name, the product among them.

    Args:
        lock: The lock file.
    """
    listed = tomllib.loads(lock.read_text(encoding="utf-8"))["package"]
    # Where versions differ by system or Python, the lock has an entry for each.
    entries = {entry["name"]: entry for entry in listed if _holds(entry.get("resolution-markers", ()))}
    product = entries[PRODUCT]
    found: dict[str, LockedPackage] = {}
    for extra in (ALWAYS, *product["optional-dependencies"]):
        queue: deque[tuple[str, tuple[str, ...]]] = deque([(PRODUCT, (extra,) if extra else ())])
        seen = set(queue)
        while queue:
            name, extras = queue.popleft()
            package = found.setdefault(name, _package(entries[name]))
            package.extras.add(extra)
            for needed in _needs(entries[name], extras):
                package.needs.add(needed[0])
                if needed not in seen:
                    seen.add(needed)
                    queue.append(needed)
    return dict(sorted(found.items()))


def _holds(markers: Sequence[str]) -> bool:
    return not markers or any(Marker(each).evaluate() for each in markers)


def _package(entry: Mapping[str, Any]) -> LockedPackage:
    files = [*entry.get("wheels", ()), *([entry["sdist"]] if "sdist" in entry else [])]
    named = {file["url"].rpartition("/")[2]: file["hash"].removeprefix("sha256:") for file in files if "url" in file}
    best = min(named, key=_preference, default="")
    digests = {best: named[best]} if best else {}
    return LockedPackage(entry["name"], entry["version"], digests, license=stated_license(entry["name"]))


def _preference(file: str) -> int:
    """Return the rank of an archive for this system (PEP 425): fitting wheels, the sources, other wheels."""
    if not file.endswith(".whl"):
        return len(_tags())
    places = [_tags()[tag] for tag in parse_wheel_filename(file)[3] if tag in _tags()]
    return min(places, default=len(_tags()) + 1)


@cache
def _tags() -> dict[Tag, int]:
    return {tag: place for place, tag in enumerate(sys_tags())}


def _needs(entry: Mapping[str, Any], extras: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield what a package needs on this system, each with its extras."""
    lists = [entry.get("dependencies", ()), *(entry.get("optional-dependencies", {}).get(each, ()) for each in extras)]
    for needed in (each for one in lists for each in one):
        if _holds([needed["marker"]] if "marker" in needed else ()):
            yield needed["name"], tuple(needed.get("extra", ()))


def stated_license(name: str) -> str:
    """Return the licence that an installed package states: as SPDX where it is such (PEP 639), else in its words."""
    try:
        found = distribution(name)
    except PackageNotFoundError:
        return _NOT_STATED
    stated = found.metadata.json.get("license_expression") or next(_older_fields(found), _NOT_STATED)
    try:
        return str(_spdx().parse(str(stated), validate=True))
    except ExpressionError:
        return str(stated)


@cache
def _spdx() -> Licensing:
    return get_spdx_licensing()


def _older_fields(found: Distribution) -> Iterator[str]:
    """Yield what the fields before PEP 639 state: a name in one line, and the classifiers."""
    text = str(found.metadata.json.get("license") or "").strip()
    if text and "\n" not in text and text.upper() != "UNKNOWN":
        yield text
    for each in found.metadata.get_all("Classifier") or ():
        if each.startswith(_CLASSIFIER):
            yield each.rpartition(" :: ")[2]
