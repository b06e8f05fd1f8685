"""Words that name no model: `None`, `n/a`, `from scratch`, unfilled templates, in the languages of cards."""

from __future__ import annotations

import re
from functools import lru_cache

from atlas_db.claims.repository_ids import is_owned_id, plain_text, repository_name

_TEMPLATE = re.compile(
    r"\{\{.*|\{%.*|\{[\w .]*\}|<[^<>]*>|\$\{?\w+\}?|\[[^\[\]]*\]|%\w+%|__\w*__|x{3,}|[\W_]*|[0-9.]+", re.DOTALL
)
_NO_MODEL = frozenset(
    {"none", "null", "nil", "nan", "na", "n a", "no", "not applicable", "not available", "non", "nope",
     "nothing", "empty", "blank", "void", "zero", "without", "missing", "unavailable", "unknown", "unk",
     "unspecified", "undefined", "undisclosed", "not specified", "not stated", "not known", "tbd", "tba",
     "tbc", "todo", "fixme", "pending", "soon", "to be determined", "to be announced", "coming soon",
     "placeholder", "dummy", "changeme", "change me", "replace me", "foo", "bar", "foobar", "abc", "xyz",
     "name", "value", "scratch", "from scratch", "trained from scratch", "train from scratch",
     "training from scratch", "pretrained from scratch", "random", "random init", "randomly initialized",
     "random initialization", "no base model", "without base model", "self", "this", "this model", "itself",
     "ditto", "same", "same as above", "see above", "see below", "see readme", "various", "multiple",
     "several", "many", "mixed", "other", "others", "custom", "custom model", "own", "own model", "ours",
     "inhouse", "in house", "secret", "private", "proprietary", "internal", "confidential", "base model",
     "basemodel", "base model name", "base model id", "model name", "model id", "modelname", "your model",
     "your model name", "your model here", "your model name here", "your base model", "my model",
     "parent model", "foundation model", "local model", "path to model", "model path", "true", "false",
     "yes", "string", "str", "list", "dict", "object", "more information needed", "information needed",
     "needs more information", "fill in", "insert model name", "username modelname", "merge", "merged",
     "mergekit", "lazymergekit", "peft", "unsloth", "axolotl", "trl", "gguf", "adapter", "quantized",
     "finetune", "finetuned", "aucun", "aucune", "inconnu", "inconnue", "kein", "keine", "keines",
     "unbekannt", "ninguno", "ninguna", "desconocido", "nenhum", "nenhuma", "desconhecido", "nessuno",
     "nessuna", "sconosciuto", "geen", "onbekend", "inget", "ingen", "okand", "ukendt", "brak", "nieznany",
     "yok", "bilinmiyor", "нет", "неизвестно", "не указано", "无", "無", "没有", "未知", "なし", "無し", "不明", "없음",
     "알 수 없음", "لا يوجد", "nincs", "ei ole"}
)  # fmt: skip
_YOURS = frozenset(
    {"your username", "yourusername", "your org", "your organization", "your name", "your hf username", "your user"}
)  # fmt: skip
_ANY_OWNER = frozenset(
    {"none", "null", "nan", "unknown", "username", "user", "user name", "org", "organization", "owner", "hf user",
     "example", "author", "your", "my"}
)  # fmt: skip
_GENERIC = frozenset({"model", "models", "base", "name", "repo", "repository", "llm", "checkpoint"})
_ARCHITECTURES = (
    "bert", "gpt", "llama", "mistral", "mixtral", "whisper", "bart", "gemma", "qwen", "falcon", "bloom", "mamba",
    "electra", "pegasus", "marian", "resnet", "vicuna", "alpaca", "zephyr", "deepseek", "diffusion", "wavlm", "xlnet",
    "former",
)  # fmt: skip
_DATASET = re.compile(r"(?:^|://|\.[a-z]+/)datasets/|(?:^|[/\\])datasets--", re.IGNORECASE)
"""An address or a path of the Hub's cache that names a dataset."""
_WORD_BREAKS = re.compile(r"[\W_]+")


def words_of(text: str) -> str:
    """Return the words of a text in lower case, one space between them."""
    return _WORD_BREAKS.sub(" ", text.lower()).strip()


@lru_cache(maxsize=2**14)
def names_no_model(text: str) -> bool:
    """Return whether a text is no name of a model, whatever is around it: a revision, an address, brackets.

    An owner before the word makes it a name: `zed/none` is a repository. An address of a dataset names no model.
    """
    plain = plain_text(text)
    if _DATASET.search(plain):
        return True
    name = repository_name(plain)
    if is_owned_id(name):
        return words_of(name) == "n a"
    return any(_TEMPLATE.fullmatch(each) is not None or words_of(each) in _NO_MODEL for each in (plain, name))


def is_template_name(name: str) -> bool:
    """Return whether an id with owner is one that templates hold: `user/model`, `your-username/anything`, `None/None`.

    Such a repository may exist, so only a record of it makes the name mean something.
    """
    owner, slash, rest = name.partition("/")
    owner_words, rest_words = words_of(owner), words_of(rest)
    generic = rest_words in _NO_MODEL or rest_words in _GENERIC
    return bool(slash) and (owner_words in _YOURS or (owner_words in _ANY_OWNER and generic))


def is_bare_word(name: str) -> bool:
    """Return whether a name without owner is letters alone: a word, which popularity cannot make a model's name.

    A word with the name of an architecture in it is a name: `distilhubert`, `mBart`.
    """
    return "/" not in name and name.isalpha() and not any(each in name.lower() for each in _ARCHITECTURES)
