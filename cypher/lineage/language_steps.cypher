// title: Languages of child and parent
// description: Followed edges by the number of languages that parent and child declare; none is 0.
// columns: parent_languages, child_languages, edges
MATCH (c:Model)-[r:DERIVED_FROM {followed: true}]->(p:Model)
WITH r.relation AS relation,
     COUNT { MATCH (p)-[a:IN_LANGUAGE {source: 'declared'}]->() WHERE a.ended IS NULL } AS parent_languages,
     COUNT { MATCH (c)-[b:IN_LANGUAGE {source: 'declared'}]->() WHERE b.ended IS NULL } AS child_languages
RETURN parent_languages, child_languages, count(relation) AS edges
ORDER BY edges DESC, parent_languages, child_languages
