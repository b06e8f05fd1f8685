// title: Verdict on a model, ancestor by ancestor
// description: The rulings in the graph (TERMS) on the licences of everything above a model, by the strongest relation between the two. Where the newest audit wrote findings, their verdict stands: it knows which steps are guesses, names and files. A model that declares no licence is unknown at least.
// param: model (string, required): Model id
// columns: ancestor, kind, licenses, child_licenses, relation, verdict, rules
MATCH (m:Model {id: $model})
CALL {
  WITH m
  MATCH (m)-[:DERIVED_FROM*1.. {followed: true}]->(x:Model)
  RETURN DISTINCT x.id AS near
  UNION
  WITH m
  RETURN m.id AS near
}
MATCH (x:Model {id: near})-[r:DERIVED_FROM {followed: true}]->(y:Model)
WITH m, y.id AS step, max(CASE r.relation WHEN 'merge' THEN 4 WHEN 'finetune' THEN 3 WHEN 'adapter' THEN 2
     WHEN 'quantized' THEN 1 ELSE 0 END) AS place
CALL {
  WITH step
  MATCH (y:Model {id: step})-[:DERIVED_FROM*1.. {followed: true}]->(z:Model)
  RETURN DISTINCT z.id AS ancestor
  UNION
  WITH step
  RETURN step AS ancestor
}
WITH m, ancestor, max(place) AS place
WHERE ancestor <> m.id
MATCH (a:Model {id: ancestor})
WITH m, a, ['duplicate', 'quantized', 'adapter', 'finetune', 'merge'][place] AS relation
OPTIONAL MATCH (a)-[h:HAS_LICENSE {source: 'declared'}]->(l:License)
WHERE h.ended IS NULL
WITH m, a, relation, collect(DISTINCT l.id) AS above
OPTIONAL MATCH (m)-[c:HAS_LICENSE {source: 'declared'}]->(k:License)
WHERE c.ended IS NULL
WITH m, a, relation, above, collect(DISTINCT k.id) AS own
WITH m, a, relation, CASE WHEN size(above) > 1 THEN [x IN above WHERE x <> 'other'] ELSE above END AS above,
     CASE WHEN size(own) > 1 THEN [x IN own WHERE x <> 'other'] ELSE own END AS own
UNWIND CASE WHEN size(above) = 0 THEN ['none'] ELSE above END AS license
UNWIND CASE WHEN size(own) = 0 THEN ['none'] ELSE own END AS child_license
OPTIONAL MATCH (:License {id: child_license})-[t:TERMS {relation: relation, undeclared: false}]->(:License {id: license})
OPTIONAL MATCH (:License {id: license})-[u:TERMS {relation: relation, undeclared: true}]->(:License {id: license})
WITH m, a, relation, above, own, license,
     min(CASE coalesce(t.verdict, CASE WHEN child_license = 'none' THEN u.verdict END, 'unknown') WHEN 'compliant' THEN 0
         WHEN 'compliant_with_obligations' THEN 1 WHEN 'unknown' THEN 2 WHEN 'needs_review' THEN 3 ELSE 4 END) AS best
WITH m, a, relation, above, own, max(best) AS terms
OPTIONAL MATCH (m)-[f:CONFLICTS_WITH]->(a)
WITH a, relation, above, own, terms, collect(DISTINCT f.rule) AS rules,
     max(CASE f.verdict WHEN 'violation' THEN 4 WHEN 'needs_review' THEN 3 END) AS found
WITH a, relation, above, own, rules, CASE WHEN found IS NULL THEN terms ELSE found END AS place
RETURN a.id AS ancestor, 'model' AS kind, above AS licenses, own AS child_licenses, relation,
       ['compliant', 'compliant_with_obligations', 'unknown', 'needs_review', 'violation'][place] AS verdict, rules
UNION ALL
MATCH (m:Model {id: $model})
CALL {
  WITH m
  MATCH (m)-[:DERIVED_FROM*1.. {followed: true}]->(x:Model)
  RETURN DISTINCT x.id AS near
  UNION
  WITH m
  RETURN m.id AS near
}
MATCH (x:Model {id: near})-[r:TRAINED_ON {source: 'declared'}]->(a:Dataset)
WHERE r.ended IS NULL
WITH DISTINCT m, a, 'trained_on' AS relation
OPTIONAL MATCH (a)-[h:HAS_LICENSE {source: 'declared'}]->(l:License)
WHERE h.ended IS NULL
WITH m, a, relation, collect(DISTINCT l.id) AS above
OPTIONAL MATCH (m)-[c:HAS_LICENSE {source: 'declared'}]->(k:License)
WHERE c.ended IS NULL
WITH m, a, relation, above, collect(DISTINCT k.id) AS own
WITH m, a, relation, CASE WHEN size(above) > 1 THEN [x IN above WHERE x <> 'other'] ELSE above END AS above,
     CASE WHEN size(own) > 1 THEN [x IN own WHERE x <> 'other'] ELSE own END AS own
UNWIND CASE WHEN size(above) = 0 THEN ['none'] ELSE above END AS license
UNWIND CASE WHEN size(own) = 0 THEN ['none'] ELSE own END AS child_license
OPTIONAL MATCH (:License {id: child_license})-[t:TERMS {relation: relation, undeclared: false}]->(:License {id: license})
OPTIONAL MATCH (:License {id: license})-[u:TERMS {relation: relation, undeclared: true}]->(:License {id: license})
WITH m, a, relation, above, own, license,
     min(CASE coalesce(t.verdict, CASE WHEN child_license = 'none' THEN u.verdict END, 'unknown') WHEN 'compliant' THEN 0
         WHEN 'compliant_with_obligations' THEN 1 WHEN 'unknown' THEN 2 WHEN 'needs_review' THEN 3 ELSE 4 END) AS best
WITH m, a, relation, above, own, max(best) AS terms
OPTIONAL MATCH (m)-[f:CONFLICTS_WITH]->(a)
WITH a, relation, above, own, terms, collect(DISTINCT f.rule) AS rules,
     max(CASE f.verdict WHEN 'violation' THEN 4 WHEN 'needs_review' THEN 3 END) AS found
WITH a, relation, above, own, rules, CASE WHEN found IS NULL THEN terms ELSE found END AS place
RETURN a.id AS ancestor, 'dataset' AS kind, above AS licenses, own AS child_licenses, relation,
       ['compliant', 'compliant_with_obligations', 'unknown', 'needs_review', 'violation'][place] AS verdict, rules
