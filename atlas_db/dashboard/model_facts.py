"""Facts of a model for its page: path to the root, claims as sentences, formats, and code that reads it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from atlas_db.core.terms import Resolution, Source, Status
from atlas_db.lineage.traversal import ChildGroup, LineageStep

HUB = "https://huggingface.co/"
"""The Hub, to which the pages of models link."""
FORMATS = (
    "safetensors",
    "gguf",
    "pytorch",
    "onnx",
    "openvino",
    "coreml",
    "mlx",
    "tflite",
    "tf",
    "jax",
    "flax",
    "keras",
)
"""Tags of the Hub that name a format of files."""
NAMED = 5
"""Children that are named per relation."""
_RESOLUTIONS = {
    Resolution.EXACT: "a model of exactly this name is here",
    Resolution.CASE: "the same name in other case",
    Resolution.RENAMED: "it has another name now",
    Resolution.AMBIGUOUS: "several models could be meant",
    Resolution.ABSENT: "no such model is in this atlas",
    Resolution.SELF_LOOP: "it names itself, which is not followed",
    Resolution.CYCLE: "it would close a circle, which is not followed",
    Resolution.GONE: "the Hub no longer lists it",
}
_SOURCES = {
    Source.DECLARED: "Its publisher states",
    Source.INFERRED: "Its weights show",
    Source.PREDICTED: "The completion guesses",
}


def path_to_root(model: str, parents: Callable[[str], Sequence[LineageStep]]) -> list[LineageStep]:
    """Return the steps from a model to the root of its family, by the most probable parent each time.

    Args:
        model: Model id.
        parents: Returns the edges to the parents of a model.
    """
    found: list[LineageStep] = []
    seen = {model}
    while True:
        steps = [step for step in parents(model) if step.status != Status.CONTRADICTED and step.parent not in seen]
        if not steps:
            return found
        best = min(steps, key=lambda step: (-step.confidence, step.parent))
        found.append(best)
        seen.add(best.parent)
        model = best.parent


def named_children(groups: Sequence[ChildGroup]) -> list[dict[str, Any]]:
    """Return the children of each relation: how many, and the most downloaded."""
    return [
        {
            "relation": group.relation,
            "models": group.count,
            "named": [{"model": step.child, "downloads": step.downloads or 0} for step in group.steps[:NAMED]],
        }
        for group in groups
    ]


def claim_words(claim: Mapping[str, Any]) -> str:
    """Return a claim of lineage as a sentence."""
    source = Source(claim["source"])
    words = f"{_SOURCES[source]} that it is a {claim['relation']} of {claim['parent']}"
    if source is Source.DECLARED:
        words += f", written “{claim['mention']}” ({_RESOLUTIONS[Resolution(claim['resolution'])]})"
    since = f"first seen {claim['first_seen']}" if claim["first_seen"] else "date unknown"
    if claim["valid_to"]:
        since += f", no longer stated since {claim['valid_to']}"
    return f"{words}. Read by {claim['method']}, confidence {claim['confidence']:.2f}, {since}."


def formats_of(props: Mapping[str, Any]) -> list[str]:
    """Return the formats of files that a model's tags name."""
    tags = set(props.get("tags") or ())
    return [name for name in FORMATS if name in tags]


def code_for(model: str) -> dict[str, str]:
    """Return code that reads a model, in Cypher, Python and for the shell."""
    text = json.dumps(model, ensure_ascii=False)
    shell = "'" + model.replace("'", "'\\''") + "'"
    return {
        "Cypher": f":param id => {text};\n"
        "MATCH (m:Model {id: $id})\n"
        "OPTIONAL MATCH (m)-[r:DERIVED_FROM]->(p:Model)\n"
        "RETURN m, r.relation, r.status, r.confidence, p.id",
        "Python": "from atlas_db import Atlas\n\n"
        "with Atlas() as atlas:\n"
        f"    print(atlas.lineage({text}))\n"
        f"    print(atlas.audit({text}))",
        "Shell": f"atlas-db lineage {shell}\natlas-db audit {shell}\natlas-db bom {shell}",
    }


def hub_links(model: str, author: str | None) -> dict[str, str]:
    """Return the addresses of a model and of its author on the Hub."""
    found = {"model": HUB + quote(model)}
    return found | ({"author": HUB + quote(author)} if author else {})
