#!/usr/bin/env bash
# Neo4j Community 2026.08.1, told to listen on 127.0.0.1 alone and to send no usage reports, still opens a UDP socket on
# all interfaces. Every 30 s it broadcasts its system database's id, server id, version, edition and Bolt address to
# port 8687 of each private network. The setting server.fleet_discovery.enabled (since 2026.05.0) is true by default.
# With false there is neither socket nor broadcast.
# Fetches pinned jars with Maven and a Java runtime with pip (about 210 MB) into a temporary folder. The server runs in a
# network namespace of its own, whose one made-up network leads nowhere. Linux, needs unshare, ip and ss.
# Exits 0 while this is so, 1 once it changes.
set -euo pipefail
source "$(dirname "$0")/support/neo4j.sh"
if [ "${1:-}" != inside ]; then
  fetch_neo4j 2026.08.1
  user=(); [ "$(id -u)" = 0 ] || user=(--user --map-root-user)
  unshare "${user[@]}" --net bash "$0" inside "$folder"
  exit
fi

folder=$2
ip link set lo up
ip link add inner type veth peer name outer
ip link set outer up
ip addr add 192.168.77.1/24 brd 192.168.77.255 dev inner
ip link set inner up

report() { # prints the server's sockets, and the first broadcast on the made-up network within 45 s
  echo "sockets:"
  ss --no-header --listening --numeric --udp --tcp | awk '{print "  " $1, $5}' | sort -u
  python3 - <<'PYTHON'
import socket, time
tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.ntohs(3))
tap.bind(("outer", 0))
tap.settimeout(1)
deadline = time.monotonic() + 45
while time.monotonic() < deadline:
    try:
        frame = tap.recv(2048)
    except TimeoutError:
        continue
    if frame[12:14] == b"\x08\x00" and frame[23] == 17:
        start = 14 + (frame[14] & 15) * 4
        target, port = socket.inet_ntoa(frame[30:34]), int.from_bytes(frame[start + 2 : start + 4], "big")
        print(f"broadcast: UDP to {target}:{port}, {frame[start + 8:]!r}")
        break
else:
    print("broadcast: none")
PYTHON
}

for case in default off; do
  lines=(); [ "$case" = default ] || lines=(server.fleet_discovery.enabled=false)
  start_neo4j Neo4jCommunity "$case" "${lines[@]}"
  echo "== Neo4j 2026.08.1, listening on 127.0.0.1; fleet discovery: $case"
  report | tee "$folder/$case.txt"
  kill "$server"
  wait "$server" || true
done
if grep -q '^broadcast: UDP to 192.168.77.255' "$folder/default.txt" && grep -q 'udp 0.0.0.0' "$folder/default.txt" \
  && grep -q '^broadcast: none' "$folder/off.txt" && ! grep -q udp "$folder/off.txt"; then
  echo "as described"
else
  echo CHANGED
  exit 1
fi
