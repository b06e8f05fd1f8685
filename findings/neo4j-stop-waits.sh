#!/usr/bin/env bash
# Neo4j Community 5.26.30 takes 10 seconds to stop where no client ever connected: its Bolt server waits a quiet period of
# 5 seconds for each of two groups of threads. The internal setting internal.dbms.bolt.netty_server_shutdown_quiet_period
# (seconds; since 2025 internal.dbms.bolt.netty_server_shutdown_quiet_period_duration) ends that.
# Fetches pinned jars with Maven and a Java runtime with pip (about 210 MB) into a temporary folder.
# Exits 0 while this is so, 1 once it changes.
set -euo pipefail
source "$(dirname "$0")/support/neo4j.sh"
fetch_neo4j 5.26.30
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')

stop_seconds() { # NAME LINE...: starts a server with these lines of settings added, stops it, and prints how long that took
  start_neo4j CommunityEntryPoint "$1" "server.bolt.listen_address=127.0.0.1:$port" "${@:2}"
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
