// title: Best descendants under given licences
// description: The most downloaded models that come from a model and declare one of the licences.
// param: model (model, required): Model id
// param: licenses (list of license, default apache-2.0,mit): Licence ids, separated by commas
// param: limit (integer, default 20): Rows at most
// columns: id, downloads, license, pipeline_tag
CALL () {
  MATCH (m:Model {id: $model})<-[:DERIVED_FROM*1.. {active: true}]-(x) RETURN DISTINCT x.id AS id
}
MATCH (d:Model {id: id})
WHERE d.license IN $licenses
RETURN d.id AS id, coalesce(d.downloads, 0) AS downloads, d.license AS license, d.pipeline_tag AS pipeline_tag
ORDER BY downloads DESC, id
LIMIT $limit
