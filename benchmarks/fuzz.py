"""Mutated inputs for every reader of foreign text: how many, and which exception was none that the reader names.

`python -m benchmarks.fuzz --seconds 60` fuzzes each target for a minute. What is found goes into a folder.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import io
import json
import math
import random
import struct
import tempfile
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard
from safetensors.numpy import save_file

from atlas_db.cards.front_matter import split_card, value_lines
from atlas_db.catalogue.expressions import parse_expression
from atlas_db.compliance.gate import read_policy
from atlas_db.core.errors import FAULT, AtlasError, RecordError
from atlas_db.core.settings import load_settings
from atlas_db.licenses.suppressions import read_suppressions
from atlas_db.pipeline.config import options_of, read_config
from atlas_db.store.bolt_values import require_sendable
from cypher.query_library import parse_value, queries
from ingest.formats.open_model import open_model
from ingest.hub import snapshot
from ingest.hub.array_items import array_items
from ingest.hub.decode import decode_record
from ingest.hub.field_values import day_of
from ingest.hub.merge_config import merge_terms
from ingest.hub.record_ids import record_id
from ingest.hub.snapshot import (
    SNAPSHOT_FILE,
    SourceFile,
    newest_date,
    read_records,
    read_snapshot_file,
    repeated_ids,
)
from ingest.weights.fingerprints.batch import fingerprint_all
from ingest.weights.fingerprints.model_files import find_models

ROWS = [
    {"id": "a/b", "modelId": "a/b", "tags": ["license:mit", "base_model:finetune:c/d", "arxiv:2401.00001"],
     "createdAt": "2024-01-02T03:04:05.000Z", "downloads": 7, "gated": False, "pipeline_tag": "text-generation"},
    {"id": "c/d", "cardData": {"base_model": ["e/f"], "datasets": "g/h", "language": ["en"], "license": "other"},
     "safetensors": {"total": 12, "parameters": {"F32": 12}}, "siblings": [{"rfilename": "config.json"}]},
    {"id": "e/f", "info": {"id": "e/f", "config": {"model_type": "llama"}}, "card": "---\nlicense: mit\n---\n# Hi"},
]  # fmt: skip
CARDS = [
    "---\nlanguage: [en, no]\nlicense: apache-2.0\nbase_model:\n- a/b\nmodel-index:\n- name: x\n  results: []\n---\n",
    "---\na: &x {b: [1, 2.5, null]}\nc: *x\nd: !!str 7\ne: 'f'\ng: |\n  h\n---\n",
    "---\nlicense: !!int 7\na: [!!float 1.5, !!bool true, !!timestamp 2024-05-06, !!binary aGk=]\nb: !!set {b}\n---\n",
    "---\nlicense: {1: {!!binary aGk=: mit}}\na: !!omap [{b: 1}]\nc: !!pairs [{2: 2}]\n!!merge d: {e: !!int ''}\n---\n",
]
LICENSES = ["MIT OR (Apache-2.0 AND BSD-3-Clause)", "GPL-2.0-or-later WITH Classpath-exception-2.0", "gpl v3+, mit"]
SUPPRESSIONS = ['[[suppress]]\nmodel = "a/b"\nreason = "checked"\nexpires = 2099-01-01\nrule = "r"\n']
TOML = [
    'as_of = 2024-05-06\nkind = "dataset"\nfields = ["a", "b"]\nrows = 7\n',
    'default = "ask"\nprofile = "default"\n[[rule]]\ndecision = "deny"\nreason = "no"\nlicenses = ["mit"]\n',
    'hub = ["a.jsonl"]\nout = "o"\nweights = "w"\n',
    'store = "local"\nidle_minutes = 1.5\n[a.b]\nc = {d = [1, {e = 07:32:00}]}\n',
    f"a = {'[' * 400}{']' * 400}\n{'b.' * 400}b = 1\n",
    *SUPPRESSIONS,
]
LISTINGS = [
    '{"id": "a/b", "folder": "m", "created_at": "2024-01-02T03:04:05.000Z"}\n{"id": "c/d", "folder": "m"}\n',
    '[{"id": "https://huggingface.co/a/b", "folder": "./m/../m", "created_at": null}, {"id": "x", "folder": "n"}]',
    f'{{"id": "a/b", "folder": "m", "x": {"[" * 400}{"]" * 400}}}\n',
]
MODULES = [
    '[{"idx": 0, "name": "0", "path": "", "type": "x"}, {"idx": 1, "name": "1", "path": "2_Dense", "type": "y"}]',
    f'[{{"path": "2_Dense", "x": {"[" * 400}{"]" * 400}}}]',
]
"""Lists of the modules of a sentence-transformers model."""
PIECES = [
    *(bytes([number]) for number in (0, 10, 13, 27, 34, 39, 44, 45, 58, 91, 92, 93, 123, 125, 127, 128, 255)),
    b"null", b"NaN", b"-1", b"9" * 25, b"1e999", b'""', b"[]", b"{}", b"\\ud800", b"\xc3\xa9", b"- ", b"? ",
    b"&a ", b"*a", b"!!int ", b"!!set ",
    b"OR", b"WITH", b"(", b"\xef\xbb\xbf", b"datasets/", b"/", b"2023-02-29", b"%", b"---\n",
]  # fmt: skip


def mutated(seed: bytes, rng: random.Random) -> bytes:
    """Return an input with some bytes inserted, removed, replaced or doubled."""
    body = bytearray(seed)
    for _ in range(rng.randint(1, 6)):
        at = rng.randint(0, len(body))
        match rng.randrange(4):
            case 0:
                body[at:at] = rng.choice(PIECES)
            case 1:
                del body[at : at + rng.randint(1, 12)]
            case 2:
                body[at : at + rng.randint(1, 4)] = rng.choice(PIECES)
            case _:
                part = body[at : at + rng.randint(1, 24)]
                body[at:at] = part * rng.randint(1, 3)
    return bytes(body)


def parquet_file() -> bytes:
    """Return a list as Parquet."""
    out = io.BytesIO()
    columns = {
        "id": ["a/b", "c/d"],
        "tags": [["license:mit"], None],
        "createdAt": ["2024-01-02", None],
        "likes": [1, 2],
    }
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def read_list(body: bytes, folder: Path) -> None:
    """Go over a file of records as a load does."""
    file = folder / "rows"
    file.write_bytes(body)
    source = SourceFile(file, "rows")
    newest_date(source)
    repeated_ids([source])
    for raw in read_records(source):
        if raw.problem is None:
            # The two passes above hide what they cannot read, and so a fault, too.
            list(map(day_of, filter(None, snapshot._dates(raw.text))))
            with contextlib.suppress(RecordError):
                record_id(snapshot._identifier(raw.text), None)
            with contextlib.suppress(RecordError):
                decode_record(raw.text)


def read_card(body: bytes, _: Path) -> None:
    """Read a card as a record has it, with the lines of its values, and its front matter as that of a merge."""
    text = body.decode("utf-8", errors="replace")
    value_lines(text)
    merge_terms(split_card(text)[0])
    decode_record(json.dumps({"id": "a/b", "card": text}).encode())


def read_suppression_file(body: bytes, folder: Path) -> None:
    """Read a file of suppressions."""
    file = folder / "suppress.toml"
    file.write_bytes(body)
    read_suppressions(file, date(2024, 1, 1), frozenset({"r"}))


def read_toml_file(body: bytes, folder: Path) -> None:
    """Read a file as each of those that are written in TOML."""
    file = folder / SNAPSHOT_FILE
    file.write_bytes(body)
    read_snapshot_file(folder)
    for read in (
        lambda: read_suppressions(file, date(2024, 1, 1), frozenset({"r"})),
        lambda: read_policy(file),
        lambda: options_of(read_config(file)),
        lambda: load_settings(environ={}, config=file),
    ):
        with contextlib.suppress(AtlasError):
            read()


def find_in(body: bytes, folder: Path, name: str) -> None:
    """Look for models in a folder that has this file, and make their fingerprints."""
    root = folder / "zoo"
    for place in (root / "m", root / "m" / "2_Dense"):
        if not place.exists():
            place.mkdir(parents=True)
            save_file({"lm_head.weight": np.ones((2, 32), np.float16)}, place / "model.safetensors")
    (root / name).write_bytes(body)
    models = find_models([root])
    report = fingerprint_all(models, folder / "prints.parquet", lambda *_: None, executor=ThreadPoolExecutor(1))
    (folder / "prints.parquet").unlink()
    if faults := [problem for problem in report.failed.values() if FAULT_WORDS in problem]:
        raise RuntimeError(faults[0])


def read_parameters(body: bytes, _: Path) -> None:
    """Convert a text as every parameter of the shipped queries, and check what would be sent."""
    text = body.decode("utf-8", errors="surrogateescape")
    for query in queries().values():
        for parameter in query.parameters:
            with contextlib.suppress(AtlasError):
                require_sendable({parameter.name: parse_value(parameter, text)})


FAULT_WORDS = "a fault of atlas-db"
FIXTURES = Path(__file__).parent.parent / "tests" / "ingest" / "formats"
MOST_DATA = 2**20
"""Bytes of weights that a header gets, at most."""


def safetensors_headers() -> list[bytes]:
    """Return the headers of small files of real tools, one or more a format, without what tests expect of them."""
    headers = []
    for file in sorted((FIXTURES / "quantized" / "data").glob("*.safetensors")):
        data = file.read_bytes()
        stated = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
        headers.append(json.dumps({name: each for name, each in stated.items() if "expected:" not in name}).encode())
    return [*headers, json.dumps(LORA).encode()]


LORA = {"__metadata__": {"ss_network_dim": "4", "ss_network_alpha": "4", "ss_sd_model_name": "o/base"}} | {
    f"lora_unet_down_blocks_0_attentions_0_proj_in.lora_{end}.weight": {
        "dtype": "F16", "shape": shape, "data_offsets": [start, start + 64]
    }
    for end, shape, start in (("down", [4, 8], 0), ("up", [8, 4], 64))
}  # fmt: skip
"""Header of an adapter as kohya's scripts write it."""
CONFIGURATIONS = (
    {"peft_type": "LORA", "base_model_name_or_path": "a/b", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj"],
     "trainable_token_indices": {"embed_tokens": [1, 2]}},
    {"weight_map": {"lm_head.weight": "model.safetensors"}, "metadata": {"total_size": 16}},
    {"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet2DConditionModel"], "vae": [None, None]},
    {"model_type": "llama", "hidden_size": 8, "num_attention_heads": 2, "num_key_value_heads": 1,
     "tie_word_embeddings": True, "quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": 8},
     "text_config": {"num_hidden_layers": 1}},
)  # fmt: skip
CONFIGURED = ("config.json", "adapter_config.json", "model.safetensors.index.json", "model_index.json")
"""Files of a folder that say what its weights are."""


