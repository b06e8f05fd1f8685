"""What the files of a model state of themselves, as claims: configurations, merge recipes, headers of weights.

It is declared testimony, each kind of file a source of its own. Nothing here was measured on weights.

Sources of the keys: the GGUF specification (`general.*`), peft (`adapter_config.json`), mergekit
(`mergekit_config.yml`), the model specification of Stability AI (`modelspec.*`), kohya's sd-scripts (`ss_*`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any

from atlas_db.claims.parameters.declaration_parameters import DECLARATION
from atlas_db.claims.placeholder_names import names_no_model
from atlas_db.claims.relations import guess_relation
from atlas_db.claims.repository_ids import is_repository_id, repository_name
from atlas_db.core.decoding import MalformedError, json_as
from atlas_db.core.records import HubRecord, MergeTerm, ParentClaim, ValueClaim
from atlas_db.core.terms import RecordPart, Relation
from ingest.hub.hub_row import ODD, UNREADABLE
from ingest.hub.merge_config import merge_terms
from ingest.normalise.dataset_names import dataset_names
from ingest.normalise.license_ids import card_licenses, normalise_license_id
from ingest.normalise.parent_names import parent_names

MAX_NAME = 512
MAX_FILES, MAX_MERGED = 64, 1024
"""Files of one kind, and models of one merge, that are read of a record."""
MAX_GGUF_MODELS = 64
"""Base models and datasets of a GGUF file that are read."""
_TRAINING_KEYS = (
    "base_model", "base_model_name_or_path", "model_name_or_path", "pretrained_model_name_or_path", "model_id_or_path",
    "pretrained_model", "base_model_id", "model_id", "model_name", "init_from", "model",
)  # fmt: skip
_NAMES_OR_ARCHITECTURES = frozenset({"model", "model_name"})
"""Keys that also name a run or an architecture: a name counts where it has an owner or is a path."""
_KEYS_OF_A_MODEL = ("name_or_path", "id", "repo_id", "path", "name", "pretrained")
"""Keys within an entry on the model, such as `model: {name: owner/name}`; the same holds for their names."""
_OTHER_MODELS = frozenset({
    "teacher", "judge", "reward", "rm", "prm", "ref", "reference", "draft", "critic", "value", "verifier", "grader",
    "evaluator", "eval", "evaluation", "tokenizer", "processor", "embedding", "reranker", "scorer", "assistant",
    "speculative", "dataset", "datasets", "data", "logging", "wandb", "output",
})  # fmt: skip
"""Words in the names of entries on other models of a training, or on no model."""
_TRAINING_DEPTH = 2
"""Levels below the top at which arguments are looked for."""
_HEADER_BASE_KEYS = ("base_model", "base_model_name_or_path", "base_model_id", "modelspec.base_model")
_WORD = re.compile(r"[a-z]+")
_WEIGHT_FILE = re.compile(
    r"(.+\.(?:safetensors|ckpt|pt|pth|bin|gguf|onnx|msgpack|h5))(?:\s*\[[0-9a-f]+\])?", re.IGNORECASE
)
"""Name of a file of weights, behind which the checkpoint merger writes its hash."""
_WEIGHT_FOLDERS = frozenset({
    "models", "model", "checkpoints", "checkpoint", "ckpt", "ckpts", "weights", "loras", "lora", "unet", "vae",
    "stable-diffusion", "output", "outputs",
})  # fmt: skip
"""Folders in which tools keep files of weights."""
_WEIGHT_FILE_KEYS = ("name", "filename", "model_name")


def add_config_parents(config: Mapping[str, Any], record: HubRecord) -> None:
    """Add the parents that `config.json` names: the model it was loaded from, and the base of an adapter."""
    origin = config.get("_name_or_path")
    if isinstance(origin, str) and repository_name(origin).lower() != record.id.lower():
        _add(record, RecordPart.CONFIG, [origin], _guess(record))
    peft = config.get("peft")
    if isinstance(peft, dict):
        _read_adapter(peft, record)


def add_file_claims(files: Mapping[str, Any], record: HubRecord) -> None:
    """Add the claims of the files of a repository.

    Args:
        files: Contents by kind: `adapter_config`, `merge_config` (text), `gguf`, `safetensors`, `training_args`. A list
            of contents stands for several files of a kind.
        record: The record; claims, parents, parts and notes are added to it.
    """
    readers: dict[str, tuple[RecordPart, Callable[[Any, HubRecord], None]]] = {
        "adapter_config": (RecordPart.ADAPTER_CONFIG, _read_adapter),
        "merge_config": (RecordPart.MERGE_CONFIG, _read_merge),
        "gguf": (RecordPart.GGUF, _read_gguf),
        "safetensors": (RecordPart.SAFETENSORS, _read_safetensors),
        "training_args": (RecordPart.TRAINING_ARGS, _read_training),
    }
    for name, (part, read) in readers.items():
        contents = files.get(name)
        for content in contents[:MAX_FILES] if isinstance(contents, list) else [contents]:
            if isinstance(content, str if name == "merge_config" else dict) and content:
                if part not in record.parts:
                    record.parts = (*record.parts, part)
                read(content, record)
    record.parents = list(dict.fromkeys(record.parents))


def _read_adapter(config: Mapping[str, Any], record: HubRecord) -> None:
    # MLX writes `model` where peft writes `base_model_name_or_path`.
    base = config.get("base_model_name_or_path") or config.get("model")
    if isinstance(base, str):
        _add(record, RecordPart.ADAPTER_CONFIG, [base], (Relation.ADAPTER, 1.0, "typed"))


def _read_merge(text: str, record: HubRecord) -> None:
    terms, problem = merge_terms(text)
    if problem:
        record.notes.append(("bad_merge_config", problem))
    for name, term in terms:
        _add(record, RecordPart.MERGE_CONFIG, [name], (Relation.MERGE, 1.0, "typed"), term)


def _read_gguf(header: Mapping[str, Any], record: HubRecord) -> None:
    part = RecordPart.GGUF
    source = next(
        (
            header[key]
            for key in ("general.source.repo_url", "general.source.huggingface.repository", "general.source.url")
            if isinstance(header.get(key), str) and is_repository_id(repository_name(header[key]))
        ),
        "",
    )
    if source and repository_name(source).lower() != record.id.lower():
        _add(record, part, [source], (Relation.QUANTIZED, DECLARATION.converted, "gguf"))
    bases = [name for name in _gguf_models(header, "base_model") if repository_name(name) != repository_name(source)]
    relation = Relation.MERGE if len(bases) > 1 else Relation.QUANTIZED
    if header.get("general.type") == "adapter":
        relation = Relation.ADAPTER
    _add(record, part, bases, (relation, DECLARATION.base_of_source, "gguf"))
    names = dataset_names(_gguf_models(header, "dataset"))
    record.claims += [ValueClaim("TRAINED_ON", name, 1.0, part) for name in names]
    add_licenses(
        record, part, header.get("general.license"), header.get("general.license.name"),
        header.get("general.license.link"),
    )  # fmt: skip
    if isinstance(kind := header.get("general.architecture"), str) and kind.strip():
        record.details.setdefault("model_type", kind.strip())


def _gguf_models(header: Mapping[str, Any], kind: str) -> list[str]:
    """Return the base models or datasets of a GGUF header: by address, else by organisation and name."""
    count = header.get(f"general.{kind}.count")
    found = []
    for number in range(min(count, MAX_GGUF_MODELS) if isinstance(count, int) else 0):
        values = {
            key: header[name].strip()
            for key in ("repo_url", "url", "organization", "name")
            if isinstance(header.get(name := f"general.{kind}.{number}.{key}"), str)
        }
        addresses = [
            values[key] for key in ("repo_url", "url") if is_repository_id(repository_name(values.get(key, "")))
        ]
        # The converter makes name and organisation of an id by replacing hyphens with spaces.
        spelt = "/".join(values[key].replace(" ", "-") for key in ("organization", "name") if values.get(key))
        if addresses or is_repository_id(spelt):
            found.append(addresses[0] if addresses else spelt)
    return found


def _read_safetensors(header: Mapping[str, Any], record: HubRecord) -> None:
    part = RecordPart.SAFETENSORS
    merged = parent_names(header.get("modelspec.merged_from"))
    names = [each.name for each in merged] + _merged_checkpoints(header.get("sd_merge_models"))
    _add(record, part, names, (Relation.MERGE, DECLARATION.merged_from, "header"))
    is_network = isinstance(header.get("ss_network_module"), str)
    trained = (Relation.ADAPTER if is_network else Relation.FINETUNE, DECLARATION.trained_from, "header")
    _add(record, part, [header.get("ss_sd_model_name")], trained)
    _add(record, part, [header.get(key) for key in _HEADER_BASE_KEYS], _guess(record))
    add_licenses(record, part, header.get("modelspec.license"), None, None)


def _merged_checkpoints(value: object) -> list[str]:
    """Return the names in `sd_merge_models` of the checkpoint merger: JSON text of hash to model."""
    if not isinstance(value, str):
        return []
    try:
        models = json_as(value, dict[str, Any])
    except MalformedError:
        return []
    entries = [each for each in models.values() if isinstance(each, dict)]
    named = ([entry[key] for key in _WEIGHT_FILE_KEYS if isinstance(entry.get(key), str)] for entry in entries)
    return list(islice((names[0] for names in named if names), MAX_MERGED))


def _read_training(arguments: Mapping[str, Any], record: HubRecord) -> None:
    """Read the arguments of a training: the first that names the model, at the top or at most two levels below it."""
    for key, level in _training_levels(arguments):
        about_model = key.lower() in _TRAINING_KEYS
        for name in (*_TRAINING_KEYS, *(_KEYS_OF_A_MODEL if about_model else ())):
            value = _only(level.get(name))
            if not isinstance(value, str) or names_no_model(value):
                continue
            if (name in _NAMES_OR_ARCHITECTURES or name not in _TRAINING_KEYS) and not re.search(r"[/\\]", value):
                continue
            _add(record, RecordPart.TRAINING_ARGS, [value], _guess(record))
            return


def _training_levels(arguments: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the entries of the arguments that can be about the trained model, each with its key, the upper first."""
    found: list[tuple[str, Mapping[str, Any]]] = [("", arguments)]
    upper = found
    for _ in range(_TRAINING_DEPTH):
        lower: list[tuple[str, Mapping[str, Any]]] = [
            (str(key), inner)
            for _, level in upper
            for key, value in level.items()
            if isinstance(inner := _only(value), dict) and not _OTHER_MODELS & set(_WORD.findall(str(key).lower()))
        ]
        found = found + lower
        upper = lower
    return found


