// title: What every source says of a model's parents
// description: Each claim as it was made: the name as written, what became of it, and what the confidence rests on.
// param: model (string, required): Model id
// columns: parent, written_as, outcome, source, relation, confidence, method, first_seen, last_seen, ended, evidence
MATCH (m:Model {id: $model})-[t:CLAIMS_PARENT]->(p)
RETURN p.id AS parent, t.written_as AS written_as, t.outcome AS outcome, t.source AS source, t.relation AS relation,
       t.confidence AS confidence, t.method AS method, t.first_seen AS first_seen, t.last_seen AS last_seen,
       t.ended AS ended, t.evidence AS evidence
ORDER BY confidence DESC, parent, source