def read_configuration(body: bytes, folder: Path) -> None:
    """Open models of one small file each, one for each file that may state what its weights are."""
    header = json.dumps({"lm_head.weight": {"dtype": "F16", "shape": [2, 4], "data_offsets": [0, 16]}}).encode()
    for name in CONFIGURED:
        place = folder / name.partition(".")[0]
        place.mkdir(exist_ok=True)
        (place / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(16))
        (place / name).write_bytes(body)
        with contextlib.suppress(AtlasError):
            read_weights(place)


def read_weights(folder: Path) -> None:
    """Open a model, and read rows of all of its matrices."""
    with open_model(folder) as model:
        for matrix in model.matrices.values():
            matrix.read(np.arange(min(matrix.rows, 2)))


def read_safetensors_header(header: bytes, folder: Path) -> None:
    """Read a model of zeros that has this header, with the configuration that its free text holds."""
    try:
        stated = msgspec.json.decode(header, type=dict[str, dict[str, object]])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        stated = {}
    stops = [each.get("data_offsets") for each in stated.values()]
    size = max((stop[-1] for stop in stops if isinstance(stop, list) and stop and isinstance(stop[-1], int)), default=0)
    data = bytes(min(max(size, 0), MOST_DATA))
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + data)
    (folder / "config.json").write_text(str(stated.get("__metadata__", {}).get("config.json", "{}")))
    read_weights(folder)


