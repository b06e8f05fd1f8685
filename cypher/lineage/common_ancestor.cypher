// title: Common ancestors of two models
// description: Models that both come from (or are), the least downloaded, that is the nearest as a rule, first.
// param: model (model, required): Model id
// param: other (model, required): Model id
// columns: id, license, downloads
CALL () {
  MATCH (m:Model {id: $model})-[:DERIVED_FROM*0.. {active: true}]->(x) RETURN DISTINCT x.id AS id
  UNION ALL
  MATCH (o:Model {id: $other})-[:DERIVED_FROM*0.. {active: true}]->(x) RETURN DISTINCT x.id AS id
}
WITH id, count(*) AS ends
WHERE ends = 2
MATCH (a:Model {id: id})
RETURN a.id AS id, a.license AS license, coalesce(a.downloads, 0) AS downloads
ORDER BY downloads, id
