"""The users of a local engine: their names and passwords all follow from the one secret of its data directory."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import secrets
from pathlib import Path
from typing import NamedTuple

from atlas_db.core.files import write_private

_SECRET = re.compile("[0-9a-f]{48}")


class User(NamedTuple):
    """A user of an engine: name and password."""

    name: str
    password: str


class EngineUsers(NamedTuple):
    """The two users of an engine.

    Attributes:
        owner: May do everything.
        reader: May read. The same as the owner where the engine has no roles.
    """

    owner: User
    reader: User


def read_or_make_secret(directory: Path) -> str:
    """Return the secret of a data directory, 192 random bits as hexadecimal digits, in a file of mode 0600.

    A file that a kill or a full disk left empty or torn is replaced. Of several processes that are the first at once,
    all get the secret of one.

    Raises:
        OSError: The directory cannot be written.
    """
    file = directory / "secret"
    while (found := _read(file)) is None:
        # Letters and digits only: the engine's own tools read a leading hyphen as an option.
        fresh = directory / f"secret-{secrets.token_hex(8)}"
        write_private(fresh, secrets.token_hex(24))
        try:
            os.link(fresh, file)
        except FileExistsError:
            if _read(file) is None:
                fresh.replace(file)
        finally:
            fresh.unlink(missing_ok=True)
    return found


def _read(file: Path) -> str | None:
    try:
        text = file.read_text(encoding="ascii").strip()
    except (FileNotFoundError, UnicodeDecodeError):
        return None
    return text if _SECRET.fullmatch(text) else None


def arcadedb_users(secret: str) -> EngineUsers:
    """Return the users of the local engine.

    The names are random as well. The engine locks a name out after some wrong passwords. Any process of the machine may
    send such, if it knows the name.
    """
    return EngineUsers(
        *(User(f"{role}-{_derived(secret, role, 'name')[:32]}", _derived(secret, role, "key")) for role in ROLES)
    )


ROLES = ("owner", "reader")
_READ = ["readRecord"]
_ALL = ["createRecord", *_READ, "updateRecord", "deleteRecord"]


def _derived(secret: str, role: str, what: str) -> str:
    return hashlib.blake2b(secret.encode(), digest_size=24, person=f"{role} {what}".encode()).hexdigest()


def neo4j_users(secret: str) -> EngineUsers:
    """Return the users of Neo4j. Its community edition has no roles, so the reader is the owner."""
    return EngineUsers(User("neo4j", secret), User("neo4j", secret))


def write_arcadedb_users(config: Path, secret: str) -> None:
    """Write the users and groups of the local engine, which reads both files when it starts.

    Args:
        config: Folder of its configuration.
        secret: The secret of the data directory.
    """
    config.mkdir(parents=True, exist_ok=True, mode=0o700)
    groups = {
        "owner": _group(["updateSecurity", "updateSchema", "updateDatabaseSettings"], _ALL),
        "reader": _group([], _READ),
        "*": _group([], []),
    }
    write_private(
        config / "server-groups.json", json.dumps({"databases": {"*": {"groups": groups}}, "version": 2}, indent=1)
    )
    lines = [
        json.dumps({"name": user.name, "databases": {"*": [role]}, "password": _password_hash(user.password)})
        for role, user in zip(ROLES, arcadedb_users(secret), strict=True)
    ]
    write_private(config / "server-users.jsonl", "\n".join(lines) + "\n")


def _group(access: list[str], records: list[str]) -> dict[str, object]:
    return {"resultSetLimit": -1, "readTimeout": -1, "access": access, "types": {"*": {"access": records}}}


def _password_hash(password: str) -> str:
    """Return a hash as the engine stores it. One iteration is enough: a password of 192 random bits is not guessed."""
    salt = base64.b64encode(secrets.token_bytes(32)).decode()
    digest = base64.b64encode(hashlib.pbkdf2_hmac("sha256", password.encode(), salt.encode(), 1, 32)).decode()
    return f"PBKDF2WithHmacSHA256$1${salt}${digest}"
