// title: Family of a model in numbers
// description: Its descendants by licence and task.
// param: model (model, required): Model id
// param: limit (integer, default 50): Rows at most
// columns: license, pipeline_tag, models
MATCH (m:Model {id: $model})<-[:DERIVED_FROM*1.. {active: true}]-(d)
RETURN d.license AS license, d.pipeline_tag AS pipeline_tag, count(DISTINCT d) AS models
ORDER BY models DESC, license, pipeline_tag
LIMIT $limit
