"""Tests of `ingest/formats/onnx_files/protobuf_fields.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from atlas_db.core.errors import WeightsError
from ingest.formats.byte_source import LocalFile
from ingest.formats.onnx_files.protobuf_fields import Field, ProtobufFile


def opened(folder: Path, data: bytes) -> ProtobufFile:
    (folder / "m").write_bytes(data)
    return ProtobufFile(LocalFile(folder / "m"))


def test_fields_of_all_kinds(tmp_path: Path) -> None:
    """Field 1 = 150, field 2 = "testing", field 3 in 4 bytes, field 4 = [3, 270] in a row, as the format's guide has."""
    data = b"\x08\x96\x01" + b"\x12\x07testing" + b"\x1d\x00\x00\x80\x3f" + b"\x22\x03\x03\x8e\x02"
    file = opened(tmp_path, data)
    found = list(file.fields(0, len(data)))
    assert [field.number for field in found] == [1, 2, 3, 4]
    assert found[0].value == 150
    assert file.text(found[1]) == "testing"
    assert found[2] == Field(3, 0, 13, 17)
    assert file.numbers(found[3]) == [3, 270]
    assert file.numbers(found[0]) == [150]


def test_what_is_held_is_not_read(tmp_path: Path) -> None:
    length = 2**20
    data = b"\x0a\x80\x80\x40" + bytes(length) + b"\x10\x05"
    file = opened(tmp_path, data)
    assert [field.number for field in file.fields(0, len(data))] == [1, 2]
    assert file.source.bytes_read < length / 4


@pytest.mark.parametrize("data", [b"\x0a\x05ab", b"\x08", b"\x08" + b"\xff" * 12, b"\x0b\x00", b"\x09\x00"])
def test_a_message_that_is_cut_short_or_lies_is_named(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(WeightsError):
        list(opened(tmp_path, data).fields(0, len(data)))
