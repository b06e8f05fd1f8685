"""Models that a question to an atlas names: ids, and models read from what lies on a disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from atlas_db.claims.repository_ids import requested_id
from atlas_db.core.errors import InputError
from atlas_db.core.files import expanded, is_there, resolved

if TYPE_CHECKING:
    from atlas_db.licenses.card_model import CardModel


@dataclass(slots=True)
class Targets:
    """Models that a question names.

    Attributes:
        ids: Model ids.
        folders: Models read from files.
    """

    ids: list[str] = field(default_factory=list)
    folders: list[CardModel] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.ids or self.folders)

    @property
    def first(self) -> tuple[str, CardModel | None]:
        """Id of the first model, and what was read of it from files."""
        return next(self.each())

    def each(self) -> Iterator[tuple[str, CardModel | None]]:
        """Yield each model's id, and what was read of it from files: those on a disk first."""
        yield from ((folder.id, folder) for folder in self.folders)
        yield from ((name, None) for name in self.ids)

    @property
    def files(self) -> dict[str, str]:
        """Paths of the cards, or of the files read in their place, by model id."""
        return {folder.id: str(folder.card) for folder in self.folders}


def read_targets(words: Sequence[str]) -> Targets:
    """Return the models that words name: ids, addresses of the Hub, paths.

    Raises:
        InputError: A path cannot be read, or a word is empty.
    """
    found = Targets()
    for word in dict.fromkeys(words):
        if not word.strip():
            raise InputError("the name of a model is empty", hint="Give a model id, or a path; . is this folder")
        folder = _read_path(word)
        if folder is not None:
            found.folders.append(folder)
        else:
            found.ids.append(requested_id(word))
    found.folders = _with_own_ids(found.folders, found.ids)
    return found


def _with_own_ids(folders: Sequence[CardModel], ids: Sequence[str]) -> list[CardModel]:
    """Return models on a disk, each once, with their paths as ids where their names also mean other models."""
    if not folders:
        return []
    from atlas_db.snapshot.local_parents import path_as_id

    named = Counter([*ids, *(folder.id for folder in folders)])
    apart: dict[str, CardModel] = {}
    for folder in folders:
        shared = named[folder.id] > 1 or folder.id in folder.parent_names()
        name = path_as_id(resolved(folder.place or folder.card)) if shared else folder.id
        apart[name] = replace(folder, id=name)
    return list(apart.values())


def _read_path(word: str) -> CardModel | None:
    """Return the model that a path names, None where a word is no path. A file or folder that is there is never an id.

    Raises:
        InputError: No model is in it.
    """
    if not (word.startswith((".", "/", "~")) or word.lower().endswith(".md") or is_there(Path(word))):
        return None  # the usual case imports no reader of weights
    from atlas_db.licenses.card_model import read_card_model
    from atlas_db.snapshot.local_parents import with_local_parents

    return with_local_parents(read_card_model(expanded(word)))
