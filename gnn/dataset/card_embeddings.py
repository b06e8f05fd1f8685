"""What cards are about: sentence embeddings of a local model, as words that completion hears beside others.

An embedding is turned by a fixed random matrix, and the directions that it points along most are its words (winner
takes all: Yagnik et al. 2011, "The Power of Comparative Reasoning"). So the same learners hear them as hear all words,
of models that come later, too. What states an attribute is left out of the text first; where lineage is completed they
are not heard at all, as names of models are too many to be left out.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from functools import lru_cache
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from atlas_db.columnar.graph import Graph
from atlas_db.core.arrays import Floats, Integers
from atlas_db.core.errors import InputError
from atlas_db.core.files import replacing, write_whole
from atlas_db.core.terms import Progress
from gnn.dataset.card_text import body_words
from gnn.dataset.tasks import TASKS, leaking_tokens, uses_lineage
from ingest.hub.card import split_card
from ingest.hub.card_store import FOLDER as CARDS
from ingest.hub.card_store import newest_cards

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

FOLDER = "sentences"
"""Folder of what was read, under the home folder."""
CURRENT, CENTRE = "current", "centre.f4"
"""Files there: which model's reading is used, and the mean of that model's first embeddings."""
READ = 256
"""Words of a card that a model reads."""
DIRECTIONS, POINTED = 256, 16
"""Directions that are looked at, and those that an embedding points along most, which are kept."""
PART = 4096
"""Cards read between two files: all that is lost, should the run be stopped."""
_PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt")
_SCHEMA = pa.schema([("card", pa.binary(16)), ("points", pa.list_(pa.uint8(), POINTED))])


class EmbedReport(NamedTuple):
    """What came of reading cards: of `models`, cards `read` now, and `kept` from before."""

    models: int
    read: int
    kept: int


def embed_cards(graph: Graph, home: Path, folder: Path, progress: Progress = lambda *_: None) -> EmbedReport:
    """Read the cards of a graph's models with a sentence model; each card once, however often this is run.

    Args:
        graph: The graph: what it declares is left out of the text.
        home: Home folder, where cards lie.
        folder: A model as sentence-transformers saves it.
        progress: Told of stage, cards done and total (0: unknown).

    Raises:
        InputError: The folder holds no such model, or one that would have to run code or pickles of its own.
    """
    name, model = model_digest(folder), _opened(folder)
    place = home / FOLDER / name
    place.mkdir(parents=True, exist_ok=True)
    known = set(_points(place))
    states, kept, read, models = _stating(graph), 0, 0, 0
    waiting: dict[bytes, str] = {}
    for _, card in newest_cards(home / CARDS, graph.ids):
        models += 1
        if (key := _key(card)) in known or key in waiting:
            kept += key in known
            continue
        waiting[key] = plain_text(card, states)
        if len(waiting) == PART:
            read += _keep(model, waiting, place)
            progress("Read cards", read, 0)
            waiting = {}
    read += _keep(model, waiting, place)
    write_whole(home / FOLDER / CURRENT, name.encode())
    for other in (home / FOLDER).iterdir():
        if other.is_dir() and other != place:
            shutil.rmtree(other)
    return EmbedReport(models, read, kept)


def embedding_tokens(home: Path) -> tuple[str, Callable[[str], list[str]]]:
    """Return the digest of the model whose reading is used, empty where none is, and what gives the words of a card."""
    file = home / FOLDER / CURRENT
    name = file.read_text() if file.is_file() else ""
    points = _points(home / FOLDER / name) if name else {}
    return name, lambda card: [str(point) for point in points.get(_key(card), ())] if points else []


def model_digest(folder: Path) -> str:
    """Return what tells a model from others, by all of its files.

    Raises:
        InputError: It cannot be read.
    """
    total = blake2b(digest_size=4)
    try:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                total.update(f"{file.relative_to(folder)}\n".encode())
                with file.open("rb") as handle:
                    while block := handle.read(1 << 20):
                        total.update(block)
    except OSError as error:
        raise InputError(f"{folder} cannot be read: {error}", hint="Name the folder of a sentence model") from error
    return total.hexdigest()


def plain_text(card: str, states: Callable[[str], bool]) -> str:
    """Return the beginning of a card's text without words that state an attribute, by themselves or with the next."""
    words = body_words(split_card(card)[1])[:READ]
    stated = {at for at, word in enumerate(words) if states(word)}
    stated |= {at + step for at, pair in enumerate(pairwise(words)) if states(" ".join(pair)) for step in (0, 1)}
    return " ".join(word for at, word in enumerate(words) if at not in stated)


def top_components(vectors: Floats, centre: Floats) -> Integers:
    """Return the directions that embeddings point along most, ascending, shape (n, POINTED).

    Args:
        vectors: Shape (n, d).
        centre: What all have in common, shape (d,).
    """
    turned = (vectors - centre) @ np.random.default_rng(0).standard_normal((vectors.shape[1], DIRECTIONS))
    return np.sort(np.argsort(-turned, axis=1, kind="stable")[:, :POINTED], axis=1)


def _stating(graph: Graph) -> Callable[[str], bool]:
    """Return whether a word, or two, state any attribute but lineage."""
    each = [leaking_tokens(graph, name) for name in TASKS if uses_lineage(name)]
    return lru_cache(maxsize=1 << 20)(lambda said: any(states(said) for states in each))


def _opened(folder: Path) -> SentenceTransformer:
    try:
        modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
        foreign = [kind for each in modules if not (kind := str(each["type"])).startswith("sentence_transformers.")]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{folder} holds no sentence-transformers model", hint="Save one there: SentenceTransformer(…).save(FOLDER)"
        ) from error
    if foreign:
        raise InputError(
            f"{folder} would run code of its own ({foreign[0]})", hint="Take a model of the library's own modules"
        )
    pickled = [file for file in sorted(folder.rglob("*")) if file.suffix in _PICKLES]
    if pickled:
        raise InputError(
            f"{pickled[0]} may be a pickle, which is never opened", hint="Save the weights as safetensors, remove it"
        )
    from safetensors import SafetensorError
    from sentence_transformers import SentenceTransformer

    try:
        model: SentenceTransformer = SentenceTransformer(str(folder), local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise InputError(f"{folder} cannot be opened: {error}", hint="Save the model anew") from error
    return model


def _keep(model: SentenceTransformer, texts: Mapping[bytes, str], place: Path) -> int:
    """Read texts, and write what was read under the next number."""
    if not texts:
        return 0
    vectors = np.asarray(
        model.encode(list(texts.values()), normalize_embeddings=True, show_progress_bar=False), np.float32
    )
    centre = place / CENTRE
    if not centre.is_file():
        write_whole(centre, vectors.mean(0).astype("<f4").tobytes())
    points = top_components(vectors, np.frombuffer(centre.read_bytes(), "<f4"))
    table = pa.table([list(texts), points.tolist()], schema=_SCHEMA)
    with replacing(place / f"{len(list(place.glob('*.parquet'))):06d}.parquet") as partial:
        pq.write_table(table, partial)
    return len(texts)


def _points(place: Path) -> dict[bytes, list[int]]:
    found: dict[bytes, list[int]] = {}
    for file in sorted(place.glob("*.parquet")):
        table = pq.read_table(file)
        found |= zip(table["card"].to_pylist(), table["points"].to_pylist(), strict=True)
    return found


def _key(card: str) -> bytes:
    return blake2b(card.encode(), digest_size=16).digest()
