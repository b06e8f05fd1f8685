"""Writes what transformers declares of tensors' names: `python -m benchmarks.tensor_declarations`; a test compares.

The installed package is read: prefixes of base models (`base_model_prefix`), conversions between files and memory
(`transformers.conversion_mapping`), word tables (`get_input_embeddings`), and modules that store in × out (`Conv1D`).
Models are made on the meta device with few layers, so no weights are allocated. Facts alone are written.
"""

from __future__ import annotations

import importlib
import json
import re
import sys
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from huggingface_hub.errors import StrictDataclassError

from ingest.formats.declared_names import DECLARATIONS, LEGACY

LAYERS = (
    "num_hidden_layers", "num_layers", "encoder_layers", "decoder_layers", "n_layer", "n_layers", "depth",
    "num_decoder_layers", "num_encoder_layers",
)  # fmt: skip
"""Settings that are lowered to two, so that deep models are made as fast as flat ones."""
_COMMON = ("backbone", "language_model", "model", "transformer")
"""Prefixes so common that they are always taken away, although some models without a head have parts of that name."""
FAILURES = (
    ArithmeticError, AssertionError, AttributeError, ImportError, LookupError, NotImplementedError, RuntimeError,
    StrictDataclassError, TypeError, ValueError,
)  # fmt: skip
"""How models of default configurations fail: many need a setting or a package."""
STACKED = ("MergeModulelist", "Concatenate")
OUTPUT_TABLES = (
    "MODEL_FOR_CAUSAL_LM_MAPPING", "MODEL_FOR_MASKED_LM_MAPPING", "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING",
    "MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING",
)  # fmt: skip
"""Lists of classes with an output of the size of the vocabulary."""
MIN_SHARE = 2 / 3
"""Share of the models that have tensors of a name in which they are tables with a row a token."""
_NUMBER = re.compile(r"\.\d+(?=\.|$)")
_NESTED_REPEATS = re.compile(r"\([^()]*[+*][^()]*\)[+*{]")


@dataclass(slots=True)
class Skeleton:
    """A model without values.

    Attributes:
        kind: Its class.
        keys: Names of its tensors in memory.
        nested: Paths of the models within it, by class; itself is not among them.
        words: Names of its tables with a row a token.
        transposed: Names of its matrices that are stored in × out.
        conversions: Declared conversions: key of the mapping, and path of the model within it, None for itself.
    """

    kind: type[Any]
    keys: list[str]
    nested: dict[type[Any], list[str]] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)
    transposed: list[str] = field(default_factory=list)
    conversions: list[tuple[str, str | None]] = field(default_factory=list)


def collect() -> dict[str, Any]:
    """Return what the installed transformers declares, as it is written."""
    classes = import_models()
    wholes = [skeleton(kind) or _declared_alone(kind) for kind in _wholes()]
    prefixes = {each.base_model_prefix for each in classes if each.base_model_prefix}
    free = [prefix for prefix in sorted(prefixes) if "." not in prefix and not _begins_names(prefix, wholes)]
    others = _others(classes, wholes, prefixes - set(free))
    made = [*wholes, *(skeleton(kind) or _declared_alone(kind) for kind in others)]
    mappings, left_out = conversions()
    same = {key: next(each for each in mappings if mappings[each] == mappings[key]) for key in mappings}
    for each in made:
        each.conversions = [(same[key], path) for key, path in each.conversions if mappings[key]]
    used = {LEGACY, *(key for each in made for key, _ in each.conversions)}
    return {
        "source": f"transformers {version('transformers')}",
        "prefixes": free,
        "vocabulary": vocabulary(made),
        "transposed": _transposed(wholes),
        "experts": expert_parts(),
        "places": places(made, wholes, set(free)),
        "classes": _steps(made),
        "model_types": _model_types(wholes),
        "conversions": {key: mappings[key] for key in sorted(used)},
        "left_out": left_out,
    }


def import_models() -> list[type[Any]]:
    """Import every module of models; return their classes by name. Modules that lack a package are passed over."""
    import transformers

    root = Path(transformers.__file__).parent / "models"
    for file in sorted(root.glob("*/modeling_*.py")):
        try:
            importlib.import_module(f"transformers.models.{file.parent.name}.{file.stem}")
        except (ImportError, RuntimeError) as error:
            sys.stderr.write(f"{file.stem}: {error}\n")
    found = {each.__name__: each for each in _descendants(transformers.PreTrainedModel)}
    return [found[name] for name in sorted(found)]


def _descendants(kind: type[Any]) -> Iterator[type[Any]]:
    for each in kind.__subclasses__():
        if each.__module__.startswith("transformers.models."):
            yield each
        yield from _descendants(each)


