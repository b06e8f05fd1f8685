"""Where public test sets are published, and readers of their files: facts are read, no code of theirs is run."""

from __future__ import annotations

import ast
import csv
import io
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import combinations
from pathlib import Path
from typing import Any

import yaml

from atlas_db.core.errors import InputError
from atlas_db.core.terms import Relation
from benchmarks.real.public_sets import ExpectedEdge, ExpectedPair, ListedModel, PublicSet

Files = Mapping[str, bytes]
Parts = tuple[list[ListedModel], list[ExpectedEdge], list[ExpectedPair]]

RELATIONS = {
    "finetune": (Relation.FINETUNE,), "post-processed": (Relation.FINETUNE,), "distillation": (Relation.FINETUNE,),
    "merge": (Relation.MERGE,), "adapter": (Relation.ADAPTER,), "peft": (Relation.ADAPTER,),
    "quantization": (Relation.QUANTIZED,), "quantized": (Relation.QUANTIZED,), "qtz": (Relation.QUANTIZED,),
    "identical": (Relation.DUPLICATE,), "identity": (Relation.DUPLICATE,), "": (),
}  # fmt: skip
"""Relations that are right, by the words of the sets."""
SIXTEEN_BITS = ("f16", "fp16")
"""Ends of names of models that a set calls quantized and that may hold their parent's very values."""
AWM_IDS = {
    "meta-llama/Llama-2-7b": "meta-llama/Llama-2-7b-hf",
    "meta-llama/Llama-2-7b-chat": "meta-llama/Llama-2-7b-chat-hf",
    "meta-llama/Llama-2-13b": "meta-llama/Llama-2-13b-hf",
    "meta-llama/Llama-2-13b-chat": "meta-llama/Llama-2-13b-chat-hf",
    "meta-llama/Llama-2-70b": "meta-llama/Llama-2-70b-hf",
    "baichuan-inc/Baichuan13B-Base": "baichuan-inc/Baichuan-13B-Base",
    "open_llama_7b": "openlm-research/open_llama_7b",
    "OLMo-7B": "allenai/OLMo-7B",
}
"""Ids to read for what AWM writes: its Llama 2 ids hold pickles alone, one is misspelt, two have no entry."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a set is published.

    Attributes:
        name: Short name of the set.
        repository: Owner and name on GitHub.
        commit: Commit that is read.
        license: Licence of the repository, in words.
        independent_families: Whether the set calls models of different families independent.
        files: SHA-256 of each file that is read, by path.
        read: Reader of the files.
    """

    name: str
    repository: str
    commit: str
    license: str
    independent_families: bool
    files: Mapping[str, str]
    read: Callable[[Files], Parts]


def read_checkout(source: Source, checkouts: Path) -> PublicSet:
    """Read a set from a checkout of its repository.

    Args:
        source: The set.
        checkouts: Folder of checkouts, each under its repository's name.

    Raises:
        InputError: A file is not there, or is not that of the commit.
    """
    folder = checkouts / source.repository.split("/")[1]
    files: dict[str, bytes] = {}
    for name, digest in source.files.items():
        try:
            files[name] = (folder / name).read_bytes()
        except OSError as error:
            raise InputError(
                f"{folder / name}: {error.strerror}", hint=f"Clone github.com/{source.repository} into {folder}"
            ) from error
        if sha256(files[name]).hexdigest() != digest:
            raise InputError(
                f"{folder / name} is not that of commit {source.commit[:7]}",
                hint=f"git -C {folder} checkout {source.commit}",
            )
    models, edges, pairs = source.read(files)
    return PublicSet(
        source.name, source.repository, source.commit, source.license, source.independent_families,
        tuple(sorted(models, key=lambda model: model.id)), tuple(edges), tuple(pairs),
    )  # fmt: skip


def read_leafbench(files: Files) -> Parts:
    """Read LeaFBench: families of a base, its instruct model and typed derivatives; parents are not named."""
    models: dict[str, ListedModel] = {}
    edges = []
    for family in yaml.safe_load(files["config/benchmark_config.yaml"])["models"]:
        name, base, tuned = (
            family["model_family"],
            family["pretrained_model"]["model_path"],
            family["instruct_model"]["model_path"],
        )
        heads = tuple(dict.fromkeys((base, tuned)))
        models |= {model: ListedModel(model, name) for model in heads}
        if tuned != base:
            edges.append(ExpectedEdge(tuned, (base,), (Relation.FINETUNE,), "instruct"))
        for item in family["predeployed_models"]:
            models[item["model_path"]] = ListedModel(item["model_path"], name)
            edges.append(ExpectedEdge(item["model_path"], heads, RELATIONS[item["type"]], item["type"]))
    return list(models.values()), edges, []


def read_awm(files: Files) -> Parts:
    """Read AWM: pairs by kind of training, and two sets whose members are independent of each other."""
    values: dict[str, Any] = {}
    for node in ast.parse(files["configs.py"]).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and isinstance(node.value, ast.Dict):
            name = node.targets[0].id
            if name.endswith("_CONFIG") or "_CONFIG_" in name or name == "MODEL_HF_MAP":
                values[name] = ast.literal_eval(node.value)
    by_folder = values.pop("MODEL_HF_MAP")
    models: dict[str, ListedModel] = {}
    pairs: dict[tuple[str, str], ExpectedPair] = {}

    def model(folder: str) -> str:
        stated = by_folder.get(folder, folder)
        id: str = AWM_IDS.get(stated, stated)
        models[id] = ListedModel(id, stated="" if stated == id else stated)
        return id

    for name, config in values.items():
        ids = {short: model(folder) for short, folder in config["model_paths"].items()}
        kind = name.partition("_PAIRS_CONFIG")[0].removeprefix("ALL_").split("_")[0].lower()
        if kind == "independent":
            found = [ExpectedPair(a, b, False, kind) for a, b in combinations(ids.values(), 2)]
        else:
            stated = ((ids[each["weights1_name"]], ids[each["weights2_name"]]) for each in config["analysis_pairs"])
            found = [ExpectedPair(a, b, True, kind) for a, b in stated]
        for pair in found:
            pairs.setdefault(pair.ids, pair)
    return list(models.values()), [], list(pairs.values())


