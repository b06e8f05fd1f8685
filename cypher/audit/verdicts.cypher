// title: Verdicts
// description: Models with a record, or with charted weights, by the worst verdict of the newest audit.
// columns: verdict, models
MATCH (m:Model)
WHERE m.placeholder IS NULL OR m.placeholder = false OR m.weights_hash IS NOT NULL
RETURN coalesce(m.audit_verdict, 'not audited') AS verdict, count(m) AS models
ORDER BY models DESC, verdict