def gguf_file() -> bytes:
    """Return a small GGUF file: two pairs, a matrix in Q8_0, and one of all experts in MXFP4."""
    text = lambda value: struct.pack("<Q", len(value)) + value  # noqa: E731
    pairs = [
        text(b"general.architecture") + struct.pack("<I", 8) + text(b"llama"),
        text(b"llama.attention.head_count") + struct.pack("<II", 4, 2),
    ]
    tensors = [
        text(b"blk.0.attn_q.weight") + struct.pack("<IQQIQ", 2, 64, 8, 8, 0),
        text(b"blk.0.ffn_up_exps.weight") + struct.pack("<IQQQIQ", 3, 64, 4, 2, 39, 1088),
    ]
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(pairs)) + b"".join(pairs + tensors)
    return head + bytes(-len(head) % 32) + bytes(2048)


def read_file(name: str) -> Callable[[bytes, Path], object]:
    """Return a reader of a model that is one file of this name."""

    def read(body: bytes, folder: Path) -> None:
        (folder / name).write_bytes(body)
        read_weights(folder)

    return read


Target = tuple[list[bytes], Callable[[bytes, Path], object]]
LINES = "\n".join(map(json.dumps, ROWS)).encode()
TARGETS: dict[str, Target] = {
    "records": ([json.dumps(row).encode() for row in ROWS], lambda body, _: decode_record(body)),
    "lists": ([LINES, json.dumps(ROWS).encode(), gzip.compress(LINES), zstandard.compress(LINES)], read_list),
    "parquet": ([parquet_file()], read_list),
    "arrays": ([json.dumps(ROWS).encode()], lambda body, _: list(array_items(b"[" + body, io.BytesIO(), 10**6))),
    "cards": ([text.encode() for text in CARDS], read_card),
    "licences": (
        [text.encode() for text in LICENSES],
        lambda body, _: parse_expression(body.decode("utf-8", errors="replace")),
    ),
    "toml": ([text.encode() for text in TOML], read_toml_file),
    "listing": ([text.encode() for text in LISTINGS], lambda body, folder: find_in(body, folder, "hub.jsonl")),
    "modules": ([text.encode() for text in MODULES], lambda body, folder: find_in(body, folder, "m/modules.json")),
    "suppressions": ([text.encode() for text in SUPPRESSIONS], read_suppression_file),
    "parameters": ([b"7", b"-1", b".5", b"1e999", b"true", b"a/b", b"mit, apache-2.0", b"downloads"], read_parameters),
    "safetensors": (safetensors_headers(), read_safetensors_header),
    "configurations": ([json.dumps(each).encode() for each in CONFIGURATIONS], read_configuration),
    "gguf": ([gguf_file()], read_file("model.gguf")),
    "onnx": (
        [file.read_bytes() for file in sorted((FIXTURES / "onnx_files" / "data").glob("*.onnx"))],
        read_file("model.onnx"),
    ),
}


