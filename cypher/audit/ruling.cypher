// title: Ruling between a model and an ancestor
// description: Verdict of the rules alone (LICENSE_RULE) by the strongest relation on any path between the two. Checks of names, files and inferred edges need an audit.
// param: model (model, required): Model id
// param: ancestor (model, required): Model id of the ancestor
// columns: relation, licenses, child_licenses, verdict
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
WITH max(CASE r.relation WHEN 'merge' THEN 4 WHEN 'finetune' THEN 3 WHEN 'adapter' THEN 2 WHEN 'quantized' THEN 1
     ELSE 0 END) AS place
WHERE place IS NOT NULL
MATCH (m:Model {id: $model})
MATCH (a:Model {id: $ancestor})
WITH m, a, ['duplicate', 'quantized', 'adapter', 'finetune', 'merge'][place] AS relation
OPTIONAL MATCH (a)-[h:HAS_LICENSE {source: 'declared'}]->(l:License)
WHERE h.valid_to IS NULL
WITH m, a, relation, collect(DISTINCT l.id) AS above
OPTIONAL MATCH (m)-[c:HAS_LICENSE {source: 'declared'}]->(k:License)
WHERE c.valid_to IS NULL
WITH m, a, relation, above, collect(DISTINCT k.id) AS own
WITH m, a, relation, CASE WHEN size(above) > 1 THEN [x IN above WHERE x <> 'other'] ELSE above END AS above,
     CASE WHEN size(own) > 1 THEN [x IN own WHERE x <> 'other'] ELSE own END AS own
UNWIND CASE WHEN size(above) = 0 THEN ['none'] ELSE above END AS license
UNWIND CASE WHEN size(own) > 0 THEN own WHEN m.placeholder THEN ['not in atlas'] ELSE ['none'] END AS child_license
OPTIONAL MATCH (:License {id: child_license})-[t:LICENSE_RULE {relation: relation, child_unlicensed: false}]->(:License {id: license})
OPTIONAL MATCH (:License {id: license})-[u:LICENSE_RULE {relation: relation, child_unlicensed: true}]->(:License {id: license})
WITH m, a, relation, above, own, license,
     min(CASE coalesce(t.verdict, CASE WHEN child_license = 'none' THEN u.verdict END, 'unknown') WHEN 'compliant' THEN 0
         WHEN 'compliant_with_obligations' THEN 1 WHEN 'unknown' THEN 2 WHEN 'needs_review' THEN 3 ELSE 4 END) AS best
WITH m, a, relation, above, own, max(best) AS terms
RETURN relation, above AS licenses, own AS child_licenses,
       ['compliant', 'compliant_with_obligations', 'unknown', 'needs_review', 'violation'][terms] AS verdict
