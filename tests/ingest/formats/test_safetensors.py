"""Tests of `ingest/formats/safetensors.py`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from atlas_db.core.errors import WeightsError
from ingest.formats.byte_source import LocalFile
from ingest.formats.safetensors import Header, Tensor, decode_floats, is_readable, read_header, read_values
from tests.support.safetensors_files import header_of

RNG = np.random.default_rng(7)


def raw(path: Path, header: Any, data: bytes = b"", *, length: int | None = None) -> Path:
    """Write a file with a header of our own."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text + data)
    return path


def entry(begin: int, end: int, dtype: str = "F32", shape: tuple[int, ...] | None = None) -> dict[str, Any]:
    return {
        "dtype": dtype,
        "shape": [(end - begin) // 4] if shape is None else list(shape),
        "data_offsets": [begin, end],
    }


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.float16, np.int64, np.int32, np.int8, np.uint8, np.bool_])
def test_what_the_reference_implementation_wrote_is_read(tmp_path: Path, kind: Any) -> None:
    tensors = {
        f"t{n}": (RNG.normal(size=shape) * 9).astype(kind) for n, shape in enumerate([(3, 5), (7,), (2, 2, 4), (0, 4)])
    }
    tensors["scalar"] = np.asarray(3).astype(kind)
    save_file(tensors, tmp_path / "m.safetensors", {"format": "np"})
    with LocalFile(tmp_path / "m.safetensors") as source:
        header = read_header(source)
        assert header.metadata == {"format": "np"}
        assert {t.name: t.shape for t in header.tensors} == {name: value.shape for name, value in tensors.items()}
        for tensor in header.tensors:
            expected = tensors[tensor.name].reshape(-1).astype(np.float32)
            np.testing.assert_array_equal(read_values(source, tensor), expected)
            np.testing.assert_array_equal(read_values(source, tensor, 2, 5), expected[2:5])


@pytest.mark.parametrize(
    ("dtype", "kind"),
    [
        ("BF16", ml_dtypes.bfloat16),
        ("F8_E4M3", ml_dtypes.float8_e4m3fn),
        ("F8_E5M2", ml_dtypes.float8_e5m2),
        ("F8_E4M3FNUZ", ml_dtypes.float8_e4m3fnuz),
        ("F8_E5M2FNUZ", ml_dtypes.float8_e5m2fnuz),
    ],
)
def test_small_floats_agree_with_another_implementation_bit_for_bit(dtype: str, kind: Any) -> None:
    width = np.dtype(kind).itemsize
    codes = np.arange(256**width, dtype=f"u{width}")
    np.testing.assert_array_equal(decode_floats(codes.tobytes(), dtype), codes.view(kind).astype(np.float32))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz"])
def test_eight_bit_floats_that_torch_wrote_are_read(tmp_path: Path, kind: str) -> None:
    import torch
    from safetensors.torch import save_file as save_tensors

    value = (torch.from_numpy(RNG.normal(size=(64, 32))) * 0.1).to(getattr(torch, kind))
    save_tensors({"t": value}, tmp_path / "m.safetensors")
    with LocalFile(tmp_path / "m.safetensors") as source:
        (tensor,) = read_header(source).tensors
        np.testing.assert_array_equal(read_values(source, tensor), value.float().numpy().reshape(-1))


def test_only_what_is_wanted_is_read(tmp_path: Path) -> None:
    save_file({"big": np.zeros((1000, 1000), np.float32)}, tmp_path / "m.safetensors")
    with LocalFile(tmp_path / "m.safetensors") as source:
        (tensor,) = read_header(source).tensors
        read_values(source, tensor, 500_000, 500_064)
        assert source.bytes_read < 1000


def test_nan_and_infinity_come_through(tmp_path: Path) -> None:
    values = np.array([np.nan, np.inf, -np.inf, 1], np.float32)
    save_file({"t": values}, tmp_path / "m.safetensors")
    with LocalFile(tmp_path / "m.safetensors") as source:
        np.testing.assert_array_equal(read_values(source, read_header(source).tensors[0]), values)