@dataclass(slots=True)
class FuzzReport:
    """What fuzzing of a target found.

    Attributes:
        inputs: Inputs that were tried.
        slowest: Seconds of the slowest one.
        uncaught: One input of each exception that is none of the reader's, by the place that raised it.
    """

    inputs: int = 0
    slowest: float = 0.0
    uncaught: dict[str, bytes] = field(default_factory=dict)


def is_named(error: Exception) -> bool:
    """Return whether an exception is one that a reader names: of ours, and none that stands for a fault."""
    return isinstance(error, AtlasError) and not (isinstance(error, RecordError) and error.code == FAULT)


class _Uncaught(contextlib.AbstractContextManager[None]):
    """Keeps an exception that is none of ours, and lets the fuzzing go on."""

    def __init__(self, report: FuzzReport, body: bytes) -> None:
        self._report, self._body = report, body

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, Exception):
            return False
        if is_named(error):
            return True
        error = error.__cause__ or error
        place = traceback.extract_tb(error.__traceback__)[-1]
        self._report.uncaught.setdefault(f"{type(error).__name__} at {place.filename}:{place.lineno}", self._body)
        return True


def fuzz(name: str, *, seed: int, seconds: float = math.inf, inputs: float = math.inf) -> FuzzReport:
    """Fuzz a target until a limit is met. Mutants that are read without an error become seeds as well.

    Args:
        name: One of `TARGETS`.
        seed: Seed of the mutations.
        seconds: How long, at most.
        inputs: How many inputs, at most.
    """
    corpus, read = TARGETS[name]
    corpus, rng, report = list(corpus), random.Random(f"{name} {seed}"), FuzzReport()
    with tempfile.TemporaryDirectory() as folder:
        end = time.monotonic() + seconds
        while report.inputs < inputs and (began := time.monotonic()) < end:
            body = mutated(rng.choice(corpus), rng)
            with _Uncaught(report, body):
                read(body, Path(folder))
                if len(body) < 5000 and len(corpus) < 2000 and rng.random() < 0.01:
                    corpus.append(body)
            report.inputs += 1
            report.slowest = max(report.slowest, time.monotonic() - began)
    return report


def main() -> int:
    """Fuzz the targets, print a table, and return 1 where something was not caught."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("targets", nargs="*", help="all by default")
    parser.add_argument("--seconds", type=float, default=30.0, help="for each target")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("fuzz-found"), help="folder of inputs that were not caught")
    given = parser.parse_args()
    failed = 0
    for name in given.targets or TARGETS:
        report = fuzz(name, seconds=given.seconds, seed=given.seed)
        print(f"{name:<13}{report.inputs:>10,} inputs, slowest {report.slowest:.2f} s, {len(report.uncaught)} uncaught")
        for number, (place, body) in enumerate(report.uncaught.items()):
            given.out.mkdir(exist_ok=True)
            (given.out / f"{name}-{given.seed}-{number}").write_bytes(body)
            print(f"  {place}")
        failed += len(report.uncaught)
    return int(failed > 0)


if __name__ == "__main__":
    raise SystemExit(main())
