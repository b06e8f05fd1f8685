"""A plan of one family by real tools, drawn at random.

Pure: it needs nothing but the standard library, and the same seed gives the same plan on every machine.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from benchmarks.zoo.plan import OPTIMIZERS, Node, draw_id, stamp_dates

CORPORA = 9
LANGUAGE_MODELS = ("llama", "llama-wide", "qwen3", "gemma3", "gpt2", "mixtral")
ARCHITECTURES = (*LANGUAGE_MODELS, "bert", "t5", "vit", "whisper", "unet")


class Kind(NamedTuple):
    """A way of making a model.

    Attributes:
        parents: Their least and largest number.
        keeps: Whether the child has all tensors of its parents, with their sides.
        base: Whether the root stands last among the parents, as base of task vectors.
        leaf: Whether nothing is made of the child.
    """

    parents: tuple[int, int] = (1, 1)
    keeps: bool = True
    base: bool = False
    leaf: bool = False


TUNED = {"finetune": Kind(), "finetune_bf16": Kind(), "lora_merged": Kind()}
RESHAPED = {
    "head_swap": Kind(keeps=False, leaf=True), "body_alone": Kind(keeps=False, leaf=True),
    "vocab_resize": Kind(keeps=False), "pruned_width": Kind(keeps=False), "pruned_depth": Kind(keeps=False),
    "encoder_alone": Kind(keeps=False, leaf=True), "sentence": Kind(keeps=False, leaf=True),
}  # fmt: skip
CASTS = {"cast_bf16": Kind(), "cast_fp16": Kind(), "cast_variant": Kind(leaf=True)}
QUANTIZED = {name: Kind(leaf=True) for name in ("quant_bnb4", "quant_bnb8", "quant_gguf")}
_TWO, _SOME = (2, 2), (2, 3)
MERGED = {
    "merge_linear": Kind(_SOME), "merge_linear_lora": Kind(_TWO), "merge_slerp": Kind(_TWO),
    "merge_slerp_gradient": Kind(_TWO), "merge_nuslerp": Kind(_TWO), "merge_nuslerp_base": Kind(_TWO, base=True),
    "merge_multislerp": Kind(_SOME), "merge_multislerp_base": Kind(_SOME, base=True), "merge_karcher": Kind(_SOME),
    "merge_task_arithmetic": Kind(_SOME, base=True), "merge_ties": Kind(_SOME, base=True),
    "merge_dare_linear": Kind(_SOME, base=True), "merge_dare_ties": Kind(_SOME, base=True),
    "merge_della": Kind(_SOME, base=True), "merge_della_linear": Kind(_SOME, base=True),
    "merge_breadcrumbs": Kind(_SOME, base=True), "merge_breadcrumbs_ties": Kind(_SOME, base=True),
    "merge_sce": Kind(_SOME, base=True), "merge_model_stock": Kind(_SOME, base=True),
    "merge_arcee_fusion": Kind(_TWO), "merge_nearswap": Kind(_TWO), "merge_passthrough_same": Kind(_TWO),
}  # fmt: skip
STACKED = {
    "merge_passthrough_deeper": Kind(_TWO, keeps=False), "merge_passthrough_self": Kind(keeps=False),
    "pruned_depth_slices": Kind(keeps=False),
}  # fmt: skip
MIXED = {"merge_moe": Kind(_SOME, keeps=False)}
ADAPTERS = {
    f"adapter_{name}": Kind(keeps=False, leaf=True)
    for name in ("lora", "lora_all", "dora", "rslora", "pissa", "adalora", "vera", "ia3", "ln", "tokens", "embedding",
                 "loha", "lokr", "oft", "boft")
}  # fmt: skip
EXTRACTED = {"adapter_extracted": Kind(keeps=False, leaf=True)}
EXPERTS = {"adapter_experts": Kind(keeps=False, leaf=True)}
DIFFUSED = {name: Kind(keeps=False, leaf=True) for name in ("adapter_diffusers", "adapter_kohya")}
DIFFUSED["pipeline"] = Kind(keeps=False, leaf=True)
KINDS = {**TUNED, **RESHAPED, **CASTS, **QUANTIZED, **MERGED, **STACKED, **MIXED, **ADAPTERS, **EXTRACTED, **EXPERTS,
         **DIFFUSED}  # fmt: skip
_NO_CONV1D = {"adapter_loha", "adapter_lokr", "adapter_oft", "adapter_boft"}
"""Adapters that PEFT refuses on GPT-2's `Conv1D`."""
_OF_WORDS = {"adapter_tokens", "adapter_embedding", "vocab_resize"}
_REFUSED = {
    # mergekit keeps `layer_types` as long as it was, and transformers then refuses the configuration
    "qwen3": set(STACKED) | set(MIXED) | {"quant_gguf", "encoder_alone", "sentence"},
    "gemma3": set(STACKED) | set(MIXED) | {"quant_gguf", "encoder_alone", "sentence"},
    "llama": {"encoder_alone", "sentence"},
    "llama-wide": {"encoder_alone", "sentence"},
    "gpt2": _NO_CONV1D | set(MIXED) | set(EXTRACTED) | {"quant_gguf", "encoder_alone", "sentence"},
    "mixtral": set(MIXED) | {"pruned_width", "quant_gguf", "encoder_alone", "sentence"},
    "bert": {"quant_gguf", "encoder_alone"},
    "t5": {"quant_gguf", "sentence", "pruned_depth"},
    "vit": {"quant_gguf", "sentence", "encoder_alone"} | _OF_WORDS,
    "whisper": {"quant_gguf", "sentence", "pruned_depth", "adapter_embedding"},
}
"""What a tool refuses, or what an architecture has no place for."""
CORE = ("R", "S", "c1", "c2", "c3", "g1", "t1")
"""The small family beside which each other model is also charted alone: roots, fine-tunes, one of c1, one of S."""
DEFAULT_SIZES = {"llama": 44, "gpt2": 38, "llama-wide": 16, "unet": 16}
_CAST_ACCEPT = ["quantized", "finetune", "duplicate", "cast"]
ACCEPT = {
    **dict.fromkeys(CASTS, _CAST_ACCEPT), "lora_merged": ["finetune", "adapter"],
    "body_alone": ["finetune", "duplicate", "quantized"], "encoder_alone": ["finetune", "duplicate"],
    "pipeline": ["finetune", "duplicate"],
    **{name: ["finetune", "duplicate"] for name in ("pruned_width", "pruned_depth", "pruned_depth_slices")},
    "merge_passthrough_self": ["merge", "finetune"],
}  # fmt: skip
"""Relations that count as right; every other kind has the one of its name."""
DERIVED_TUNED = 0.08
"""Share of further models that are fine-tunes of derived ones."""