A = json.dumps(entry(0, 8)).encode()
LIES = {
    "no header": (b"", b"", None, "is no|too few|has 8 bytes|no safetensors header"),
    "header longer than the file": ({"a": entry(0, 8)}, b"x" * 8, 10**6, "claims a header"),
    "a terabyte of header": ({"a": entry(0, 8)}, b"x" * 8, 2**40, "more than the format allows"),
    "no JSON": (b"hello, world", b"", None, "no safetensors header"),
    "deep JSON": (b"[" * 100_000, b"", None, "no safetensors header"),
    "a list": (b"[1, 2]", b"", None, "no safetensors header"),
    "cut short": ({"a": entry(0, 800)}, b"x" * 8, None, "cut short"),
    "too long": ({"a": entry(0, 8)}, b"x" * 80, None, "no tensor claims"),
    "overlap": ({"a": entry(0, 8), "b": entry(4, 12)}, b"x" * 12, None, "overlaps"),
    "hole": ({"a": entry(0, 4), "b": entry(8, 12)}, b"x" * 12, None, "hole"),
    "negative": ({"a": entry(-4, 0)}, b"x" * 8, None, "impossible"),
    "backwards": ({"a": {"dtype": "F32", "shape": [1], "data_offsets": [8, 4]}}, b"x" * 8, None, "impossible"),
    "shape against size": ({"a": entry(0, 8, shape=(3,))}, b"x" * 8, None, "cannot take"),
    "huge shape": ({"a": entry(0, 8, shape=(2**40, 2**40))}, b"x" * 8, None, "cannot take"),
    "a name twice": (b'{"a": %b, "a": %b}' % (A, A), b"x" * 8, None, "states 'a' twice"),
    "a name twice, once as an escape": (b'{"a": %b, "\\u0061": %b}' % (A, A), b"x" * 8, None, "states 'a' twice"),
    "metadata twice": (
        b'{"__metadata__": {}, "a": %b, "__metadata__": {}}' % A,
        b"x" * 8,
        None,
        "'__metadata__' twice",
    ),
    "a key of the metadata twice": (
        b'{"__metadata__": {"k": ":", "k": ":"}, "a": %b}' % A,
        b"x" * 8,
        None,
        "states 'k' twice",
    ),
    "a key of an entry twice": (b'{"a": {"dtype": "U8", %b}' % A[1:], b"x" * 8, None, "states 'dtype' twice"),
    "a key twice in a list": (b'{"a": {"n": [{"b": 1, "b": 2}], %b}' % A[1:], b"x" * 8, None, "states 'b' twice"),
    "too many sides": ({"a": entry(0, 4, shape=(1,) * 65)}, b"x" * 4, None, "'a' has 65 sides, more than 64"),
    "a side of more than 63 bits": ({"a": entry(0, 8, shape=(2**63,))}, b"x" * 8, None, "impossible"),
    "an offset of more than 63 bits": ({"a": entry(2**63, 2**63)}, b"", None, "impossible"),
    "an offset of thousands of digits": (b'{"a": %b}' % A.replace(b"8]", b"9" * 4300 + b"]"), b"", None, "impossible"),
    "a type of many letters": ({"a": entry(0, 8, "F" * 99)}, b"x" * 8, None, "length <= 32"),
    "no offsets": ({"a": {"dtype": "F32", "shape": [1]}}, b"", None, "no safetensors header"),
}


@pytest.mark.parametrize("lie", LIES)
def test_every_false_header_is_an_error_with_file_and_reason(tmp_path: Path, lie: str) -> None:
    header, data, length, observed = LIES[lie]
    path = raw(tmp_path / "m.safetensors", header, data, length=length)
    with pytest.raises(WeightsError, match=observed) as caught:
        header_of(path)
    assert caught.value.file == str(path)
    assert len(caught.value.reason) < 300


def test_what_a_message_names_is_cut(tmp_path: Path) -> None:
    path = raw(tmp_path / "m.safetensors", {"n" * 9999: entry(0, 8, shape=(2**62,) * 60)}, b"x" * 8)
    with pytest.raises(WeightsError, match=r"tensor 'n{76}\.\.\. of F32 \[.{73}.*\.\.\. cannot take"):
        header_of(path)


def test_colons_in_names_and_texts_are_no_keys(tmp_path: Path) -> None:
    tensors = {"a:b": np.zeros(2, np.float32), 'c":': np.zeros(3, np.float32)}
    metadata = {"format": "pt", "config": '{"a": 1, "a": 2}'}
    save_file(tensors, tmp_path / "m.safetensors", metadata)
    header = header_of(tmp_path / "m.safetensors")
    assert ({each.name for each in header.tensors}, header.metadata) == ({"a:b", 'c":'}, metadata)


@given(st.lists(st.text(max_size=2), max_size=6))
def test_a_repeated_name_is_refused_and_no_other(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    pairs = [f"{json.dumps(name)}:{json.dumps(entry(4 * n, 4 * n + 4))}" for n, name in enumerate(names)]
    path = raw(
        tmp_path_factory.mktemp("names") / "m.safetensors", f"{{{','.join(pairs)}}}".encode(), b"1234" * len(names)
    )
    if len(set(names)) == len(names):
        assert [each.name for each in header_of(path).tensors] == names
    else:
        with pytest.raises(WeightsError, match="twice"):
            header_of(path)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_file_or_an_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.mktemp("any") / "m.safetensors"
    path.write_bytes(data)
    try:
        assert isinstance(header_of(path), Header)
    except WeightsError as error:
        assert error.reason


def test_pointers_and_missing_files(tmp_path: Path) -> None:
    (tmp_path / "m.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    with pytest.raises(WeightsError, match="Git LFS pointer"):
        header_of(tmp_path / "m.safetensors")
    with pytest.raises(WeightsError, match="cannot be opened"):
        LocalFile(tmp_path / "none")
    (tmp_path / "short").write_bytes(b"12345678")
    with LocalFile(tmp_path / "short") as source, pytest.raises(WeightsError, match="ends at byte 8"):
        source.read(4, 12)


def test_tensors_know_their_size() -> None:
    assert Tensor("t", "F32", (3, 4), 0, 48).elements == 12
    assert Tensor("t", "F32", (), 0, 4).elements == 1


def test_tensors_of_unknown_types_keep_their_place_and_cost_no_other(tmp_path: Path) -> None:
    """F4 and F99 are no types that numpy knows; F8_E8M0 holds exponents alone."""
    header = {
        "a": {"dtype": "F4", "shape": [4, 4], "data_offsets": [0, 8]},
        "b": {"dtype": "F99", "shape": [3], "data_offsets": [8, 9]},
        "c": {"dtype": "F8_E8M0", "shape": [3], "data_offsets": [9, 12]},
    }
    text = json.dumps(header).encode()
    path = tmp_path / "m.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + bytes(9) + bytes([127, 128, 126]))
    with LocalFile(path) as source:
        tensors = {tensor.name: tensor for tensor in read_header(source).tensors}
        assert [is_readable(tensors[name].dtype) for name in "abc"] == [False, False, True]
        assert read_values(source, tensors["c"]).tolist() == [1.0, 2.0, 0.5]
