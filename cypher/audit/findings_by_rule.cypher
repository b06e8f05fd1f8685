// title: Findings by rule
// description: Of the newest audit of the atlas.
// columns: rule, finding, verdict, findings, models
MATCH (m:Model)-[f:CONFLICTS_WITH]->()
RETURN f.rule AS rule, f.finding AS finding, f.verdict AS verdict, count(f) AS findings, count(DISTINCT m) AS models
ORDER BY findings DESC, rule