@dataclass(slots=True)
class FamilyPlan:
    """What to make.

    Attributes:
        architecture: One of `ARCHITECTURES`.
        seed: Of everything.
        nodes: Parents before children.
        core: Places of the small family of `CORE`, in its order.
        width: Of the hidden states.
        layers: Blocks.
        kv_heads: Heads of keys and values, of 4.
        root_steps: Of pretraining.
        short_steps: Of training adapters.
    """

    architecture: str
    seed: int
    nodes: list[Node]
    core: list[int]
    width: int
    layers: int
    kv_heads: int
    root_steps: int = 150
    short_steps: int = 30

    def shorten(self, steps: int) -> None:
        """Train everything for so few steps only, to see that it works."""
        self.root_steps = self.short_steps = steps
        for node in self.nodes:
            node.steps = steps


def allowed(architecture: str) -> list[str]:
    """Return the kinds that the tools can make of an architecture, without plain fine-tunes."""
    if architecture == "unet":
        return ["finetune_bf16", "lora_merged", *CASTS, *DIFFUSED]
    every = {**TUNED, **RESHAPED, **CASTS, **QUANTIZED, **ADAPTERS}
    if architecture in LANGUAGE_MODELS:
        every |= {**MERGED, **STACKED, **MIXED, **EXTRACTED}
    if architecture == "mixtral":
        every |= EXPERTS
    return [kind for kind in every if kind not in _REFUSED[architecture] and kind != "finetune"]