def _wholes() -> list[type[Any]]:
    """Return the class of the model without a head of each configuration."""
    from transformers import MODEL_MAPPING, PreTrainedModel

    found: dict[str, type[Any]] = {}
    for config in MODEL_MAPPING:
        try:
            kind = MODEL_MAPPING[config]
        except (ImportError, RuntimeError, ValueError):
            continue
        kind = kind[0] if isinstance(kind, tuple) else kind
        if issubclass(kind, PreTrainedModel):
            found[kind.__name__] = kind
    return [found[name] for name in sorted(found)]


def _others(classes: Iterable[type[Any]], wholes: Iterable[Skeleton], bound: set[str]) -> list[type[Any]]:
    """Return the other classes that are made: with conversions, with an output table, or under a bound prefix."""
    from transformers.conversion_mapping import get_checkpoint_conversion_mapping
    from transformers.models.auto import modeling_auto

    known = {made.kind.__name__ for made in wholes}
    modules = {made.kind.__module__ for made in wholes if made.conversions}
    heads = {kind for name in OUTPUT_TABLES for kind in getattr(modeling_auto, name).values()}
    found = []
    for kind in classes:
        config = getattr(kind, "config_class", None)
        if config is None or kind.__name__ in known or kind.__name__.endswith("PreTrainedModel"):
            continue
        mapped = any(key and get_checkpoint_conversion_mapping(key) for key in (kind.__name__, config.model_type))
        if mapped or kind in heads or kind.__module__ in modules or kind.base_model_prefix in bound - set(_COMMON):
            found.append(kind)
    return found


def skeleton(kind: type[Any]) -> Skeleton | None:
    """Return a model without values; None where its default configuration makes none."""
    import torch
    from transformers import PreTrainedModel
    from transformers.pytorch_utils import Conv1D

    for few in (True, False):
        try:
            config = kind.config_class()
            if few:
                _lower(config)
            with torch.device("meta"):
                model = kind(config)
            break
        except FAILURES as error:
            reason = f"{type(error).__name__}: {str(error).strip().splitlines()[:1]}"
    else:
        sys.stderr.write(f"{kind.__name__} is not made ({reason})\n")
        return None
    made = Skeleton(kind, list(model.state_dict()))
    nested: dict[type[Any], list[str]] = defaultdict(list)
    for path, module in model.named_modules():
        if isinstance(module, PreTrainedModel) and path:
            nested[type(module)].append(path)
        elif isinstance(module, Conv1D):
            made.transposed.append(f"{path}.weight")
    made.nested, made.words, made.conversions = dict(nested), _words(model), _conversions(model)
    return made


def _lower(config: Any) -> None:  # noqa: ANN401
    from transformers import PretrainedConfig

    for name in LAYERS:
        if isinstance(getattr(config, name, None), int) and getattr(config, name) > 2:
            setattr(config, name, 2)
    if getattr(config, "vocab_size", 1) is None:
        config.vocab_size = 1000
    for name, value in list(vars(config).items()):
        if isinstance(value, PretrainedConfig):
            _lower(value)
        elif name == "layer_types" and isinstance(value, list):
            config.layer_types = value[:2]


def _words(model: Any) -> list[str]:  # noqa: ANN401
    """Return the names of the tables with a row a token, those of models within the model included."""
    import torch
    from transformers import PreTrainedModel

    found = set()
    for module in model.modules():
        if not isinstance(module, PreTrainedModel):
            continue
        size = getattr(module.config.get_text_config(), "vocab_size", None)
        for get in (module.get_input_embeddings, module.get_output_embeddings):
            try:
                table = get()
            except FAILURES:
                continue
            if isinstance(table, torch.nn.Embedding | torch.nn.Linear) and table.weight.shape[0] == size:
                found.add(table)
    modules = model.named_modules(remove_duplicate=False)
    return sorted(f"{path}.weight" for path, module in modules if module in found)


def _conversions(model: Any) -> list[tuple[str, str | None]]:  # noqa: ANN401
    """Return the conversions of a model in the order in which they apply: key of the mapping, path of the submodel.

    Keys are found as transformers finds them: by class, else by type, a model within a model after it.
    """
    from transformers import PreTrainedModel
    from transformers.conversion_mapping import get_checkpoint_conversion_mapping

    found: list[tuple[str, str | None]] = []
    seen: dict[str, list[str]] = defaultdict(list)
    for path, module in model.named_modules():
        if not isinstance(module, PreTrainedModel):
            continue
        name, model_type = type(module).__name__, module.config.model_type
        if _is_below(path, seen[name]):
            continue
        by_class = get_checkpoint_conversion_mapping(name) is not None
        if not by_class and (not model_type or _is_below(path, seen[model_type])):
            continue
        key = name if by_class else model_type
        if get_checkpoint_conversion_mapping(key) is None:
            continue
        scope = path.removeprefix(model.base_model_prefix).removeprefix(".") if path else None
        found.append((key, scope))
        seen[name].append(path)
        if not by_class:
            seen[model_type].append(path)
    return found


