"""A plan of lineage, drawn at random: no two seeds share sizes, depths, hubs or the mix of relations.

Pure: it needs nothing but the standard library, and the same seed gives the same plan on every machine.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

PLACEHOLDER = "2022-03-02T23:29:04.000Z"
"""The Hub's date for everything older than its own record of dates: it means unknown."""
PLACEHOLDER_SHARE, WRONG_SHARE = 0.05, 0.03
WEIGHTS = {
    "finetune": 34, "continued": 5, "lora_merged": 7, "adapter": 6,
    "merge_linear": 4, "merge_slerp": 3, "merge_task": 3, "merge_ties": 3, "merge_dare": 2,
    "quant_int8_deq": 3, "quant_int4_deq": 3, "quant_int8": 3, "quant_int4": 3, "quant_gguf": 4,
    "cast_bf16": 3, "cast_fp16": 2, "prune": 3, "vocab_resize": 2, "permuted": 2, "permuted_ft": 2,
    "duplicate": 4, "nan": 1, "pickle": 1, "truncated": 1, "header_lie": 1,
}  # fmt: skip
TRAINED = frozenset({"finetune", "continued", "lora_merged", "permuted_ft", "vocab_resize"})
LEAVES = frozenset({
    "adapter", "quant_int8_deq", "quant_int4_deq", "quant_int8", "quant_int4", "quant_gguf",
    "duplicate", "nan", "pickle", "truncated", "header_lie",
})  # fmt: skip
"""Kinds nothing is made of: as 99.4 % of the Hub's quantized models (Horwitz 2025), and copies, which none can tell."""
DAMAGED = frozenset({"pickle", "truncated", "header_lie"})
ACCEPT = {
    "adapter": ["adapter"],
    "lora_merged": ["finetune", "adapter"],
    "prune": ["finetune", "quantized", "prune"],
    "permuted": ["finetune", "duplicate", "permuted"],
    "permuted_ft": ["finetune", "permuted"],
    "duplicate": ["finetune", "duplicate", "quantized"],
    "cast_bf16": ["quantized", "finetune", "duplicate", "cast"],
    "cast_fp16": ["quantized", "finetune", "duplicate", "cast"],
}
"""Relations that count as right; every other kind has the one of its name."""
OPTIMIZERS = ("adamw", "adamw", "adam", "sgd", "adamw_heavy", "lion")
AUTHORS = ("aldernet", "brightfox", "cobalt-lab", "deepmoss", "emberworks", "fernlab", "gritty", "halcyon", "inkwell")
FIRST = ("amber", "brisk", "calm", "dusky", "eager", "faint", "gilded", "hollow", "ivory", "jolly", "keen", "lunar")
SECOND = ("badger", "cedar", "dove", "elk", "finch", "grouse", "heron", "ibis", "jackal", "kestrel", "lynx", "marten")


@dataclass(slots=True)
class Node:
    """One model to make.

    Attributes:
        id: Its name on the Hub.
        kind: How it is made.
        family: Name of its root's family.
        seed: For everything drawn while it is made.
        parents: Indices of the models it is made of, the base of a task-vector merge last.
        depth: Steps from the root.
        created_at: Date as the Hub states it; None where it states none.
        made_at: When it was really made, days since the first root.
        corpus: What it was trained on.
        optimizer: How.
        rate: Learning rate.
        steps: Of training.
        dtype: How it is stored: F32, BF16 or F16.
    """

    id: str
    kind: str
    family: str
    seed: int
    parents: list[int] = field(default_factory=list)
    depth: int = 0
    created_at: str | None = None
    made_at: float = 0.0
    corpus: int = 0
    optimizer: str = "adamw"
    rate: float = 1e-3
    steps: int = 100
    dtype: str = "F32"

    @property
    def relation(self) -> str:
        """Relation to the parents in the words of the atlas."""
        if self.kind.startswith("merge_"):
            return "merge"
        if self.kind.startswith(("quant_", "cast_")):
            return "quantized"
        if self.kind.startswith("adapter"):
            return "adapter"
        return "duplicate" if self.kind in ("duplicate", "permuted") else "finetune"


@dataclass(slots=True)
class Plan:
    """What to make.

    Attributes:
        nodes: Parents before children.
        hidden: Width of the models; a multiple of 32.
        layers: Their depth.
        corpora: Number of corpora to train on.
    """

    nodes: list[Node]
    hidden: int
    layers: int
    corpora: int


