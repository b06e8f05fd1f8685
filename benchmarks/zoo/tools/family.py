"""Carry a family's plan out: every model in order by its tool, then the truth. What is there is not made again."""

from __future__ import annotations

import contextlib
import json
import logging
import random
import shutil
import warnings
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
import transformers

from benchmarks.zoo.make import write_truth
from benchmarks.zoo.plan import Node
from benchmarks.zoo.tools import adapters, compressed, merged, reshaped, trained
from benchmarks.zoo.tools.architectures import Lessons
from benchmarks.zoo.tools.draws import ACCEPT, FamilyPlan
from benchmarks.zoo.tools.workshop import Maker, Workshop, forget_paths

TOOLS = ("bitsandbytes", "diffusers", "mergekit", "peft", "sentence-transformers", "torch", "transformers")
MAKERS: dict[str, Maker] = {
    "root": trained.make_root, "finetune": trained.make_finetune, "finetune_bf16": trained.make_finetune,
    "lora_merged": trained.make_merged_lora, "head_swap": reshaped.swap_head, "body_alone": reshaped.save_body,
    "vocab_resize": reshaped.pad_words, "pruned_width": reshaped.cut_neurons, "pruned_depth": reshaped.cut_layers,
    "encoder_alone": reshaped.save_encoder, "sentence": reshaped.save_sentence_model, "cast": compressed.cast,
    "quant_bnb": compressed.quantize_bitsandbytes, "quant_gguf": compressed.quantize_gguf, "merge": merged.merge,
    "pruned_depth_slices": merged.cut_slices, "merge_moe": merged.mix_experts, "adapter": adapters.adapt,
    "adapter_extracted": merged.extract, "adapter_diffusers": adapters.diffuse, "adapter_kohya": adapters.diffuse,
    "pipeline": compressed.save_pipeline,
}  # fmt: skip
"""By the beginning of a kind's name; the longest that fits counts."""
RECORDS = ".made"
"""Folder of one file a model: what was drawn while it was made."""


def make_family(plan: FamilyPlan, out: Path, progress: Callable[[str], None] = lambda text: None) -> None:
    """Make all models of a plan that are not there yet.

    Args:
        plan: What to make.
        out: Folder of the zoo; gets a folder a model, `hub.jsonl` (what a crawler sees) and `truth.json`.
        progress: Called for every model that is made.
    """
    (out / RECORDS).mkdir(parents=True, exist_ok=True)
    work = Workshop(plan, Lessons.of(plan))
    with contextlib.chdir(out), _alone():
        for node in plan.nodes:
            record = Path(RECORDS, node.id.replace("/", "--") + ".json")
            if not record.is_file():
                record.write_text(json.dumps(_make(work, node)))
                progress(f"{node.id} {node.kind}")
    records = [json.loads((out / RECORDS / f"{node.id.replace('/', '--')}.json").read_text()) for node in plan.nodes]
    for node, record in zip(plan.nodes, records, strict=True):
        node.optimizer, node.rate, node.steps, node.dtype = (record.pop(key) for key in _OF_NODE)
    core = {plan.nodes[place].id for place in plan.core}
    what = {
        "scenario": "real-tools", "architecture": plan.architecture, "seed": plan.seed,
        "core": sorted(core), "tools": {name: version(name) for name in TOOLS},
    }  # fmt: skip
    write_truth(out, plan.nodes, records, what, ACCEPT)


_OF_NODE = ("optimizer", "rate", "steps", "dtype")


def _make(work: Workshop, node: Node) -> dict[str, Any]:
    """Make one model, and return what was drawn for it."""
    maker = MAKERS[max((start for start in MAKERS if node.kind.startswith(start)), key=len)]
    torch.manual_seed(node.seed)
    random.seed(node.seed)
    np.random.seed(node.seed)
    folder = Path(node.id)
    shutil.rmtree(folder, ignore_errors=True)
    detail = maker(work, node, folder)
    forget_paths(folder)
    return detail | {key: getattr(node, key) for key in _OF_NODE}


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """One thread, no bars, and no warnings of the tools."""
    threads, before = torch.get_num_threads(), transformers.logging.get_verbosity()
    torch.set_num_threads(1)
    for tool in (transformers.logging, diffusers.logging):
        tool.set_verbosity_error()
        tool.disable_progress_bar()
    logging.getLogger("mergekit").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    torch.set_num_threads(threads)
    transformers.logging.set_verbosity(before)
