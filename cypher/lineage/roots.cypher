// title: Roots of a model
// description: The ancestors that name no parent themselves.
// param: model (string, required): Model id
// columns: id, license, downloads, placeholder
MATCH (m:Model {id: $model})-[:DERIVED_FROM*1.. {followed: true}]->(a)
WHERE NOT (a)-[:DERIVED_FROM {followed: true}]->()
RETURN DISTINCT a.id AS id, a.license AS license, a.downloads AS downloads, a.placeholder AS placeholder
ORDER BY id
