// title: Runs
// description: Loads, charts, completions and audits of this store, newest first.
// param: limit (integer, default 50): Rows at most
// columns: id, kind, started, finished, complete, parameters, counts
MATCH (r:Run)
RETURN r.id AS id, r.kind AS kind, r.started AS started, r.finished AS finished, r.complete AS complete,
       r.parameters AS parameters, r.counts AS counts
ORDER BY started DESC, id
LIMIT $limit