def draw(seed: int, *, families: int = 0, size: int = 0) -> Plan:
    """Draw a plan.

    Args:
        seed: Of everything.
        families: Number of families with descendants; drawn from 1 to 4 where 0.
        size: Mean number of models in a family; drawn where 0.
    """
    rng = random.Random(seed)
    plan = Plan([], hidden=rng.choice((64, 64, 96)), layers=rng.choice((2, 3)), corpora=rng.randint(4, 9))
    for number in range(families or rng.randint(1, 4)):
        _family(plan, rng, f"f{number}", max(3, round((size or rng.randint(12, 40)) * rng.uniform(0.6, 1.4))))
    for number in range(rng.randint(1, 4)):
        _add(plan, rng, "root", f"twin{number}", [])
    if len({node.family for node in plan.nodes}) > 2 and rng.random() < 0.5:
        tuned = [i for i, node in enumerate(plan.nodes) if node.kind == "finetune" and not _resized(plan, [i])]
        pair = rng.sample(tuned, 2) if len(tuned) > 1 else []
        if len({plan.nodes[index].family for index in pair}) == 2:
            _add(plan, rng, "merge_linear", plan.nodes[pair[0]].family, pair)
    stamp_dates(plan.nodes, rng)
    return plan


def _family(plan: Plan, rng: random.Random, family: str, size: int) -> None:
    """Grow one family: a new model attaches to the root, to a popular model, to the newest, or to any."""
    root = _add(plan, rng, "root", family, [])
    style = [rng.uniform(0.2, 2), rng.uniform(0.2, 2), rng.uniform(0.1, 1.5), rng.uniform(0.2, 1)]
    mix = {kind: weight * rng.uniform(0.3, 2.0) for kind, weight in WEIGHTS.items()}
    members, popularity = [root], {root: 1.0}
    while len(members) < size:
        kind = rng.choices(list(mix), list(mix.values()))[0]
        open_ones = [index for index in members if plan.nodes[index].kind not in LEAVES]
        how = rng.choices(["root", "popular", "newest", "any"], style)[0]
        parent = {
            "root": root,
            "popular": rng.choices(open_ones, [popularity[index] for index in open_ones])[0],
            "newest": open_ones[-1],
            "any": rng.choice(open_ones),
        }[how]
        parents = [parent]
        if kind.startswith("cast_") and plan.nodes[parent].dtype != "F32":
            continue
        if kind.startswith("merge_"):
            made = [i for i in open_ones if plan.nodes[i].kind in TRAINED or plan.nodes[i].kind.startswith("merge_")]
            made = [i for i in made if plan.nodes[i].kind != "vocab_resize"]
            count = 2 if kind == "merge_slerp" else rng.choice((2, 2, 3))
            if len(made) < count or _resized(plan, made):
                continue
            parents = rng.sample(made, count)
            if kind not in ("merge_linear", "merge_slerp"):
                parents.append(root)
        child = _add(plan, rng, kind, family, parents)
        members.append(child)
        popularity[child] = 1.0
        for index in parents:
            popularity[index] += 2.0


def _resized(plan: Plan, candidates: list[int]) -> bool:
    """Whether any of them has, or comes from one that has, another vocabulary: such are not merged."""

    def changed(index: int) -> bool:
        return plan.nodes[index].kind == "vocab_resize" or any(changed(parent) for parent in plan.nodes[index].parents)

    return any(changed(index) for index in candidates)


def _add(plan: Plan, rng: random.Random, kind: str, family: str, parents: list[int]) -> int:
    index = len(plan.nodes)
    plan.nodes.append(Node(
        id=draw_id(rng),
        kind=kind, family=family, seed=rng.randrange(2**31), parents=parents,
        depth=1 + max((plan.nodes[parent].depth for parent in parents), default=-1),
        corpus=0 if kind in ("root", "continued") else rng.randrange(1, plan.corpora),
        optimizer=rng.choice(OPTIMIZERS),
        rate=10 ** rng.uniform(-4.3, -2.9), steps=rng.choice((30, 60, 60, 120, 200)),
        dtype=rng.choices(("F32", "BF16", "F16"), (6, 3, 1))[0],
    ))  # fmt: skip
    node = plan.nodes[index]
    if kind in ("permuted", "duplicate"):
        node.dtype = plan.nodes[parents[0]].dtype
    node.dtype = {"cast_bf16": "BF16", "cast_fp16": "F16"}.get(kind, node.dtype)
    return index


def draw_id(rng: random.Random) -> str:
    """Return an id in the form of the Hub, without a hint at the model."""
    return f"{rng.choice(AUTHORS)}/{rng.choice(FIRST)}-{rng.choice(SECOND)}-{rng.randrange(16**4):04x}"


def stamp_dates(nodes: Sequence[Node], rng: random.Random) -> None:
    """Give every model a date after those of its parents; some are stated wrongly, or not at all."""
    start = datetime(2023, 1, 1, tzinfo=UTC)
    for node in nodes:
        after = max((nodes[parent].made_at for parent in node.parents), default=rng.uniform(0, 30))
        node.made_at = after + rng.expovariate(1 / 12) + 0.01
        stated, roll = node.made_at, rng.random()
        if roll < PLACEHOLDER_SHARE:
            node.created_at = PLACEHOLDER
            continue
        if roll < PLACEHOLDER_SHARE + WRONG_SHARE:
            stated = rng.uniform(0, 300)
        node.created_at = (start + timedelta(days=stated)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
