// title: Findings on a model
// description: What the newest audit of the atlas wrote, worst first. The path of a dataset begins with datasets/.
// param: model (model, required): Model id
// columns: ancestor, finding, verdict, rule, clause, confidence, hops
MATCH (m:Model {id: $model})-[f:CONFLICTS_WITH]->(a)
RETURN CASE WHEN labels(a)[0] = 'Dataset' THEN 'datasets/' ELSE '' END + a.id AS ancestor,
       f.finding AS finding, f.verdict AS verdict, f.rule AS rule, f.clause AS clause,
       f.confidence AS confidence, f.hops AS hops
ORDER BY verdict DESC, confidence DESC, ancestor, rule
