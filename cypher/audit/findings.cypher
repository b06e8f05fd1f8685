// title: Findings on a model
// description: What the newest audit of the atlas wrote, worst first.
// param: model (string, required): Model id
// columns: ancestor, finding, verdict, rule, clause, confidence, hops
MATCH (m:Model {id: $model})-[f:CONFLICTS_WITH]->(a)
RETURN a.id AS ancestor, f.finding AS finding, f.verdict AS verdict, f.rule AS rule, f.clause AS clause,
       f.confidence AS confidence, f.hops AS hops
ORDER BY verdict DESC, confidence DESC, ancestor, rule