def _declared_alone(kind: type[Any]) -> Skeleton:
    """Return what is declared for a class whose model is not made: its own conversions, and those of the whole."""
    from transformers import MODEL_MAPPING
    from transformers.conversion_mapping import get_checkpoint_conversion_mapping

    own = (kind.__name__, kind.config_class.model_type)
    found = [(key, None) for key in own if key and get_checkpoint_conversion_mapping(key) is not None][:1]
    whole = MODEL_MAPPING.get(kind.config_class, kind)
    name = getattr(whole, "__name__", "")
    inner = [(name, "")] if name != kind.__name__ and get_checkpoint_conversion_mapping(name) is not None else []
    return Skeleton(kind, [], conversions=[*found, *inner])


def _is_below(path: str, paths: Iterable[str]) -> bool:
    return any(not each or path.startswith(f"{each}.") for each in paths)


def conversions() -> tuple[dict[str, list[Any]], list[str]]:
    r"""Return the declared conversions by key of the mapping, in order, and those that are not expressed.

    A renaming is `[pattern, replacement]`. A tensor that memory holds in n parts is `[pattern, [names of the parts]]`.
    Experts that memory holds fused stay apart here: `[pattern, [name of the part]]`, with the number for `\1`.
    """
    import transformers.conversion_mapping as declared

    mapping = declared._build_checkpoint_conversion_mapping()
    found, left_out = {}, set()
    for key, transforms in mapping.items():
        found[key] = []
        for transform in transforms:
            made = _renaming(transform) or _parts(transform) or _experts(transform)
            if made:
                found[key] += made
            else:
                operations = [type(each).__name__ for each in getattr(transform, "operations", [])]
                kind = "+".join(operations) or type(transform).__name__
                left_out.add(f"{key}: {kind} of {', '.join(transform._original_source_patterns)}")
    return found, sorted(left_out)


def _renaming(transform: Any) -> list[Any] | None:  # noqa: ANN401
    target = transform.target_patterns[0]
    known = type(transform).__name__ in ("WeightRenaming", "PrefixChange")
    if not known or (len(transform.source_patterns) > 1 and "\\" in target):
        return None
    return [[_safe(transform.compiled_sources.pattern), target]]


def _parts(transform: Any) -> list[Any] | None:  # noqa: ANN401
    """Return a tensor of a file that memory holds in equal parts along the first side."""
    operations = getattr(transform, "operations", [])
    if [type(each).__name__ for each in operations] != ["Chunk"] or operations[0].dim:
        return None
    return [[_safe(transform.compiled_sources.pattern), list(transform.target_patterns)]]


def _experts(transform: Any) -> list[Any] | None:  # noqa: ANN401
    """Return the parts of each expert, under the names that most declarations give them."""
    operations = getattr(transform, "operations", [])
    kinds = tuple(type(each).__name__ for each in operations)
    if kinds not in (STACKED, STACKED[:1]) or [each.dim for each in operations] != [0, 1][: len(kinds)]:
        return None
    target = transform.target_patterns[0]
    stem, _, fused = target.rpartition(".")
    sources = transform._original_source_patterns
    parts = expert_parts()[fused]
    if len(parts) != len(sources):
        return None
    out = []
    for source, part in zip(sources, parts, strict=True):
        name = re.sub(r"(?<!\\)\.", r"\.", source.removesuffix(".weight"))
        out.append([_safe(name.replace("*", r"(\d+)") + r"(?=\.|$)"), [rf"{stem}.\1.{part}"]])
    return out


def expert_parts() -> dict[str, tuple[str, ...]]:
    """Return the parts of each fused tensor of experts in order, under the names that most declarations use."""
    import transformers.conversion_mapping as declared

    votes: dict[str, Counter[tuple[str, ...]]] = defaultdict(Counter)
    for transforms in declared._build_checkpoint_conversion_mapping().values():
        for transform in transforms:
            kinds = tuple(type(each).__name__ for each in getattr(transform, "operations", []))
            if kinds in (STACKED, STACKED[:1]):
                names = tuple(
                    each.removesuffix(".weight").rpartition(".")[2] for each in transform._original_source_patterns
                )
                votes[transform.target_patterns[0].rpartition(".")[2]][names] += 1
    return {fused: found.most_common(1)[0][0] for fused, found in sorted(votes.items())}


