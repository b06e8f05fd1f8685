// title: Predictions by model
// description: Live predicted values of one attribute that models lack, the most confident first.
// param: attribute (license|pipeline_tag|library_name|model_type|base_model_relation|language|datasets, default license): Attribute
// param: limit (integer, default 100): Rows at most
// columns: model, value, confidence, method
MATCH (m:Model)-[r:HAS_LICENSE|HAS_TASK|USES_LIBRARY|HAS_ARCHITECTURE|HAS_RELATION|IN_LANGUAGE|TRAINED_ON {source: 'predicted'}]->(v)
WHERE r.valid_to IS NULL AND type(r) = CASE $attribute
  WHEN 'license' THEN 'HAS_LICENSE' WHEN 'pipeline_tag' THEN 'HAS_TASK' WHEN 'library_name' THEN 'USES_LIBRARY'
  WHEN 'model_type' THEN 'HAS_ARCHITECTURE' WHEN 'base_model_relation' THEN 'HAS_RELATION'
  WHEN 'language' THEN 'IN_LANGUAGE' WHEN 'datasets' THEN 'TRAINED_ON' END
RETURN m.id AS model, v.id AS value, r.confidence AS confidence, r.method AS method
ORDER BY confidence DESC, model, value
LIMIT $limit
