// title: Names of parents and the models that they mean
// description: Each name as written, the model that it was resolved to, and how; dates are those of the snapshots that hold it.
// param: limit (integer, default 1000): Rows at most
// columns: mention, parent, resolution, confidence, children, first_seen, last_seen
MATCH (c:Model)-[t:CLAIMS_PARENT {source: 'declared'}]->(p:Model)
WITH t.mention AS mention, p.id AS parent, t.resolution AS resolution, max(t.confidence) AS confidence,
     count(DISTINCT c) AS children, min(t.first_seen) AS first_seen, max(t.last_seen) AS last_seen
RETURN mention, parent, resolution, confidence, children, first_seen, last_seen
ORDER BY children DESC, mention, parent, resolution
LIMIT $limit
