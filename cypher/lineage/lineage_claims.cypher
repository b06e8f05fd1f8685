// title: Claims of every source about the parents of a model
// description: Each claim as it was made: the name as written, how it was resolved, and the evidence for its confidence.
// param: model (model, required): Model id
// columns: parent, mention, resolution, source, relation, confidence, method, first_seen, last_seen, valid_to, evidence
MATCH (m:Model {id: $model})-[t:CLAIMS_PARENT]->(p)
RETURN p.id AS parent, t.mention AS mention, t.resolution AS resolution, t.source AS source, t.relation AS relation,
       t.confidence AS confidence, t.method AS method, t.first_seen AS first_seen, t.last_seen AS last_seen,
       t.valid_to AS valid_to, t.evidence AS evidence
ORDER BY confidence DESC, parent, source
