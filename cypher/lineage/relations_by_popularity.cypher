// title: Relations of popular models
// description: Children by relation, of parents downloaded often and of the others.
// param: downloads (integer, default 1000): Downloads that make a parent popular
// columns: popular, relation, children, parents
MATCH (p:Model)<-[r:DERIVED_FROM {active: true}]-(c:Model)
RETURN coalesce(p.downloads, 0) >= $downloads AS popular, r.relation AS relation, count(r) AS children,
       count(DISTINCT p) AS parents
ORDER BY popular DESC, children DESC, relation
