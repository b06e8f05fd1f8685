// title: How parent names were resolved
// description: Live claims by source and resolution.
// columns: source, resolution, claims
MATCH (:Model)-[t:CLAIMS_PARENT]->(:Model)
WHERE t.valid_to IS NULL
RETURN t.source AS source, t.resolution AS resolution, count(t) AS claims
ORDER BY claims DESC, source, resolution
