"""Where the weights of listed models can be had: folders of any layout, then a Hub by HTTP ranges."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from atlas_db.core.errors import AtlasError, HubError
from atlas_db.core.terms import Progress
from benchmarks.real.public_sets import ListedModel
from ingest.hub.api_listing import HubClient, endpoint
from ingest.weights.fingerprints.batch import open_location
from ingest.weights.fingerprints.http_range import REPOSITORY, SCHEME
from ingest.weights.fingerprints.model_files import ModelFiles, find_models

SEPARATORS = ("/", "--", "__", "_")
"""What stands between owner and name in the name of a folder."""


@dataclass(slots=True)
class Located:
    """Where models are.

    Attributes:
        files: Files by id.
        absent: Reason by id of each model that is not here.
        same: Id that stands for another one, by that other: both are names of one repository.
    """

    files: dict[str, ModelFiles] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    same: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Size:
    """Size of one model's weights.

    Attributes:
        weights: Bytes of its files.
        headers: Bytes that were read to find out.
        problem: Why it cannot be read, or empty.
    """

    weights: int = 0
    headers: int = 0
    problem: str = ""


def locate(models: Mapping[str, ListedModel], folders: Sequence[Path], *, hub: bool, progress: Progress) -> Located:
    """Find the weights of models.

    Args:
        models: The models, by id.
        folders: Folders of models, or caches of the Hub. They are looked at before the Hub.
        hub: Whether models that lie in no folder are looked up on the Hub.
        progress: Called with stage, models done and total.

    Raises:
        InputError: A folder holds no weights, or is none.
        HubError: The Hub does not answer at all.
    """
    found = Located()
    _in_folders(found, models, find_models(folders) if folders else [])
    wanted = [model for model in models.values() if model.id not in found.files]
    if hub:
        HubClient(lambda _: None).get(f"{endpoint()}/api/models?limit=1")
    for done, model in enumerate(wanted):
        progress("Looking up", done, len(wanted))
        if hub and not model.is_local:
            _on_hub(found, model)
        else:
            reason = "is not on the Hub, and lies in no folder" if model.is_local else "lies in no folder"
            found.absent.setdefault(model.id, reason)
    _join_renamed(found)
    return found


def _in_folders(found: Located, models: Mapping[str, ListedModel], items: Iterable[ModelFiles]) -> None:
    """Match folders with ids, exact ids first; a name without its owner counts where it fits one id alone."""
    by_name: dict[str, set[str]] = defaultdict(set)
    for id in models:
        owner, _, name = id.lower().rpartition("/")
        for each in [owner + separator + name for separator in SEPARATORS] if owner else []:
            by_name[each].add(id)
        by_name[name].add(id)
    matches: list[tuple[bool, ModelFiles, set[str]]] = [
        (item.id not in models, item, by_name.get(re.sub(r"/+", "/", item.id.lower()), set())) for item in items
    ]
    for _, item, ids in sorted(matches, key=lambda match: match[0]):
        fitting = {item.id} if item.id in models else ids - found.files.keys()
        if len(fitting) == 1 and not item.problem:
            (id,) = fitting
            found.files.setdefault(id, msgspec.structs.replace(item, id=id))
            continue
        for id in fitting:
            several = f"the folder {item.id} fits {len(fitting)} ids: name it owner/name"
            found.absent[id] = item.problem if len(fitting) == 1 else several
    for id in found.files:
        found.absent.pop(id, None)


def _on_hub(found: Located, model: ListedModel) -> None:
    if not REPOSITORY.fullmatch(model.id):
        found.absent[model.id] = "is no id of the Hub"
        return
    try:
        (item,) = find_models([Path(model.id)])
    except HubError as error:
        found.absent[model.id] = error.message
        return
    if model.revision:
        item = msgspec.structs.replace(item, folder=f"{SCHEME}{model.id}@{model.revision}", revision=model.revision)
    found.files[model.id] = item
    found.absent.pop(model.id, None)


def _join_renamed(found: Located) -> None:
    """Keep one of the ids that lead to one commit: the Hub answers the old name of a renamed repository, too."""
    first: dict[str, str] = {}
    for id in sorted(found.files):
        item = found.files[id]
        if not item.folder.startswith(SCHEME):
            continue
        kept = first.setdefault(item.revision, id)
        if kept != id:
            found.same[id] = kept
            del found.files[id]


def measure_size(item: ModelFiles) -> Size:
    """Return the size of a model's weights; its headers alone are read."""
    try:
        with open_location(item.folder) as model:
            return Size(model.size, model.read_bytes)
    except (AtlasError, OSError) as error:
        return Size(problem=str(error))
