// title: Lineage edges in numbers
// description: How many edges there are of each status and relation, with their mean confidence.
// columns: status, relation, edges, mean_confidence
MATCH (:Model)-[r:DERIVED_FROM]->(:Model)
RETURN r.status AS status, r.relation AS relation, count(r) AS edges, avg(r.confidence) AS mean_confidence
ORDER BY edges DESC, status, relation
