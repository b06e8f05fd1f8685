// title: Coverage of attributes
// description: Models with a record that have a live claim of each kind, by source.
// columns: attribute, source, models
MATCH (m:Model)-[r:HAS_LICENSE]->()
WHERE r.valid_to IS NULL
RETURN 'HAS_LICENSE' AS attribute, r.source AS source, count(DISTINCT m) AS models
UNION ALL
MATCH (m:Model)-[r:HAS_TASK]->()
WHERE r.valid_to IS NULL
RETURN 'HAS_TASK' AS attribute, r.source AS source, count(DISTINCT m) AS models
UNION ALL
MATCH (m:Model)-[r:USES_LIBRARY]->()
WHERE r.valid_to IS NULL
RETURN 'USES_LIBRARY' AS attribute, r.source AS source, count(DISTINCT m) AS models
UNION ALL
MATCH (m:Model)-[r:HAS_ARCHITECTURE]->()
WHERE r.valid_to IS NULL
RETURN 'HAS_ARCHITECTURE' AS attribute, r.source AS source, count(DISTINCT m) AS models
UNION ALL
MATCH (m:Model)-[r:HAS_RELATION]->()
WHERE r.valid_to IS NULL
RETURN 'HAS_RELATION' AS attribute, r.source AS source, count(DISTINCT m) AS models
UNION ALL
MATCH (m:Model)-[r:IN_LANGUAGE]->()
WHERE r.valid_to IS NULL
RETURN 'IN_LANGUAGE' AS attribute, r.source AS source, count(DISTINCT m) AS models
UNION ALL
MATCH (m:Model)-[r:TRAINED_ON]->()
WHERE r.valid_to IS NULL
RETURN 'TRAINED_ON' AS attribute, r.source AS source, count(DISTINCT m) AS models
UNION ALL
MATCH (m:Model)-[r:CITES]->()
WHERE r.valid_to IS NULL
RETURN 'CITES' AS attribute, r.source AS source, count(DISTINCT m) AS models
UNION ALL
MATCH (m:Model)-[r:CLAIMS_PARENT]->()
WHERE r.valid_to IS NULL
RETURN 'CLAIMS_PARENT' AS attribute, r.source AS source, count(DISTINCT m) AS models