def read_mdgbench(files: Files) -> Parts:
    """Read MDGBench: clusters of models, and a typed edge a row."""
    clusters = json.loads(files["evaluation/Benchmark/cluster.json"])
    families = {model: cluster[0] for cluster in clusters for model in cluster}
    ids = json.loads(files["evaluation/Benchmark/model_list.json"])["models"]
    by_name = {id.replace("/", "_"): id for id in ids}
    edges = [
        ExpectedEdge(
            by_name[row["Derived Model"]], (by_name[row["Base Model"]],), RELATIONS[row["Relation"]], row["Relation"]
        )
        for row in _rows(files["evaluation/Benchmark/model_relation.csv"])
    ]
    return [ListedModel(id, families[id]) for id in ids], edges, []


def read_bottom_k(files: Files) -> Parts:
    """Read the table of the bottom-k study: parents of each model, as far as they are known, and clusters."""
    clusters = json.loads(files["result/result_5.1/model_lineage_data_clean.json"])["clusters"]
    families = {model: f"cluster {each['cluster_id']}" for each in clusters for model in each["models"]}
    models: dict[str, ListedModel] = {}
    edges = []
    for row in _rows(files["result/result_5.1/relationship.csv"]):
        child, kind = row["model_id"], row["relationship_type"].strip()
        models[child] = ListedModel(child, families[child])
        if row["base_model"] == "NONE":
            continue
        relations: tuple[Relation, ...] = RELATIONS[kind]
        if kind == "quantized" and child.lower().endswith(SIXTEEN_BITS):
            relations = (*relations, Relation.DUPLICATE)
        parents = (part.strip() for part in row["base_model"].split(";"))
        edges += [ExpectedEdge(child, (parent,), relations, kind or "not stated") for parent in parents]
    for edge in edges:
        models.setdefault(edge.parents[0], ListedModel(edge.parents[0]))
    return list(models.values()), edges, []


def read_cisco(files: Files) -> Parts:
    """Read the pairs of Cisco's Model Provenance Kit."""
    stated = json.loads(files["benchmarks/Benchmark_All.json"])
    pairs = []
    for key, related in (("similar", True), ("dissimilar", False)):
        for item in stated[key]:
            (first, second), kind = item["pair"], item["provenance"]
            pairs.append(ExpectedPair(first, second, related, "not stated" if related and kind == "none" else kind))
    return [ListedModel(id) for id in sorted({id for pair in pairs for id in pair.ids})], [], pairs


def _rows(body: bytes) -> Iterable[dict[str, str]]:
    return csv.DictReader(io.StringIO(body.decode("utf-8-sig")))


SOURCES = (
    Source(
        "leafbench", "shaoshuo-ss/LeaFBench", "df18f9bf120f12ab3a1940b1732f39101ab9a03f", "none stated", True,
        {"config/benchmark_config.yaml": "47d91228e2d0197dfeb0abf984486f2d6b6e2a9342288e1770e8cf5d8fb2d312"},
        read_leafbench,
    ),
    Source(
        "awm", "LUMIA-Group/AWM", "bc20ff8e63cec57f5da422ae065686ced275e76d", "none stated", False,
        {"configs.py": "93b63c8c345338eb175aadc2a251aacbde956f1dbeedd184f253319fe0d44668"},
        read_awm,
    ),
    Source(
        "mdgbench", "TensorLock/TensorLock", "d2562ed5663700fc6489afe4371ab4d58c4a365a", "none stated", True,
        {
            "evaluation/Benchmark/cluster.json": "e0921351a5ac872a36ee2bfd97733f5d5d7c636e5aa84adc5cb820dc2b53ad9a",
            "evaluation/Benchmark/model_list.json": "7126cbfec5afd2e04985ad36f530d401e6150efd978243370261df10b533c00a",
            "evaluation/Benchmark/model_relation.csv":
                "da243208040d7c542af8b3c194b8f87de94edf3032346523d89430e0c78895c0",
        },
        read_mdgbench,
    ),
    Source(
        "bottom-k", "KimAu197/llm_fingerprint", "2284c8f6e7d812bbf6e02453c30a088ba3a3d211", "none stated", False,
        {
            "result/result_5.1/model_lineage_data_clean.json":
                "d2d99bde81da63fbcbcbc2c7e0179556ed4249570548ea56c4a05ca403a053a6",
            "result/result_5.1/relationship.csv": "c66ae353c77629a7bc2767e0cc30fd94333c96009475be0d7fd8e0198d18e950",
        },
        read_bottom_k,
    ),
    Source(
        "cisco", "cisco-ai-defense/model-provenance-kit", "9991417767c0bb42d7e0ca376dc9a8843c5569b9", "Apache-2.0",
        False,
        {"benchmarks/Benchmark_All.json": "efa98d47281176afa63e642f77054d09379b87bcd70edd98a7207c6cb5c37443"},
        read_cisco,
    ),
)  # fmt: skip
"""The sets. Four of the five repositories state no licence, so their files are read from a checkout of the user."""
