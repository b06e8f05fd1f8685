// title: Descendants of a model
// description: All models that come from a model, over any number of steps, the most downloaded first.
// param: model (model, required): Model id
// param: limit (integer, default 100): Rows at most
// columns: id, license, pipeline_tag, downloads
CALL () {
  MATCH (m:Model {id: $model})<-[:DERIVED_FROM*1.. {active: true}]-(x) RETURN DISTINCT x.id AS id
}
MATCH (d:Model {id: id})
RETURN d.id AS id, d.license AS license, d.pipeline_tag AS pipeline_tag, coalesce(d.downloads, 0) AS downloads
ORDER BY downloads DESC, id
LIMIT $limit
