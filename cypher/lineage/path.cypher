// title: Paths between two models, with evidence
// description: Every edge on any path from a model up to an ancestor, with the claims behind it.
// param: model (model, required): Model id of the descendant
// param: ancestor (model, required): Model id of the ancestor
// columns: child, parent, relation, status, confidence, mention, resolution, source, method
CALL () {
  MATCH (m:Model {id: $model})-[:DERIVED_FROM*0.. {active: true}]->(x) RETURN DISTINCT x.id AS id
  UNION ALL
  MATCH (a:Model {id: $ancestor})<-[:DERIVED_FROM*0.. {active: true}]-(x) RETURN DISTINCT x.id AS id
}
WITH id, count(*) AS ends
WHERE ends = 2
WITH collect(id) AS between
UNWIND between AS child
MATCH (c:Model {id: child})-[r:DERIVED_FROM {active: true}]->(p:Model)
WHERE p.id IN between
OPTIONAL MATCH (c)-[t:CLAIMS_PARENT]->(p)
WHERE t.valid_to IS NULL
RETURN child, p.id AS parent, r.relation AS relation, r.status AS status, r.confidence AS confidence,
       t.mention AS mention, t.resolution AS resolution, t.source AS source, t.method AS method
ORDER BY child, parent, source
