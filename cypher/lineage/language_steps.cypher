// title: Languages of child and parent
// description: Active edges by the number of languages that parent and child declare; none is 0.
// columns: parent_languages, child_languages, edges
MATCH (c:Model)-[r:DERIVED_FROM {active: true}]->(p:Model)
WITH r.relation AS relation,
     COUNT { MATCH (p)-[a:IN_LANGUAGE {source: 'declared'}]->() WHERE a.valid_to IS NULL } AS parent_languages,
     COUNT { MATCH (c)-[b:IN_LANGUAGE {source: 'declared'}]->() WHERE b.valid_to IS NULL } AS child_languages
RETURN parent_languages, child_languages, count(relation) AS edges
ORDER BY edges DESC, parent_languages, child_languages
