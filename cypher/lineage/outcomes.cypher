// title: What became of parents' names
// description: Live testimony by source and outcome.
// columns: source, outcome, claims
MATCH (:Model)-[t:CLAIMS_PARENT]->(:Model)
WHERE t.ended IS NULL
RETURN t.source AS source, t.outcome AS outcome, count(t) AS claims
ORDER BY claims DESC, source, outcome
