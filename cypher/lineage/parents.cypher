// title: Parents of a model
// description: One step up, with relation, status and confidence; contradicted edges are listed, too.
// param: model (model, required): Model id
// columns: parent, relation, status, confidence, sources, license
MATCH (m:Model {id: $model})-[r:DERIVED_FROM]->(p)
RETURN p.id AS parent, r.relation AS relation, r.status AS status, r.confidence AS confidence, r.sources AS sources,
       p.license AS license
ORDER BY confidence DESC, parent
