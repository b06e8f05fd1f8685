"""Parents in folders: models that a merge configuration, a card or an adapter names by a path, with theirs in turn."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from atlas_db.claims.repository_ids import repository_name
from atlas_db.core.errors import InputError
from atlas_db.core.files import expanded, printable, resolved
from atlas_db.licenses.card_model import CardModel, read_card_model
from ingest.hub.local_repository import cached_repository, card_in, weights_repository
from ingest.hub.repository_files import UNREAD_FILE

MAX_FOLDERS = 64
"""Folders that are read for one model, at most."""


def with_local_parents(model: CardModel) -> CardModel:
    """Return a model with the models in folders above it, each named by its path.

    A name is a path where it leads to a folder of a model. It starts at the file that names it, or in the current
    folder. mergekit and transformers prefer a folder to a repository, too. What cannot be read becomes a note.

    Args:
        model: A model read from files.
    """
    return _Search(model).run()


class _Search:
    def __init__(self, model: CardModel) -> None:
        self._root = model
        self._found: dict[Path, CardModel] = {}

    def run(self) -> CardModel:
        root = self._with_paths(self._root, _folder(self._root))
        done: dict[Path, CardModel] = {}
        while left := [place for place in self._found if place not in done]:
            for place in left:
                done[place] = self._with_paths(self._found[place], place)
        return replace(root, local=tuple(done.values()))

    def _with_paths(self, model: CardModel, folder: Path) -> CardModel:
        """Return a model whose parents in folders are named by their paths; these are read where they are new."""
        renamed: dict[str, str] = {}
        notes = []
        for name in dict.fromkeys(claim.name for claim in model.record.parents):
            place = _place_of(name, folder)
            if place is None or place == self._root.place:
                continue
            if place not in self._found:
                problem = self._read(place)
                if problem:
                    notes.append((UNREAD_FILE, f"{printable(name)}: {problem}"))
                    continue
            renamed[repository_name(name)] = self._found[place].id
        return replace(model.with_names(renamed), notes=(*model.notes, *notes))

    def _read(self, place: Path) -> str:
        """Read a folder; return why it cannot be read, else an empty text."""
        if len(self._found) >= MAX_FOLDERS:
            return f"not read, as more than {MAX_FOLDERS} folders are above this model"
        try:
            self._found[place] = replace(read_card_model(place), id=path_as_id(place))
        except InputError as error:
            return error.message
        return ""


def _folder(model: CardModel) -> Path:
    return resolved(expanded(model.card)).parent


def _place_of(name: str, folder: Path) -> Path | None:
    """Return the folder of a model that a name means, None where it means none."""
    if "\0" in name or "://" in name:
        return None
    for start in (folder, Path.cwd()):
        place = start / expanded(name)
        try:
            if place.is_dir() and _holds_a_model(place):
                return resolved(place)
        except OSError:  # a name that is too long for a path
            return None
    return None


def _holds_a_model(place: Path) -> bool:
    """Return whether a folder is a model by its files. One in the Hub's cache is known by its id."""
    here = card_in(place) is not None or weights_repository(place) is not None
    return here and cached_repository(place) is None


def path_as_id(place: Path) -> str:
    """Return a path as an id that no repository has: it begins with a dot or a slash."""
    inside = place.is_relative_to(Path.cwd())
    return printable(f"./{place.relative_to(Path.cwd()).as_posix()}" if inside else os.fspath(place))
