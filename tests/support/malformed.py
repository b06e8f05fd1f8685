"""Files of JSON and TOML that no reader may trip over: each of them costs what it would have stated, with a reason."""

from __future__ import annotations

DEEP = 1500
"""Levels that are more than a reader follows."""
MALFORMED_JSON = {
    "empty": b"",
    "cut": b"{",
    "not UTF-8": b'{"a": "\xff", "path": "\xff"}',
    "deep": b'{"a": ' + b"[" * DEEP + b"]" * DEEP + b"}",
    "digits": b'[{"a": 1%b}]' % (b"0" * 4300),
    "a number": b"7",
    "null": b"null",
    "a list of lists": b"[[]]",
}
"""None of them is an object with other keys than those in it."""
MALFORMED_TOML = {
    "cut": b"a = [",
    "not UTF-8": b'a = "\xff"',
    "deep": b"a = " + b"[" * DEEP + b"]" * DEEP,
    "digits": b"a = 1" + b"0" * 4300,
    "no date": b"a = 2023-02-29",
    "a key twice": b"a = 1\na = 2",
    "null byte": b"a = 1\0",
}
