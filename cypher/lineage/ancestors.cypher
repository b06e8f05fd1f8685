// title: Ancestors of a model
// description: All models that a model comes from, over any number of steps.
// param: model (model, required): Model id
// columns: id, license, pipeline_tag, downloads, placeholder
MATCH (m:Model {id: $model})-[:DERIVED_FROM*1.. {active: true}]->(a)
RETURN DISTINCT a.id AS id, a.license AS license, a.pipeline_tag AS pipeline_tag, a.downloads AS downloads,
       a.placeholder AS placeholder
ORDER BY id
