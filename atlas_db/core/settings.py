"""Settings, by precedence: flag, `ATLAS_DB_*` environment, `atlas-db.toml`, default."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

from platformdirs import user_cache_path, user_config_path, user_data_path, user_state_path

from atlas_db.core.errors import UsageError, did_you_mean
from atlas_db.core.files import expanded, reason_of, resolved
from atlas_db.core.terms import SOFTWARE

CONFIG_FILE = "atlas-db.toml"
PREFIX = "ATLAS_DB_"


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings.

    Attributes:
        home: Folder of local data: stores, caches, undo files, fetched pages.
        store: `local[:DIR]`, `neo4j-local[:DIR]`, a Bolt URL, or the `.parquet` file of a snapshot.
        user: Name for a server given by URL.
        password: Password for a server given by URL; only ever read from the environment or the file.
        database: Database name on the server.
        idle_minutes: Minutes without a client after which a local engine stops.
        heap: Memory ceiling of a local engine, in Java's notation.
        neo4j_version: Version of Neo4j that `neo4j-local` runs, such as `2026.08.1`; by default 5.26.30, the LTS.
        batch_rows: Initial rows of a write batch; the size adapts.
        query_seconds: Time limit of a query, and of each statement of a page, which the engine enforces; 0 for none.
    """

    home: Path
    store: str = "local"
    user: str = "neo4j"
    password: str = ""
    database: str = "neo4j"
    idle_minutes: float = 15.0
    heap: str = "2g"
    neo4j_version: str = ""
    batch_rows: int = 5000
    query_seconds: float = 60.0


def default_home() -> Path:
    """Return the user's data folder of this program.

    On Linux `$XDG_DATA_HOME/atlas-db` or `~/.local/share/atlas-db`; on macOS `~/Library/Application Support/atlas-db`.
    """
    return user_data_path(SOFTWARE, appauthor=False)


def cache_folder(home: Path) -> Path:
    """Return the folder for what can be fetched again, such as engines and answers of the Hub.

    It is the user's cache folder of this program where the home folder is the default, else `cache` in the home folder.
    On Linux the former is `$XDG_CACHE_HOME/atlas-db` or `~/.cache/atlas-db`.
    """
    return user_cache_path(SOFTWARE, appauthor=False) if home == default_home() else home / "cache"


def state_folder(home: Path) -> Path:
    """Return the folder for logs and crash reports, by the same rule; `$XDG_STATE_HOME/atlas-db` on Linux."""
    return user_state_path(SOFTWARE, appauthor=False) if home == default_home() else home


def user_config_file() -> Path:
    """Return the user's settings file; `$XDG_CONFIG_HOME/atlas-db/atlas-db.toml` on Linux."""
    return user_config_path(SOFTWARE, appauthor=False) / CONFIG_FILE


def load_settings(*, environ: Mapping[str, str] | None = None, config: Path | None = None, **flags: object) -> Settings:
    """Return the settings, merged from flags, environment, file and defaults.

    Args:
        environ: Environment to read; the process's own by default.
        config: Settings file; by default `atlas-db.toml` in the user's configuration folder, and the one in the
            working directory, which wins.
        **flags: Values given on the command line; None means not given.

    Returns:
        The merged settings.

    Raises:
        UsageError: An unknown key, or a value that does not convert.
    """
    env = os.environ if environ is None else environ
    values: dict[str, object] = {}
    known = {field.name: field.type for field in fields(Settings)}
    for file in [user_config_file(), Path(CONFIG_FILE)] if config is None else [config]:
        if file.is_file():
            values.update(_from_file(file, known))
    for name in known:
        if (raw := env.get(PREFIX + name.upper())) not in (None, ""):
            values[name] = raw
    values.update({name: value for name, value in flags.items() if value is not None})
    values.setdefault("home", default_home())
    return replace(Settings(home=Path()), **{name: _convert(name, value) for name, value in values.items()})  # type: ignore[arg-type]


def _from_file(file: Path, known: Mapping[str, object]) -> dict[str, object]:
    from atlas_db.core.decoding import MalformedError, read_toml  # slow to import, and most homes have no such file

    try:
        values = read_toml(file, dict[str, object])
    except (OSError, MalformedError) as error:
        raise UsageError(f"{file} cannot be read: {reason_of(error)}", hint="Fix or remove the file") from error
    for name in values:
        if name not in known:
            hint = f"{did_you_mean(name, known)} Known keys: {', '.join(known)}".strip()
            raise UsageError(f"{file} sets the unknown key {name!r}", hint=hint)
    return values


def _convert(name: str, value: object) -> object:
    try:
        match name:
            case "home":
                return resolved(expanded(str(value)))
            case "idle_minutes" | "query_seconds":
                return float(str(value))
            case "batch_rows":
                return int(str(value))
            case _:
                return str(value)
    except ValueError as error:
        raise UsageError(
            f"{name} has the value {value!r}, which is no number", hint=f"Set {PREFIX}{name.upper()} to a number"
        ) from error
