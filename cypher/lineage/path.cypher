// title: Paths between two models, with evidence
// description: Every edge on any path from a model up to an ancestor, with the testimony behind it.
// param: model (string, required): Model id of the descendant
// param: ancestor (string, required): Model id of the ancestor
// columns: child, parent, relation, status, confidence, written_as, outcome, source, method
CALL {
  MATCH (m:Model {id: $model})-[:DERIVED_FROM*0.. {followed: true}]->(x) RETURN DISTINCT x.id AS id
  UNION ALL
  MATCH (a:Model {id: $ancestor})<-[:DERIVED_FROM*0.. {followed: true}]-(x) RETURN DISTINCT x.id AS id
}
WITH id, count(*) AS ends
WHERE ends = 2
WITH collect(id) AS between
UNWIND between AS child
MATCH (c:Model {id: child})-[r:DERIVED_FROM {followed: true}]->(p:Model)
WHERE p.id IN between
OPTIONAL MATCH (c)-[t:CLAIMS_PARENT]->(p)
WHERE t.ended IS NULL
RETURN child, p.id AS parent, r.relation AS relation, r.status AS status, r.confidence AS confidence,
       t.written_as AS written_as, t.outcome AS outcome, t.source AS source, t.method AS method
ORDER BY child, parent, source
