// title: Verdict on a model, ancestor by ancestor
// description: Findings of the newest audit against each ancestor and dataset; for the others, the ruling on the two licences (LICENSE_RULE). A row follows for each model that names a parent which is not surely known. A last row checks that the model itself declares a known licence. The worst row is the verdict of the model.
// param: model (model, required): Model id
// columns: ancestor, kind, licenses, child_licenses, verdict, rules
CALL () {
  MATCH (m:Model {id: $model})-[:DERIVED_FROM*1.. {active: true}]->(x) RETURN DISTINCT x.id AS id
}
MATCH (m:Model {id: $model})
MATCH (a:Model {id: id})
OPTIONAL MATCH (a)-[h:HAS_LICENSE {source: 'declared'}]->(l:License)
WHERE h.valid_to IS NULL
WITH m, a, collect(DISTINCT l.id) AS above
OPTIONAL MATCH (m)-[c:HAS_LICENSE {source: 'declared'}]->(k:License)
WHERE c.valid_to IS NULL
WITH m, a, above, collect(DISTINCT k.id) AS own
WITH m, a, CASE WHEN size(above) > 1 THEN [x IN above WHERE x <> 'other'] ELSE above END AS above,
     CASE WHEN size(own) > 1 THEN [x IN own WHERE x <> 'other'] ELSE own END AS own
UNWIND CASE WHEN size(above) = 0 THEN ['none'] ELSE above END AS license
UNWIND CASE WHEN size(own) > 0 THEN own WHEN m.placeholder THEN ['not in atlas'] ELSE ['none'] END AS child_license
OPTIONAL MATCH (:License {id: child_license})-[t:LICENSE_RULE {child_unlicensed: false}]->(:License {id: license})
OPTIONAL MATCH (:License {id: license})-[u:LICENSE_RULE {child_unlicensed: true}]->(:License {id: license})
WITH m, a, above, own, license,
     min(CASE coalesce(t.verdict, CASE WHEN child_license = 'none' THEN u.verdict END, 'unknown') WHEN 'compliant' THEN 0
         WHEN 'compliant_with_obligations' THEN 1 WHEN 'unknown' THEN 2 WHEN 'needs_review' THEN 3 ELSE 4 END) AS best
WITH m, a, above, own, max(best) AS terms
OPTIONAL MATCH (m)-[f:CONFLICTS_WITH]->(a)
WITH a, above, own, terms, collect(DISTINCT f.rule) AS rules,
     max(CASE f.verdict WHEN 'violation' THEN 4 WHEN 'needs_review' THEN 3 END) AS found
RETURN a.id AS ancestor, 'model' AS kind, above AS licenses, own AS child_licenses,
       ['compliant', 'compliant_with_obligations', 'unknown', 'needs_review', 'violation'][coalesce(found, terms)] AS verdict, rules
ORDER BY ancestor
UNION ALL
CALL () {
  MATCH (m:Model {id: $model})-[:DERIVED_FROM*0.. {active: true}]->(x) RETURN DISTINCT x.id AS id
}
MATCH (x:Model {id: id})-[r:TRAINED_ON {source: 'declared'}]->(d:Dataset)
WHERE r.valid_to IS NULL
WITH DISTINCT d.id AS dataset
MATCH (m:Model {id: $model})
MATCH (a:Dataset {id: dataset})
OPTIONAL MATCH (a)-[h:HAS_LICENSE {source: 'declared'}]->(l:License)
WHERE h.valid_to IS NULL
WITH m, a, collect(DISTINCT l.id) AS above
OPTIONAL MATCH (m)-[c:HAS_LICENSE {source: 'declared'}]->(k:License)
WHERE c.valid_to IS NULL
WITH m, a, above, collect(DISTINCT k.id) AS own
WITH m, a, CASE WHEN size(above) > 1 THEN [x IN above WHERE x <> 'other'] ELSE above END AS above,
     CASE WHEN size(own) > 1 THEN [x IN own WHERE x <> 'other'] ELSE own END AS own
UNWIND CASE WHEN size(above) = 0 THEN ['none'] ELSE above END AS license
UNWIND CASE WHEN size(own) > 0 THEN own WHEN m.placeholder THEN ['not in atlas'] ELSE ['none'] END AS child_license
OPTIONAL MATCH (:License {id: child_license})-[t:LICENSE_RULE {relation: 'trained_on', child_unlicensed: false}]->(:License {id: license})
OPTIONAL MATCH (:License {id: license})-[u:LICENSE_RULE {relation: 'trained_on', child_unlicensed: true}]->(:License {id: license})
WITH m, a, above, own, license,
     min(CASE coalesce(t.verdict, CASE WHEN child_license = 'none' THEN u.verdict END, 'unknown') WHEN 'compliant' THEN 0
         WHEN 'compliant_with_obligations' THEN 1 WHEN 'unknown' THEN 2 WHEN 'needs_review' THEN 3 ELSE 4 END) AS best
WITH m, a, above, own, max(best) AS terms
OPTIONAL MATCH (m)-[f:CONFLICTS_WITH]->(a)
WITH a, above, own, terms, collect(DISTINCT f.rule) AS rules,
     max(CASE f.verdict WHEN 'violation' THEN 4 WHEN 'needs_review' THEN 3 END) AS found
RETURN 'datasets/' + a.id AS ancestor, 'dataset' AS kind, above AS licenses, own AS child_licenses,
       ['compliant', 'compliant_with_obligations', 'unknown', 'needs_review', 'violation'][coalesce(found, terms)] AS verdict, rules
ORDER BY ancestor
UNION ALL
CALL () {
  MATCH (m:Model {id: $model})-[:DERIVED_FROM*0.. {active: true}]->(x) RETURN DISTINCT x.id AS id
}
MATCH (x:Model {id: id})-[t:CLAIMS_PARENT {source: 'declared'}]->(p:Model)
WHERE t.valid_to IS NULL AND t.resolution IN ['ambiguous', 'absent']
OPTIONAL MATCH (x)-[d:DERIVED_FROM]->(p)
WITH x, t, d
WHERE d IS NULL
OPTIONAL MATCH (x)-[e:DERIVED_FROM {active: true}]->(:Model)
WITH x, t, count(e) AS parents
WHERE t.resolution = 'ambiguous' OR parents = 0
   OR t.method IN ['hub-tags@1', 'hub-card@1', 'hub-base-models@1', 'merge-config@1']
RETURN DISTINCT x.id AS ancestor, 'names' AS kind, [] AS licenses, [] AS child_licenses, 'unknown' AS verdict, ['unresolved-parent'] AS rules
ORDER BY ancestor
UNION ALL
MATCH (m:Model {id: $model})
OPTIONAL MATCH (m)-[c:HAS_LICENSE {source: 'declared'}]->(k:License)
WHERE c.valid_to IS NULL
OPTIONAL MATCH (k)-[t:LICENSE_RULE {relation: 'duplicate', child_unlicensed: false}]->(k)
WITH m, collect(DISTINCT k.id) AS own,
     max(CASE coalesce(t.verdict, 'unknown') WHEN 'unknown' THEN 0 ELSE 1 END) AS readable
RETURN m.id AS ancestor, 'itself' AS kind, [] AS licenses, own AS child_licenses,
       ['unknown', 'compliant'][readable] AS verdict, [] AS rules