def draw_family(architecture: str, seed: int, *, size: int = 0, kinds: Sequence[str] = ()) -> FamilyPlan:
    """Draw a family.

    Args:
        architecture: One of `ARCHITECTURES`.
        seed: Of everything.
        size: Number of models, the core of 7 included; by architecture where 0.
        kinds: Kinds to make whatever is drawn, each once; those that the architecture does not have are left out.
    """
    rng = random.Random(f"{architecture}-{seed}")
    wide = architecture == "llama-wide"
    plan = FamilyPlan(
        architecture, seed, [], [],
        width=768 if wide else rng.choice((64, 64, 96)), layers=2 if wide else rng.choice((3, 4, 4)),
        kv_heads=rng.choice((2, 4)),
    )  # fmt: skip
    places: dict[str, int] = {}
    for name in CORE:
        parent = {"R": "", "S": "", "g1": "c1", "t1": "S"}.get(name, "R")
        places[name] = _add(plan, rng, "finetune" if parent else "root", [places[parent]] if parent else [])
    plan.core = list(places.values())
    size = size or DEFAULT_SIZES.get(architecture, 26)
    for _ in range(rng.randint(0, max(0, size // 8))):
        _add(plan, rng, "finetune", [rng.choice(_open_places(plan, keeping=True))])
    waiting = _order(rng, allowed(architecture), kinds)
    drawn = 0
    while len(plan.nodes) < size or drawn < len(kinds):
        drawn += 1
        waiting = waiting or _order(rng, allowed(architecture), ())
        _derive(plan, rng, waiting.pop(0))
        if rng.random() < DERIVED_TUNED:
            derived = [place for place in _open_places(plan) if place >= len(CORE)]
            if derived:
                _add(plan, rng, "finetune", [rng.choice(derived)])
    stamp_dates(plan.nodes, rng)
    return plan


def _order(rng: random.Random, kinds: Iterable[str], wanted: Sequence[str]) -> list[str]:
    """Return kinds in the order in which they are made: LoRAs that a merge takes as a part first, then a shuffle."""
    drawn = list(kinds)
    rng.shuffle(drawn)
    first = [kind for kind in drawn if kind in wanted]
    order = first + [kind for kind in drawn if kind not in wanted]
    if "merge_linear_lora" in order and "adapter_lora" in order:
        order.remove("adapter_lora")
        order.insert(order.index("merge_linear_lora"), "adapter_lora")
    return order


def _derive(plan: FamilyPlan, rng: random.Random, kind: str) -> None:
    """Add one model of a kind, if the family has parents for it."""
    rule, nodes = KINDS[kind], plan.nodes
    if kind == "merge_linear_lora":
        adapter = next(place for place, node in enumerate(nodes) if node.kind == "adapter_lora")
        base = nodes[adapter].parents[0]
        others = [p for p in _mergeable(plan) if nodes[p].family == nodes[base].family and p != base]
        _add(plan, rng, kind, [rng.choice([base, *others]), base, adapter])
        return
    if kind == "adapter_extracted":
        tuned = rng.choice(
            [place for place, node in enumerate(nodes) if node.kind == "finetune" and _keeps(plan, place)]
        )
        _add(plan, rng, kind, [*nodes[tuned].parents, tuned])
        return
    if rule.parents == (1, 1):
        keeping = kind.startswith(("adapter", "head", "body", "encoder", "sentence", "pruned", "merge", "quant"))
        pool = _open_places(plan, keeping=keeping or rng.random() < 0.7)
        if kind.startswith("cast"):
            pool = [place for place in pool if nodes[place].dtype == "F32"]
        _add(plan, rng, kind, [rng.choice(pool)])
        return
    family = rng.choices(("R", "S"), (4, 1))[0]
    pool = [place for place in _mergeable(plan) if nodes[place].family == family]
    count = rng.randint(*rule.parents)
    if len(pool) < count:
        family, pool = "R", [place for place in _mergeable(plan) if nodes[place].family == "R"]
    parents = rng.sample(pool, count)
    root = next(place for place, node in enumerate(nodes) if node.family == family)
    _add(plan, rng, kind, [*parents, root] if rule.base else parents)


def _open_places(plan: FamilyPlan, *, keeping: bool = False) -> list[int]:
    """Return models of which others can be made, if wanted only those that have all tensors of their root."""
    return [
        place
        for place, node in enumerate(plan.nodes)
        if node.kind == "root" or (not KINDS[node.kind].leaf and (_keeps(plan, place) or not keeping))
    ]


def _mergeable(plan: FamilyPlan) -> list[int]:
    """Return trained models, and few merges of trained ones, that have all tensors of their root."""

    def fits(node: Node) -> bool:
        few = node.kind in MERGED and node.seed % 4 == 0
        return node.kind in TUNED or (few and all(plan.nodes[p].kind in ("root", *TUNED) for p in node.parents))

    return [place for place in _open_places(plan, keeping=True) if fits(plan.nodes[place])]


def _keeps(plan: FamilyPlan, place: int) -> bool:
    node = plan.nodes[place]
    return node.kind == "root" or (KINDS[node.kind].keeps and all(_keeps(plan, parent) for parent in node.parents[:1]))


def _add(plan: FamilyPlan, rng: random.Random, kind: str, parents: list[int]) -> int:
    place, nodes = len(plan.nodes), plan.nodes
    nodes.append(Node(
        id=draw_id(rng), kind=kind, family=nodes[parents[0]].family if parents else "RS"[place],
        seed=rng.randrange(2**31), parents=parents,
        depth=1 + max((nodes[parent].depth for parent in parents), default=-1),
        corpus=0 if kind == "root" else rng.randrange(1, CORPORA), optimizer=rng.choice(OPTIMIZERS),
        rate=10 ** rng.uniform(-4.3, -2.9), steps=rng.choice((20, 40, 40, 60, 80)),
        dtype=rng.choices(("F32", "BF16"), (3, 1) if parents else (1, 0))[0],
    ))  # fmt: skip
    if kind in ("finetune_bf16", "cast_bf16"):
        nodes[place].dtype = "BF16"
    elif kind in ("cast_fp16", "cast_variant"):
        nodes[place].dtype = "F16"
    elif kind in ("body_alone", "encoder_alone", "pruned_depth_slices", "merge_passthrough_self", "sentence"):
        nodes[place].dtype = nodes[parents[0]].dtype
    return place