def _only(value: object) -> object:
    """Return the entry of a list of one, else the value itself."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _guess(record: HubRecord) -> tuple[Relation, float, str]:
    tags = record.stated.get("tags") or []
    return guess_relation(record.id.rpartition("/")[2], tags, record.stated.get("library_name"), 1)


def add_licenses(record: HubRecord, part: RecordPart, license_id: object, name: object, link: object) -> str | None:
    """Add the licences that a part of a record states, and notes on what is unusual; return the first one's id."""
    found, remarks = card_licenses(license_id, name, link, record.id.rpartition("/")[0])
    record.notes += [(UNREADABLE if "cannot be read" in text else ODD, text) for text in remarks]
    for each in found:
        record.claims.append(ValueClaim("HAS_LICENSE", each.id, each.confidence, part))
        add_written_license(record, each.id, each.written)
    return found[0].id if found else None


def add_written_license(record: HubRecord, identifier: str, written: str) -> None:
    """Keep a licence as its author wrote it, where its id lost capital letters."""
    if written != identifier and normalise_license_id(written) == identifier:
        known = record.details.get("licenses_as_written", ())
        record.details["licenses_as_written"] = sorted({*known, " ".join(written.split())})


def _add(
    record: HubRecord, part: RecordPart, names: Iterable[Any], relation: tuple[Relation, float, str],
    term: MergeTerm | None = None,
) -> None:  # fmt: skip
    for name in names:
        if isinstance(name, str) and len(name) <= MAX_NAME and not names_no_model(name):
            record.parents.append(ParentClaim(_as_path(name.strip()), *relation, part, "", term))


def _as_path(name: str) -> str:
    """Return the name of a file of weights as a path, which names no repository; other names as they are."""
    file = _WEIGHT_FILE.fullmatch(name)
    parts = name.replace("\\", "/").split("/")
    if file is None or len(parts) > 2 or (len(parts) == 2 and parts[0].lower() not in _WEIGHT_FOLDERS):
        return name
    return f"./{file.group(1)}"
