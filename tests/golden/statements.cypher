// constraints
CREATE CONSTRAINT IF NOT EXISTS FOR (n:Model) REQUIRE n.id IS UNIQUE;
// constraints
CREATE CONSTRAINT IF NOT EXISTS FOR (n:Dataset) REQUIRE n.id IS UNIQUE;
// constraints
CREATE CONSTRAINT IF NOT EXISTS FOR (n:Author) REQUIRE n.id IS UNIQUE;
// constraints
CREATE CONSTRAINT IF NOT EXISTS FOR (n:License) REQUIRE n.id IS UNIQUE;
// constraints
CREATE CONSTRAINT IF NOT EXISTS FOR (n:Task) REQUIRE n.id IS UNIQUE;
// constraints
CREATE CONSTRAINT IF NOT EXISTS FOR (n:Library) REQUIRE n.id IS UNIQUE;
// constraints
CREATE CONSTRAINT IF NOT EXISTS FOR (n:Architecture) REQUIRE n.id IS UNIQUE;
// constraints
CREATE CONSTRAINT IF NOT EXISTS FOR (n:Relation) REQUIRE n.id IS UNIQUE;
// constraints
CREATE CONSTRAINT IF NOT EXISTS FOR (n:Language) REQUIRE n.id IS UNIQUE;
// constraints
CREATE CONSTRAINT IF NOT EXISTS FOR (n:Paper) REQUIRE n.id IS UNIQUE;
// constraints
CREATE CONSTRAINT IF NOT EXISTS FOR (n:Run) REQUIRE n.id IS UNIQUE;
// constraints
CREATE CONSTRAINT IF NOT EXISTS FOR (n:Atlas) REQUIRE n.id IS UNIQUE;
// indexes
CREATE INDEX IF NOT EXISTS FOR (n:Model) ON (n.author);
// indexes
CREATE INDEX IF NOT EXISTS FOR (n:Model) ON (n.downloads);
// indexes
CREATE INDEX IF NOT EXISTS FOR (n:Model) ON (n.license);
// indexes
CREATE INDEX IF NOT EXISTS FOR (n:Model) ON (n.placeholder);
// indexes
CREATE INDEX IF NOT EXISTS FOR (n:Model) ON (n.pipeline_tag);
// indexes
CREATE INDEX IF NOT EXISTS FOR (n:Dataset) ON (n.author);
// indexes
CREATE INDEX IF NOT EXISTS FOR (n:Dataset) ON (n.downloads);
// indexes
CREATE INDEX IF NOT EXISTS FOR (n:Dataset) ON (n.license);
// indexes
CREATE INDEX IF NOT EXISTS FOR (n:Dataset) ON (n.placeholder);
// create_nodes Model
UNWIND $rows AS row CREATE (n:Model) SET n = row;
// merge_nodes Model
UNWIND $rows AS row MERGE (n:Model {id: row.id}) SET n += row.set;
// ensure_nodes Model
UNWIND $rows AS row MERGE (n:Model {id: row.id}) ON CREATE SET n = row;
// replace_nodes Model
UNWIND $rows AS row MERGE (n:Model {id: row.id}) SET n = row;
// delete_nodes Model
UNWIND $rows AS id MATCH (n:Model {id: id}) DETACH DELETE n;
// read_nodes Model
UNWIND $ids AS id MATCH (n:Model {id: id}) RETURN n.id AS id, properties(n) AS props;
// count_nodes Model
MATCH (n:Model) RETURN count(n) AS n;
// orphans Model
MATCH (n:Model) WHERE n.placeholder = true AND n.weights_hash IS NULL AND NOT (n)--() RETURN n.id AS id;
// create_nodes Dataset
UNWIND $rows AS row CREATE (n:Dataset) SET n = row;
// merge_nodes Dataset
UNWIND $rows AS row MERGE (n:Dataset {id: row.id}) SET n += row.set;
// ensure_nodes Dataset
UNWIND $rows AS row MERGE (n:Dataset {id: row.id}) ON CREATE SET n = row;
// replace_nodes Dataset
UNWIND $rows AS row MERGE (n:Dataset {id: row.id}) SET n = row;
// delete_nodes Dataset
UNWIND $rows AS id MATCH (n:Dataset {id: id}) DETACH DELETE n;
// read_nodes Dataset
UNWIND $ids AS id MATCH (n:Dataset {id: id}) RETURN n.id AS id, properties(n) AS props;
// count_nodes Dataset
MATCH (n:Dataset) RETURN count(n) AS n;
// orphans Dataset
MATCH (n:Dataset) WHERE n.placeholder = true AND NOT (n)--() RETURN n.id AS id;
// create_nodes Author
UNWIND $rows AS row CREATE (n:Author) SET n = row;
// merge_nodes Author
UNWIND $rows AS row MERGE (n:Author {id: row.id}) SET n += row.set;
// ensure_nodes Author
UNWIND $rows AS row MERGE (n:Author {id: row.id}) ON CREATE SET n = row;
// replace_nodes Author
UNWIND $rows AS row MERGE (n:Author {id: row.id}) SET n = row;
// delete_nodes Author
UNWIND $rows AS id MATCH (n:Author {id: id}) DETACH DELETE n;
// read_nodes Author
UNWIND $ids AS id MATCH (n:Author {id: id}) RETURN n.id AS id, properties(n) AS props;
// count_nodes Author
MATCH (n:Author) RETURN count(n) AS n;
// orphans Author
MATCH (n:Author) WHERE NOT (n)--() RETURN n.id AS id;
// create_nodes License
UNWIND $rows AS row CREATE (n:License) SET n = row;
// merge_nodes License
UNWIND $rows AS row MERGE (n:License {id: row.id}) SET n += row.set;
// ensure_nodes License
UNWIND $rows AS row MERGE (n:License {id: row.id}) ON CREATE SET n = row;
// replace_nodes License
UNWIND $rows AS row MERGE (n:License {id: row.id}) SET n = row;
// delete_nodes License
UNWIND $rows AS id MATCH (n:License {id: id}) DETACH DELETE n;
// read_nodes License
UNWIND $ids AS id MATCH (n:License {id: id}) RETURN n.id AS id, properties(n) AS props;
// count_nodes License
MATCH (n:License) RETURN count(n) AS n;
// orphans License
MATCH (n:License) WHERE NOT (n)--() RETURN n.id AS id;
// create_nodes Task
UNWIND $rows AS row CREATE (n:Task) SET n = row;
// merge_nodes Task
UNWIND $rows AS row MERGE (n:Task {id: row.id}) SET n += row.set;
// ensure_nodes Task
UNWIND $rows AS row MERGE (n:Task {id: row.id}) ON CREATE SET n = row;
// replace_nodes Task
UNWIND $rows AS row MERGE (n:Task {id: row.id}) SET n = row;
// delete_nodes Task
UNWIND $rows AS id MATCH (n:Task {id: id}) DETACH DELETE n;
// read_nodes Task
UNWIND $ids AS id MATCH (n:Task {id: id}) RETURN n.id AS id, properties(n) AS props;
// count_nodes Task
MATCH (n:Task) RETURN count(n) AS n;
// orphans Task
MATCH (n:Task) WHERE NOT (n)--() RETURN n.id AS id;
// create_nodes Library
UNWIND $rows AS row CREATE (n:Library) SET n = row;
// merge_nodes Library
UNWIND $rows AS row MERGE (n:Library {id: row.id}) SET n += row.set;
// ensure_nodes Library
UNWIND $rows AS row MERGE (n:Library {id: row.id}) ON CREATE SET n = row;
// replace_nodes Library
UNWIND $rows AS row MERGE (n:Library {id: row.id}) SET n = row;
// delete_nodes Library
UNWIND $rows AS id MATCH (n:Library {id: id}) DETACH DELETE n;
// read_nodes Library
UNWIND $ids AS id MATCH (n:Library {id: id}) RETURN n.id AS id, properties(n) AS props;
// count_nodes Library
MATCH (n:Library) RETURN count(n) AS n;
// orphans Library
MATCH (n:Library) WHERE NOT (n)--() RETURN n.id AS id;
// create_nodes Architecture
UNWIND $rows AS row CREATE (n:Architecture) SET n = row;
// merge_nodes Architecture
UNWIND $rows AS row MERGE (n:Architecture {id: row.id}) SET n += row.set;
// ensure_nodes Architecture
UNWIND $rows AS row MERGE (n:Architecture {id: row.id}) ON CREATE SET n = row;
// replace_nodes Architecture
UNWIND $rows AS row MERGE (n:Architecture {id: row.id}) SET n = row;
// delete_nodes Architecture
UNWIND $rows AS id MATCH (n:Architecture {id: id}) DETACH DELETE n;
// read_nodes Architecture
UNWIND $ids AS id MATCH (n:Architecture {id: id}) RETURN n.id AS id, properties(n) AS props;
// count_nodes Architecture
MATCH (n:Architecture) RETURN count(n) AS n;
// orphans Architecture
MATCH (n:Architecture) WHERE NOT (n)--() RETURN n.id AS id;
// create_nodes Relation
UNWIND $rows AS row CREATE (n:Relation) SET n = row;
// merge_nodes Relation
UNWIND $rows AS row MERGE (n:Relation {id: row.id}) SET n += row.set;
// ensure_nodes Relation
UNWIND $rows AS row MERGE (n:Relation {id: row.id}) ON CREATE SET n = row;
// replace_nodes Relation
UNWIND $rows AS row MERGE (n:Relation {id: row.id}) SET n = row;
// delete_nodes Relation
UNWIND $rows AS id MATCH (n:Relation {id: id}) DETACH DELETE n;
// read_nodes Relation
UNWIND $ids AS id MATCH (n:Relation {id: id}) RETURN n.id AS id, properties(n) AS props;
// count_nodes Relation
MATCH (n:Relation) RETURN count(n) AS n;
// orphans Relation
MATCH (n:Relation) WHERE NOT (n)--() RETURN n.id AS id;
// create_nodes Language
UNWIND $rows AS row CREATE (n:Language) SET n = row;
// merge_nodes Language
UNWIND $rows AS row MERGE (n:Language {id: row.id}) SET n += row.set;
// ensure_nodes Language
UNWIND $rows AS row MERGE (n:Language {id: row.id}) ON CREATE SET n = row;
// replace_nodes Language
UNWIND $rows AS row MERGE (n:Language {id: row.id}) SET n = row;
// delete_nodes Language
UNWIND $rows AS id MATCH (n:Language {id: id}) DETACH DELETE n;
// read_nodes Language
UNWIND $ids AS id MATCH (n:Language {id: id}) RETURN n.id AS id, properties(n) AS props;
// count_nodes Language
MATCH (n:Language) RETURN count(n) AS n;
// orphans Language
MATCH (n:Language) WHERE NOT (n)--() RETURN n.id AS id;
// create_nodes Paper
UNWIND $rows AS row CREATE (n:Paper) SET n = row;
// merge_nodes Paper
UNWIND $rows AS row MERGE (n:Paper {id: row.id}) SET n += row.set;
// ensure_nodes Paper
UNWIND $rows AS row MERGE (n:Paper {id: row.id}) ON CREATE SET n = row;
// replace_nodes Paper
UNWIND $rows AS row MERGE (n:Paper {id: row.id}) SET n = row;
// delete_nodes Paper
UNWIND $rows AS id MATCH (n:Paper {id: id}) DETACH DELETE n;
// read_nodes Paper
UNWIND $ids AS id MATCH (n:Paper {id: id}) RETURN n.id AS id, properties(n) AS props;
// count_nodes Paper
MATCH (n:Paper) RETURN count(n) AS n;
// orphans Paper
MATCH (n:Paper) WHERE NOT (n)--() RETURN n.id AS id;
// create_nodes Run
UNWIND $rows AS row CREATE (n:Run) SET n = row;
// merge_nodes Run
UNWIND $rows AS row MERGE (n:Run {id: row.id}) SET n += row.set;
// ensure_nodes Run
UNWIND $rows AS row MERGE (n:Run {id: row.id}) ON CREATE SET n = row;
// replace_nodes Run
UNWIND $rows AS row MERGE (n:Run {id: row.id}) SET n = row;
// delete_nodes Run
UNWIND $rows AS id MATCH (n:Run {id: id}) DETACH DELETE n;
// read_nodes Run
UNWIND $ids AS id MATCH (n:Run {id: id}) RETURN n.id AS id, properties(n) AS props;
// count_nodes Run
MATCH (n:Run) RETURN count(n) AS n;
// orphans Run
MATCH (n:Run) WHERE NOT (n)--() RETURN n.id AS id;
// create_nodes Atlas
UNWIND $rows AS row CREATE (n:Atlas) SET n = row;
// merge_nodes Atlas
UNWIND $rows AS row MERGE (n:Atlas {id: row.id}) SET n += row.set;
// ensure_nodes Atlas
UNWIND $rows AS row MERGE (n:Atlas {id: row.id}) ON CREATE SET n = row;
// replace_nodes Atlas
UNWIND $rows AS row MERGE (n:Atlas {id: row.id}) SET n = row;
// delete_nodes Atlas
UNWIND $rows AS id MATCH (n:Atlas {id: id}) DETACH DELETE n;
// read_nodes Atlas
UNWIND $ids AS id MATCH (n:Atlas {id: id}) RETURN n.id AS id, properties(n) AS props;
// count_nodes Atlas
MATCH (n:Atlas) RETURN count(n) AS n;
// orphans Atlas
MATCH (n:Atlas) WHERE NOT (n)--() RETURN n.id AS id;
// merge_edges PUBLISHED_BY
UNWIND $rows AS row MATCH (a:Model {id: row.a}) MATCH (b:Author {id: row.b}) MERGE (a)-[r:PUBLISHED_BY]->(b) SET r = row.set;
// delete_edges PUBLISHED_BY
UNWIND $rows AS row MATCH (a:Model {id: row.a})-[r:PUBLISHED_BY]->(b:Author {id: row.b}) DELETE r;
// read_edges PUBLISHED_BY
UNWIND $ids AS id MATCH (a:Model {id: id})-[r:PUBLISHED_BY]->(b:Author) RETURN a.id AS a, b.id AS b, properties(r) AS props;
// merge_edges PUBLISHED_BY
UNWIND $rows AS row MATCH (a:Dataset {id: row.a}) MATCH (b:Author {id: row.b}) MERGE (a)-[r:PUBLISHED_BY]->(b) SET r = row.set;
// delete_edges PUBLISHED_BY
UNWIND $rows AS row MATCH (a:Dataset {id: row.a})-[r:PUBLISHED_BY]->(b:Author {id: row.b}) DELETE r;
// read_edges PUBLISHED_BY
UNWIND $ids AS id MATCH (a:Dataset {id: id})-[r:PUBLISHED_BY]->(b:Author) RETURN a.id AS a, b.id AS b, properties(r) AS props;
// count_edges PUBLISHED_BY
MATCH ()-[r:PUBLISHED_BY]->() RETURN count(r) AS n;
// merge_edges HAS_LICENSE
UNWIND $rows AS row MATCH (a:Model {id: row.a}) MATCH (b:License {id: row.b}) MERGE (a)-[r:HAS_LICENSE {source: row.set.source}]->(b) SET r = row.set;
// delete_edges HAS_LICENSE
UNWIND $rows AS row MATCH (a:Model {id: row.a})-[r:HAS_LICENSE]->(b:License {id: row.b}) WHERE r.source = row.set.source DELETE r;
// read_edges HAS_LICENSE
UNWIND $ids AS id MATCH (a:Model {id: id})-[r:HAS_LICENSE]->(b:License) RETURN a.id AS a, b.id AS b, properties(r) AS props;
// merge_edges HAS_LICENSE
UNWIND $rows AS row MATCH (a:Dataset {id: row.a}) MATCH (b:License {id: row.b}) MERGE (a)-[r:HAS_LICENSE {source: row.set.source}]->(b) SET r = row.set;
// delete_edges HAS_LICENSE
UNWIND $rows AS row MATCH (a:Dataset {id: row.a})-[r:HAS_LICENSE]->(b:License {id: row.b}) WHERE r.source = row.set.source DELETE r;
// read_edges HAS_LICENSE
UNWIND $ids AS id MATCH (a:Dataset {id: id})-[r:HAS_LICENSE]->(b:License) RETURN a.id AS a, b.id AS b, properties(r) AS props;
// count_edges HAS_LICENSE
MATCH ()-[r:HAS_LICENSE]->() RETURN count(r) AS n;
// merge_edges HAS_TASK
UNWIND $rows AS row MATCH (a:Model {id: row.a}) MATCH (b:Task {id: row.b}) MERGE (a)-[r:HAS_TASK {source: row.set.source}]->(b) SET r = row.set;
// delete_edges HAS_TASK
UNWIND $rows AS row MATCH (a:Model {id: row.a})-[r:HAS_TASK]->(b:Task {id: row.b}) WHERE r.source = row.set.source DELETE r;
// read_edges HAS_TASK
UNWIND $ids AS id MATCH (a:Model {id: id})-[r:HAS_TASK]->(b:Task) RETURN a.id AS a, b.id AS b, properties(r) AS props;
// count_edges HAS_TASK
MATCH ()-[r:HAS_TASK]->() RETURN count(r) AS n;
// merge_edges USES_LIBRARY
UNWIND $rows AS row MATCH (a:Model {id: row.a}) MATCH (b:Library {id: row.b}) MERGE (a)-[r:USES_LIBRARY {source: row.set.source}]->(b) SET r = row.set;
// delete_edges USES_LIBRARY
UNWIND $rows AS row MATCH (a:Model {id: row.a})-[r:USES_LIBRARY]->(b:Library {id: row.b}) WHERE r.source = row.set.source DELETE r;
// read_edges USES_LIBRARY
UNWIND $ids AS id MATCH (a:Model {id: id})-[r:USES_LIBRARY]->(b:Library) RETURN a.id AS a, b.id AS b, properties(r) AS props;
// count_edges USES_LIBRARY
MATCH ()-[r:USES_LIBRARY]->() RETURN count(r) AS n;
// merge_edges HAS_ARCHITECTURE
UNWIND $rows AS row MATCH (a:Model {id: row.a}) MATCH (b:Architecture {id: row.b}) MERGE (a)-[r:HAS_ARCHITECTURE {source: row.set.source}]->(b) SET r = row.set;
// delete_edges HAS_ARCHITECTURE
UNWIND $rows AS row MATCH (a:Model {id: row.a})-[r:HAS_ARCHITECTURE]->(b:Architecture {id: row.b}) WHERE r.source = row.set.source DELETE r;
// read_edges HAS_ARCHITECTURE
UNWIND $ids AS id MATCH (a:Model {id: id})-[r:HAS_ARCHITECTURE]->(b:Architecture) RETURN a.id AS a, b.id AS b, properties(r) AS props;
// count_edges HAS_ARCHITECTURE
MATCH ()-[r:HAS_ARCHITECTURE]->() RETURN count(r) AS n;
// merge_edges HAS_RELATION
UNWIND $rows AS row MATCH (a:Model {id: row.a}) MATCH (b:Relation {id: row.b}) MERGE (a)-[r:HAS_RELATION {source: row.set.source}]->(b) SET r = row.set;
// delete_edges HAS_RELATION
UNWIND $rows AS row MATCH (a:Model {id: row.a})-[r:HAS_RELATION]->(b:Relation {id: row.b}) WHERE r.source = row.set.source DELETE r;
// read_edges HAS_RELATION
UNWIND $ids AS id MATCH (a:Model {id: id})-[r:HAS_RELATION]->(b:Relation) RETURN a.id AS a, b.id AS b, properties(r) AS props;
// count_edges HAS_RELATION
MATCH ()-[r:HAS_RELATION]->() RETURN count(r) AS n;
// merge_edges IN_LANGUAGE
UNWIND $rows AS row MATCH (a:Model {id: row.a}) MATCH (b:Language {id: row.b}) MERGE (a)-[r:IN_LANGUAGE {source: row.set.source}]->(b) SET r = row.set;
// delete_edges IN_LANGUAGE
UNWIND $rows AS row MATCH (a:Model {id: row.a})-[r:IN_LANGUAGE]->(b:Language {id: row.b}) WHERE r.source = row.set.source DELETE r;
// read_edges IN_LANGUAGE
UNWIND $ids AS id MATCH (a:Model {id: id})-[r:IN_LANGUAGE]->(b:Language) RETURN a.id AS a, b.id AS b, properties(r) AS props;
// count_edges IN_LANGUAGE
MATCH ()-[r:IN_LANGUAGE]->() RETURN count(r) AS n;
// merge_edges TRAINED_ON
UNWIND $rows AS row MATCH (a:Model {id: row.a}) MATCH (b:Dataset {id: row.b}) MERGE (a)-[r:TRAINED_ON {source: row.set.source}]->(b) SET r = row.set;
// delete_edges TRAINED_ON
UNWIND $rows AS row MATCH (a:Model {id: row.a})-[r:TRAINED_ON]->(b:Dataset {id: row.b}) WHERE r.source = row.set.source DELETE r;
// read_edges TRAINED_ON
UNWIND $ids AS id MATCH (a:Model {id: id})-[r:TRAINED_ON]->(b:Dataset) RETURN a.id AS a, b.id AS b, properties(r) AS props;
// count_edges TRAINED_ON
MATCH ()-[r:TRAINED_ON]->() RETURN count(r) AS n;
// merge_edges CITES
UNWIND $rows AS row MATCH (a:Model {id: row.a}) MATCH (b:Paper {id: row.b}) MERGE (a)-[r:CITES {source: row.set.source}]->(b) SET r = row.set;
// delete_edges CITES
UNWIND $rows AS row MATCH (a:Model {id: row.a})-[r:CITES]->(b:Paper {id: row.b}) WHERE r.source = row.set.source DELETE r;
// read_edges CITES
UNWIND $ids AS id MATCH (a:Model {id: id})-[r:CITES]->(b:Paper) RETURN a.id AS a, b.id AS b, properties(r) AS props;
// count_edges CITES
MATCH ()-[r:CITES]->() RETURN count(r) AS n;
// merge_edges CLAIMS_PARENT
UNWIND $rows AS row MATCH (a:Model {id: row.a}) MATCH (b:Model {id: row.b}) MERGE (a)-[r:CLAIMS_PARENT {source: row.set.source, method: row.set.method}]->(b) SET r = row.set;
// delete_edges CLAIMS_PARENT
UNWIND $rows AS row MATCH (a:Model {id: row.a})-[r:CLAIMS_PARENT]->(b:Model {id: row.b}) WHERE r.source = row.set.source AND r.method = row.set.method DELETE r;
// read_edges CLAIMS_PARENT
UNWIND $ids AS id MATCH (a:Model {id: id})-[r:CLAIMS_PARENT]->(b:Model) RETURN a.id AS a, b.id AS b, properties(r) AS props;
// count_edges CLAIMS_PARENT
MATCH ()-[r:CLAIMS_PARENT]->() RETURN count(r) AS n;
// merge_edges DERIVED_FROM
UNWIND $rows AS row MATCH (a:Model {id: row.a}) MATCH (b:Model {id: row.b}) MERGE (a)-[r:DERIVED_FROM]->(b) SET r = row.set;
// delete_edges DERIVED_FROM
UNWIND $rows AS row MATCH (a:Model {id: row.a})-[r:DERIVED_FROM]->(b:Model {id: row.b}) DELETE r;
// read_edges DERIVED_FROM
UNWIND $ids AS id MATCH (a:Model {id: id})-[r:DERIVED_FROM]->(b:Model) RETURN a.id AS a, b.id AS b, properties(r) AS props;
// count_edges DERIVED_FROM
MATCH ()-[r:DERIVED_FROM]->() RETURN count(r) AS n;
// merge_edges CONFLICTS_WITH
UNWIND $rows AS row MATCH (a:Model {id: row.a}) MATCH (b:Model {id: row.b}) MERGE (a)-[r:CONFLICTS_WITH {rule: row.set.rule}]->(b) SET r = row.set;
// delete_edges CONFLICTS_WITH
UNWIND $rows AS row MATCH (a:Model {id: row.a})-[r:CONFLICTS_WITH]->(b:Model {id: row.b}) WHERE r.rule = row.set.rule DELETE r;
// read_edges CONFLICTS_WITH
UNWIND $ids AS id MATCH (a:Model {id: id})-[r:CONFLICTS_WITH]->(b:Model) RETURN a.id AS a, b.id AS b, properties(r) AS props;
// merge_edges CONFLICTS_WITH
UNWIND $rows AS row MATCH (a:Model {id: row.a}) MATCH (b:Dataset {id: row.b}) MERGE (a)-[r:CONFLICTS_WITH {rule: row.set.rule}]->(b) SET r = row.set;
// delete_edges CONFLICTS_WITH
UNWIND $rows AS row MATCH (a:Model {id: row.a})-[r:CONFLICTS_WITH]->(b:Dataset {id: row.b}) WHERE r.rule = row.set.rule DELETE r;
// read_edges CONFLICTS_WITH
UNWIND $ids AS id MATCH (a:Model {id: id})-[r:CONFLICTS_WITH]->(b:Dataset) RETURN a.id AS a, b.id AS b, properties(r) AS props;
// count_edges CONFLICTS_WITH
MATCH ()-[r:CONFLICTS_WITH]->() RETURN count(r) AS n;
// merge_edges LICENSE_RULE
UNWIND $rows AS row MATCH (a:License {id: row.a}) MATCH (b:License {id: row.b}) MERGE (a)-[r:LICENSE_RULE {relation: row.set.relation, child_unlicensed: row.set.child_unlicensed}]->(b) SET r = row.set;
// delete_edges LICENSE_RULE
UNWIND $rows AS row MATCH (a:License {id: row.a})-[r:LICENSE_RULE]->(b:License {id: row.b}) WHERE r.relation = row.set.relation AND r.child_unlicensed = row.set.child_unlicensed DELETE r;
// read_edges LICENSE_RULE
UNWIND $ids AS id MATCH (a:License {id: id})-[r:LICENSE_RULE]->(b:License) RETURN a.id AS a, b.id AS b, properties(r) AS props;
// count_edges LICENSE_RULE
MATCH ()-[r:LICENSE_RULE]->() RETURN count(r) AS n;
