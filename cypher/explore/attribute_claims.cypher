// title: Claims on a model
// description: Each attribute claim with source, confidence and dates.
// param: model (model, required): Model id
// columns: attribute, value, source, confidence, method, first_seen, last_seen, valid_to
MATCH (m:Model {id: $model})-[r]->(v)
WHERE r.source IS NOT NULL AND type(r) <> 'CLAIMS_PARENT'
RETURN type(r) AS attribute, v.id AS value, r.source AS source, r.confidence AS confidence, r.method AS method,
       r.first_seen AS first_seen, r.last_seen AS last_seen, r.valid_to AS valid_to
ORDER BY attribute, value, source