def _safe(pattern: str) -> str:
    """Return a pattern without the names that transformers gives to its outer groups.

    Raises:
        ValueError: It repeats a group that repeats, so that it may take exponential time.
    """
    pattern = re.sub(r"\(\?P<g\d+>", "(?:", pattern)
    if _NESTED_REPEATS.search(pattern):
        raise ValueError(f"the pattern {pattern!r} may take exponential time")
    return pattern


def _begins_names(prefix: str, wholes: Iterable[Skeleton]) -> bool:
    return any(key.startswith(f"{prefix}.") for made in wholes for key in made.keys)


def _steps(made: Iterable[Skeleton]) -> dict[str, list[Any]]:
    """Return the prefix and the conversions of each class that has any: key, and path within the model."""
    return {
        each.kind.__name__: [each.kind.base_model_prefix, [list(step) for step in each.conversions]]
        for each in sorted(made, key=lambda each: each.kind.__name__)
        if each.conversions
    }


def places(made: Iterable[Skeleton], wholes: Iterable[Skeleton], free: set[str]) -> dict[str, list[str]]:
    """Return where a class's own names lie in the whole: prefix to take away, and prefix to put in its place.

    The encoder of Whisper saved alone lies in `encoder`. Only classes of the module that defines the whole count, and
    only those with one place in all wholes.
    """
    paths: dict[type[Any], set[str]] = defaultdict(set)
    for whole in wholes:
        for kind, found in whole.nested.items():
            if kind.__module__ == whole.kind.__module__:
                paths[kind].update(found)
    place = {kind: min(found) for kind, found in paths.items() if len(found) == 1}
    out = {kind.__name__: ["", found] for kind, found in place.items()}
    for each in made:
        prefix = each.kind.base_model_prefix
        inner = [kind for kind, found in each.nested.items() if prefix in found]
        if inner and prefix and each.kind not in place:
            wanted = place.get(inner[0], "")
            if wanted != prefix and (wanted or prefix not in (*free, *_COMMON)):
                out[each.kind.__name__] = [prefix, wanted]
    return dict(sorted(out.items()))


def _model_types(wholes: Iterable[Skeleton]) -> dict[str, str]:
    """Return the whole of each type that has conversions: for classes that are not known."""
    return {
        made.kind.config_class.model_type: made.kind.__name__
        for made in sorted(wholes, key=lambda made: made.kind.__name__)
        if made.conversions
    }


def _transposed(wholes: Iterable[Skeleton]) -> dict[str, list[str]]:
    """Return the ends of names of matrices that are stored in × out, by type of the model."""
    found = {}
    for made in wholes:
        if made.transposed:
            ends = {_NUMBER.sub(".*", name).rpartition("*.")[2] for name in made.transposed}
            found[made.kind.config_class.model_type] = sorted(ends)
    return dict(sorted(found.items()))


def vocabulary(made: Iterable[Skeleton]) -> list[str]:
    """Return the shortest ends of names that are tables with a row a token in nearly all models that have them."""
    tables, all_names = Counter[str](), Counter[str]()
    names = set()
    for each in made:
        words = {_NUMBER.sub(".*", key) for key in each.words}
        names |= words
        tables.update({end for name in words for end in _ends(name)})
        all_names.update({end for key in each.keys for end in _ends(_NUMBER.sub(".*", key))})
    good = {end for end, count in tables.items() if count >= MIN_SHARE * all_names[end]}
    found = (next((end for end in _ends(name) if end in good), None) for name in names)
    return sorted({end for end in found if end is not None})


def _ends(name: str) -> Iterator[str]:
    """Yield the ends of a name from two components on, the shortest first."""
    parts = name.split(".")
    yield from (".".join(parts[-count:]) for count in range(2, len(parts) + 1))


def text(declared: Mapping[str, Any]) -> str:
    """Return the file: an entry a line."""
    lines = []
    for key, value in declared.items():
        if isinstance(value, dict):
            entries = ",\n".join(f"  {json.dumps(name)}: {json.dumps(each)}" for name, each in value.items())
            lines.append(f" {json.dumps(key)}: {{\n{entries}\n }}")
        elif isinstance(value, list):
            entries = ",\n".join(f"  {json.dumps(each)}" for each in value)
            lines.append(f" {json.dumps(key)}: [\n{entries}\n ]")
        else:
            lines.append(f" {json.dumps(key)}: {json.dumps(value)}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    DECLARATIONS.write_text(text(collect()), encoding="utf-8")
