"""Types that threads decode are prepared on import: the first decoding of several threads at once is safe."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from safetensors.numpy import save_file

from atlas_db.core.decoding import MalformedError, decode_json, decode_literal, json_as, read_json, read_toml
from tests.support.malformed import MALFORMED_JSON, MALFORMED_TOML


class _Kind(msgspec.Struct):
    n: int


AT_ONCE = """
import sys, threading
from pathlib import Path
from ingest.formats.byte_source import LocalFile
from ingest.formats.safetensors import read_header
from ingest.weights.tree.scorer import read_scorer, load_scorer

barrier, done = threading.Barrier(8), []

def first() -> None:
    barrier.wait()
    with LocalFile(Path(sys.argv[1])) as source:
        done.append(len(read_header(source).tensors))
    load_scorer(True)

sys.setswitchinterval(1e-6)
threads = [threading.Thread(target=first) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(done)
"""


@pytest.mark.slow
def test_threads_may_be_the_first_to_decode(tmp_path: Path) -> None:
    save_file({"a": np.zeros((2, 2), np.float32), "b": np.ones(3, np.float32)}, tmp_path / "model.safetensors")
    for _ in range(5):
        done = subprocess.run(
            [sys.executable, "-c", AT_ONCE, str(tmp_path / "model.safetensors")],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout.strip()) == (0, str([2] * 8)), done.stderr[-500:]


@pytest.mark.parametrize("body", MALFORMED_JSON.values(), ids=MALFORMED_JSON)
def test_whatever_is_wrong_with_json_is_one_error(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "f.json").write_bytes(body)
    for kind in (_Kind, list[_Kind]):
        with pytest.raises(MalformedError) as caught:
            json_as(body, kind)
        with pytest.raises(MalformedError, match=re.escape(str(caught.value))):
            read_json(tmp_path / "f.json", kind)
        assert 0 < len(str(caught.value)) < 100


@pytest.mark.parametrize("name", MALFORMED_TOML)
def test_whatever_is_wrong_with_toml_is_one_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "f.toml").write_bytes(MALFORMED_TOML[name])
    with pytest.raises(MalformedError) as caught:
        read_toml(tmp_path / "f.toml", _Kind)
    assert 0 < len(str(caught.value)) < 200


def test_files_are_read_up_to_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "f.json").write_bytes(b'{"n": 1}')
    (tmp_path / "f.toml").write_bytes(b"n = 1")
    assert read_json(tmp_path / "f.json", _Kind, 8) == read_toml(tmp_path / "f.toml", _Kind) == _Kind(1)
    monkeypatch.setattr("atlas_db.core.decoding.MAX_TOML", 4)
    with pytest.raises(OSError, match="longer than"):
        read_json(tmp_path / "f.json", _Kind, 7)
    with pytest.raises(OSError, match="longer than"):
        read_toml(tmp_path / "f.toml", _Kind)
    with pytest.raises(FileNotFoundError):
        read_toml(tmp_path / "none.toml", _Kind)


@pytest.mark.parametrize("digits", [20, 4300, 4301, 9000])
def test_an_integer_of_any_number_of_digits_costs_nothing_but_itself(digits: int) -> None:
    found, replaced = decode_json(b'{"id": "a/b", "n": %b, "m": -%b, "o": 7}' % (b"9" * digits, b"9" * digits))
    assert (found["id"], found["o"], replaced) == ("a/b", 7, False)
    assert found["n"] > 2**63 and found["m"] < -(2**63)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{b'a': (1, None), ('x', b'y'): {2}, 2: 1j, None: ..., True: b'\\xff'}",
         {"a": [1, None], """["x", "b'y'"]""": [2], "2": "1j", "null": "Ellipsis", "true": "\ufffd"}),
        ("[0x" + "f" * 300 + ", -0x" + "f" * 300 + "]", [float("inf"), float("-inf")]),
        (" 'a' ", "a"),
    ],
)  # fmt: skip
def test_literals_are_read_as_json_has_them(text: str, value: object) -> None:
    assert decode_literal(text) == value


@pytest.mark.parametrize(
    "text", ["'\\x'", "'a\nb'", "a", "[" * 300, "", "f()", "{[]: 1}", "9" * 5000, "{0x" + "f" * 9000 + ": 1}", "\0"]
)
def test_what_is_no_literal_is_named(text: str) -> None:
    with pytest.raises(MalformedError, match="no literal of Python"):
        decode_literal(text)


def test_literals_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("atlas_db.core.decoding.MAX_LITERAL", 3)
    assert decode_literal("[1]") == [1]
    with pytest.raises(MalformedError, match="longer than"):
        decode_literal("[12]")
