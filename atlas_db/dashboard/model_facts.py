"""Facts of a model for its page: path to the root, formats, and code that reads it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from atlas_db.core.terms import Status
from atlas_db.lineage.traversal import ChildGroup, LineageStep
from ingest.hub.api_listing import endpoint

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


def formats_of(props: Mapping[str, Any]) -> list[str]:
    """Return the formats of files that a model's tags name."""
    tags = set(props.get("tags") or ())
    return [name for name in FORMATS if name in tags]


def files_of(props: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what the atlas knows of a model's files, each with where that comes from; None where it is not known.

    Args:
        props: Properties of the model.
    """
    record, files, weights = "tags of its record", "list of files of its record", "fingerprint of its weights"
    size = props.get("weights_bytes")
    return [
        {"what": "formats", "value": formats_of(props) or None, "source": record},
        {"what": "licence and notice files", "value": _listed(props.get("license_files")), "source": files},
        {"what": "parameters", "value": props.get("num_params"), "source": "header of safetensors, by the Hub"},
        {"what": "size of the weights", "value": size and f"{size / 1e9:,.3f} GB", "source": weights},
        {"what": "type of most weights", "value": props.get("weights_dtype"), "source": weights},
        {"what": "layers", "value": props.get("weights_layers"), "source": weights},
        {"what": "revision", "value": props.get("sha"), "source": "its record"},
    ]


def _listed(names: Sequence[str] | None) -> list[str] | str | None:
    return names if names is None else list(names) or "none"


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
    """Return the addresses of a model, its files and its author on the Hub (HF_ENDPOINT)."""
    page = f"{endpoint()}/{quote(model)}"
    return {"model": page, "files": f"{page}/tree/main"} | ({"author": hub_author(author)} if author else {})


def hub_author(author: str) -> str:
    """Return the address of an author on the Hub."""
    return f"{endpoint()}/{quote(author)}"
