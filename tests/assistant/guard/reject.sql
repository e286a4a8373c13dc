-- What the guard refuses, on the demo schema: one attack or mistake a case, and the rule that stops it. Cases are separated
-- by blank lines; the dialect is SQLite unless a line `-- dialect: NAME` stands above the statement; the rule stands below
-- it. `tests/assistant/guard/cases.py` reads this file.

-- More than one statement

SELECT 1; DROP TABLE customer
-- rule: one-statement

SELECT full_name FROM customer; DELETE FROM customer; --
-- rule: one-statement

SELECT 1;; SELECT 2
-- rule: one-statement

; SELECT 1
-- rule: one-statement

SELECT 'it''s'; UPDATE employee SET salary = 0
-- rule: one-statement

SELECT full_name FROM customer /* ; */ ; PRAGMA writable_schema = 1
-- rule: one-statement

-- dialect: mysql
SELECT 'a\'; DROP TABLE customer; -- b'; DROP TABLE customer
-- rule: one-statement

-- dialect: postgres
SELECT 'a\'; DROP TABLE customer; --'
-- rule: one-statement

-- dialect: postgres
SELECT $$a$$; DROP TABLE customer
-- rule: one-statement

-- dialect: postgres
BEGIN; SELECT 1; COMMIT
-- rule: one-statement

-- Statements that do not read

INSERT INTO customer (customer_key) VALUES (1)
-- rule: read-only

INSERT INTO category SELECT * FROM category
-- rule: read-only

REPLACE INTO category VALUES (1, 'x')
-- rule: read-only

UPDATE employee SET salary = salary * 2
-- rule: read-only

DELETE FROM customer
-- rule: read-only

DROP TABLE customer
-- rule: read-only

CREATE TABLE x (a INT)
-- rule: read-only

CREATE TABLE x AS SELECT * FROM customer
-- rule: read-only

CREATE VIEW x AS SELECT * FROM customer
-- rule: read-only

CREATE TRIGGER t AFTER INSERT ON customer BEGIN SELECT 1
-- rule: read-only

ALTER TABLE customer ADD COLUMN x INT
-- rule: read-only

CREATE INDEX i ON customer (full_name)
-- rule: read-only

PRAGMA table_info(customer)
-- rule: read-only

PRAGMA journal_mode = DELETE
-- rule: read-only

ATTACH DATABASE '/tmp/other.db' AS other
-- rule: read-only

DETACH DATABASE main
-- rule: read-only

VACUUM INTO '/tmp/copy.db'
-- rule: read-only

REINDEX
-- rule: read-only

ANALYZE
-- rule: read-only

EXPLAIN SELECT * FROM customer
-- rule: read-only

EXPLAIN QUERY PLAN SELECT * FROM customer
-- rule: read-only

BEGIN TRANSACTION
-- rule: read-only

ROLLBACK
-- rule: read-only

SAVEPOINT s
-- rule: read-only

VALUES (1), (2)
-- rule: read-only

FROM customer SELECT full_name
-- rule: read-only

Here is the query you asked for
-- rule: read-only

-- dialect: postgres
TRUNCATE customer
-- rule: read-only

-- dialect: postgres
COPY customer TO '/tmp/x'
-- rule: read-only

-- dialect: postgres
COPY (SELECT 1) TO PROGRAM 'touch /tmp/x'
-- rule: read-only

-- dialect: postgres
DO $$ BEGIN PERFORM 1 END $$
-- rule: read-only

-- dialect: postgres
CALL do_something()
-- rule: read-only

-- dialect: postgres
SET statement_timeout = 0
-- rule: read-only

-- dialect: postgres
RESET ALL
-- rule: read-only

-- dialect: postgres
SHOW server_version
-- rule: read-only

-- dialect: postgres
EXPLAIN ANALYZE DELETE FROM customer
-- rule: read-only

-- dialect: postgres
PREPARE p AS DELETE FROM customer
-- rule: read-only

-- dialect: postgres
EXECUTE p
-- rule: read-only

-- dialect: postgres
GRANT ALL ON customer TO PUBLIC
-- rule: read-only

-- dialect: postgres
LISTEN x
-- rule: read-only

-- dialect: postgres
LOCK TABLE customer
-- rule: read-only

-- dialect: postgres
TABLE pg_authid
-- rule: read-only

-- dialect: postgres
MERGE INTO category c USING product p ON c.category_key = p.category_key WHEN MATCHED THEN DELETE
-- rule: read-only

-- dialect: postgres
DECLARE c CURSOR FOR SELECT 1
-- rule: read-only

-- dialect: mysql
LOAD DATA INFILE '/etc/passwd' INTO TABLE category
-- rule: read-only

-- dialect: mysql
HANDLER customer OPEN
-- rule: read-only

-- dialect: mysql
DO SLEEP(5)
-- rule: read-only

-- dialect: mysql
SHOW TABLES
-- rule: read-only

-- dialect: mysql
DESCRIBE customer
-- rule: read-only

-- dialect: mysql
USE mysql
-- rule: read-only

-- dialect: mysql
SET GLOBAL general_log = 1
-- rule: read-only

-- dialect: mysql
RENAME TABLE customer TO x
-- rule: read-only

-- dialect: mysql
KILL 1
-- rule: read-only

-- Writing below a SELECT

WITH gone AS (DELETE FROM customer RETURNING *) SELECT * FROM gone
-- rule: read-only

WITH x AS (SELECT 1) DELETE FROM customer
-- rule: read-only

WITH x AS (SELECT 1) INSERT INTO category SELECT 1, 'x' FROM x
-- rule: read-only

WITH x AS (SELECT 1) UPDATE employee SET salary = 0
-- rule: read-only

SELECT * INTO backup FROM customer
-- rule: read-only

SELECT full_name FROM customer RETURNING *
-- rule: syntax

SELECT * FROM (DELETE FROM customer RETURNING *)
-- rule: syntax

SELECT (DELETE FROM customer)
-- rule: syntax

-- dialect: postgres
WITH x AS (CALL do_something()) SELECT * FROM x
-- rule: syntax

WITH x AS (CREATE TABLE z AS SELECT 1 PARTITION x) SELECT * FROM x
-- rule: syntax

-- dialect: postgres
WITH d AS (DELETE FROM customer RETURNING *) SELECT count(*) FROM d
-- rule: read-only

-- dialect: postgres
WITH i AS (INSERT INTO category VALUES (9, 'x') RETURNING *) SELECT * FROM i
-- rule: read-only

-- dialect: postgres
WITH u AS (UPDATE employee SET salary = 0 RETURNING salary) SELECT sum(salary) FROM u
-- rule: read-only

-- dialect: postgres
WITH a AS (SELECT 1 AS x), b AS (WITH c AS (DELETE FROM customer RETURNING *) SELECT * FROM c) SELECT x FROM a
-- rule: read-only

-- dialect: postgres
WITH m AS (MERGE INTO category c USING product p ON TRUE WHEN MATCHED THEN DELETE RETURNING 1) SELECT * FROM m
-- rule: read-only

-- dialect: postgres
SELECT full_name FROM customer UNION (WITH d AS (DELETE FROM customer RETURNING full_name) SELECT full_name FROM d)
-- rule: read-only

-- dialect: postgres
SELECT * INTO TEMP backup FROM customer
-- rule: read-only

-- dialect: postgres
SELECT full_name FROM customer FOR UPDATE
-- rule: read-only

-- dialect: postgres
SELECT full_name FROM customer FOR SHARE SKIP LOCKED
-- rule: read-only

-- dialect: postgres
SELECT * FROM (SELECT * FROM customer FOR NO KEY UPDATE) AS x
-- rule: read-only

-- dialect: mysql
SELECT full_name FROM customer FOR UPDATE
-- rule: read-only

-- dialect: mysql
SELECT full_name FROM customer LOCK IN SHARE MODE
-- rule: read-only

-- dialect: mysql
SELECT full_name FROM customer INTO OUTFILE '/tmp/x'
-- rule: syntax

-- dialect: mysql
SELECT full_name INTO OUTFILE '/tmp/x' FROM customer
-- rule: syntax

-- dialect: mysql
SELECT '<?php ?>' INTO DUMPFILE '/var/www/x.php'
-- rule: syntax

-- dialect: mysql
SELECT full_name FROM customer LIMIT 1 INTO @x
-- rule: syntax

-- Functions that do more than compute

SELECT load_extension('/tmp/x.so')
-- rule: unknown-function

SELECT "load_extension"('/tmp/x.so')
-- rule: unknown-function

SELECT [load_extension]('/tmp/x.so')
-- rule: unknown-function

SELECT `load_extension`('/tmp/x.so')
-- rule: unknown-function

SELECT full_name FROM customer WHERE load_extension('/tmp/x.so') IS NULL
-- rule: unknown-function

SELECT readfile('/etc/passwd')
-- rule: unknown-function

SELECT writefile('/tmp/x', full_name) FROM customer
-- rule: unknown-function

SELECT edit(full_name) FROM customer
-- rule: unknown-function

SELECT fts3_tokenizer('x', x)
-- rule: unknown-function

SELECT sqlite_version()
-- rule: unknown-function

SELECT randomblob(1000000000)
-- rule: unknown-function

SELECT hex(zeroblob(500000000))
-- rule: unknown-function

SELECT printf('%1000000000d', 1)
-- rule: unknown-function

SELECT printf('%.*c', 1000000000, 'x')
-- rule: unknown-function

SELECT format(full_name, 1) FROM customer
-- rule: unknown-function

SELECT last_insert_rowid(), total_changes()
-- rule: unknown-function

SELECT count(*) FROM customer ORDER BY load_extension('x')
-- rule: unknown-function

SELECT sum(salary) OVER (ORDER BY load_extension('x')) FROM employee
-- rule: unknown-function

SELECT * FROM customer LIMIT load_extension('x')
-- rule: unknown-function

SELECT * FROM pragma_table_info('customer')
-- rule: unknown-function

SELECT p.name FROM customer, pragma_database_list() AS p
-- rule: unknown-function

SELECT * FROM generate_series(1, 1000000000)
-- rule: unknown-function

SELECT * FROM fsdir('/')
-- rule: unknown-function

SELECT * FROM main.pragma_table_info('customer')
-- rule: unknown-function

SELECT main.load_extension('x')
-- rule: node-not-allowed

-- dialect: postgres
SELECT pg_sleep(10)
-- rule: unknown-function

-- dialect: postgres
SELECT "pg_sleep"(10)
-- rule: unknown-function

-- dialect: postgres
SELECT pg_catalog.pg_sleep(10)
-- rule: node-not-allowed

-- dialect: postgres
SELECT pg_catalog . "pg_sleep" (10)
-- rule: node-not-allowed

-- dialect: postgres
SELECT PG_SLEEP/**/(10)
-- rule: unknown-function

-- dialect: postgres
SELECT * FROM pg_sleep(10)
-- rule: unknown-function

-- dialect: postgres
SELECT * FROM customer, LATERAL pg_read_file('/etc/passwd') AS f
-- rule: unknown-function

-- dialect: postgres
SELECT * FROM ROWS FROM (pg_ls_dir('/')) AS x
-- rule: node-not-allowed

-- dialect: postgres
SELECT pg_read_file('/etc/passwd')
-- rule: unknown-function

-- dialect: postgres
SELECT lo_import('/etc/passwd')
-- rule: unknown-function

-- dialect: postgres
SELECT lo_export(1, '/tmp/x')
-- rule: unknown-function

-- dialect: postgres
SELECT * FROM dblink('host=evil', 'SELECT 1') AS t(a)
-- rule: unknown-function

-- dialect: postgres
SELECT * FROM json_to_recordset('[]') AS t(a INT)
-- rule: unknown-function

-- dialect: postgres
SELECT query_to_xml('DELETE FROM customer', true, true, '')
-- rule: unknown-function

-- dialect: postgres
SELECT database_to_xml(true, true, '')
-- rule: unknown-function

-- dialect: postgres
SELECT set_config('statement_timeout', '0', false)
-- rule: unknown-function

-- dialect: postgres
SELECT current_setting('data_directory')
-- rule: unknown-function

-- dialect: postgres
SELECT nextval('some_sequence')
-- rule: unknown-function

-- dialect: postgres
SELECT pg_advisory_lock(1)
-- rule: unknown-function

-- dialect: postgres
SELECT pg_terminate_backend(1)
-- rule: unknown-function

-- dialect: postgres
SELECT version(), current_database()
-- rule: unknown-function

-- dialect: postgres
SELECT current_user
-- rule: node-not-allowed

-- dialect: postgres
SELECT session_user
-- rule: node-not-allowed

-- dialect: postgres
SELECT user
-- rule: unknown-column

-- dialect: postgres
SELECT repeat('x', 1000000000)
-- rule: unknown-function

-- dialect: postgres
SELECT lpad('x', 1000000000)
-- rule: unknown-function

-- dialect: postgres
SELECT format('%1000000000s', 'x')
-- rule: unknown-function

-- dialect: postgres
SELECT has_table_privilege('customer', 'select')
-- rule: unknown-function

-- dialect: postgres
SELECT row_to_json(c) FROM customer c
-- rule: unknown-function

-- dialect: postgres
SELECT 1 OPERATOR(pg_catalog.+) 2
-- rule: node-not-allowed

-- dialect: postgres
SELECT 'pg_authid'::regclass
-- rule: node-not-allowed

-- dialect: postgres
SELECT full_name::public.mytype FROM customer
-- rule: node-not-allowed

-- dialect: postgres
SELECT CAST('1' AS "char")
-- rule: node-not-allowed

-- dialect: postgres
SELECT (c).full_name FROM customer c
-- rule: node-not-allowed

-- dialect: postgres
SELECT c FROM customer c
-- rule: unknown-column

-- dialect: mysql
SELECT SLEEP(10)
-- rule: unknown-function

-- dialect: mysql
SELECT SLEEP/**/(10)
-- rule: unknown-function

-- dialect: mysql
SELECT `sleep`(10)
-- rule: unknown-function

-- dialect: mysql
SELECT full_name FROM customer WHERE IF(1 = 1, SLEEP(5), 0)
-- rule: unknown-function

-- dialect: mysql
SELECT BENCHMARK(100000000, MD5('x'))
-- rule: unknown-function

-- dialect: mysql
SELECT LOAD_FILE('/etc/passwd')
-- rule: unknown-function

-- dialect: mysql
SELECT GET_LOCK('x', 100)
-- rule: unknown-function

-- dialect: mysql
SELECT USER(), VERSION(), DATABASE()
-- rule: unknown-function

-- dialect: mysql
SELECT CURRENT_USER
-- rule: node-not-allowed

-- dialect: mysql
SELECT EXTRACTVALUE(1, CONCAT(0x7e, VERSION()))
-- rule: unknown-function

-- dialect: mysql
SELECT UPDATEXML(1, CONCAT('~', full_name), 1) FROM customer
-- rule: unknown-function

-- dialect: mysql
SELECT LAST_INSERT_ID(5)
-- rule: unknown-function

-- dialect: mysql
SELECT mysql.sleep(1)
-- rule: node-not-allowed

-- dialect: mysql
SELECT RPAD('x', 1000000000, 'y')
-- rule: unknown-function

-- Parameters, variables, hints and comments that are more

SELECT full_name FROM customer WHERE customer_key = ?
-- rule: node-not-allowed

SELECT full_name FROM customer WHERE customer_key = :id
-- rule: node-not-allowed

SELECT full_name FROM customer WHERE customer_key = @id
-- rule: node-not-allowed

SELECT full_name FROM customer WHERE customer_key = $id
-- rule: node-not-allowed

SELECT full_name FROM customer INDEXED BY some_index
-- rule: node-not-allowed

SELECT full_name /*! , (SELECT salary FROM employee LIMIT 1) */ FROM customer
-- rule: comment

-- dialect: mysql
SELECT /*!50000 SLEEP(5), */ full_name FROM customer
-- rule: comment

-- dialect: mysql
SELECT full_name FROM customer /*!00000 UNION SELECT password FROM mysql.user */
-- rule: comment

-- dialect: mysql
SELECT full_name FROM customer /*M!100100 FOR UPDATE */
-- rule: comment

-- dialect: mysql
SELECT /*+ SET_VAR(max_execution_time = 0) */ full_name FROM customer
-- rule: node-not-allowed

-- dialect: mysql
SELECT @@version
-- rule: node-not-allowed

-- dialect: mysql
SELECT @x
-- rule: node-not-allowed

-- dialect: mysql
SELECT @x := full_name FROM customer
-- rule: node-not-allowed

-- dialect: mysql
SELECT SQL_CALC_FOUND_ROWS full_name FROM customer
-- rule: node-not-allowed

-- dialect: mysql
SELECT full_name FROM customer USE INDEX (PRIMARY)
-- rule: node-not-allowed

-- dialect: mysql
SELECT full_name FROM customer PROCEDURE ANALYSE(1, 1)
-- rule: syntax

-- dialect: postgres
SELECT full_name FROM customer WHERE customer_key = $1
-- rule: node-not-allowed

-- dialect: postgres
SELECT E'\x27; DROP TABLE customer; --'
-- rule: node-not-allowed

-- dialect: postgres
SELECT U&'\0027'
-- rule: node-not-allowed

-- dialect: postgres
SELECT full_name FROM customer TABLESAMPLE SYSTEM (1)
-- rule: node-not-allowed

SELECT 'never closed
-- rule: syntax

SELECT full_name FROM customer /* never closed
-- rule: syntax

SELECT "never closed FROM customer
-- rule: syntax

-- System tables and other schemas

SELECT name, sql FROM sqlite_master
-- rule: system-table

SELECT name FROM sqlite_schema
-- rule: system-table

SELECT name FROM "sqlite_master"
-- rule: system-table

SELECT name FROM 'sqlite_master'
-- rule: system-table

SELECT name FROM [SQLite_Master]
-- rule: system-table

SELECT name FROM main.sqlite_master
-- rule: system-table

SELECT * FROM sqlite_temp_master
-- rule: system-table

SELECT * FROM dbstat
-- rule: system-table

SELECT * FROM pragma_database_list
-- rule: system-table

SELECT full_name FROM customer WHERE EXISTS (SELECT 1 FROM sqlite_master WHERE name LIKE 'a%')
-- rule: system-table

SELECT full_name FROM customer UNION SELECT sql FROM sqlite_master
-- rule: system-table

SELECT full_name, (SELECT group_concat(sql) FROM sqlite_master) FROM customer
-- rule: system-table

WITH x AS (SELECT * FROM sqlite_master) SELECT * FROM x
-- rule: system-table

WITH sqlite_master AS (SELECT 1 AS a) SELECT a FROM sqlite_master
-- rule: system-table

SELECT * FROM (WITH t AS (SELECT 1 AS a) SELECT a FROM t) AS x, t
-- rule: unknown-table

SELECT full_name FROM customer WHERE customer_key IN sqlite_master
-- rule: node-not-allowed

SELECT full_name FROM customer ORDER BY (SELECT name FROM sqlite_master LIMIT 1)
-- rule: system-table

SELECT full_name FROM customer LIMIT (SELECT COUNT(*) FROM sqlite_master)
-- rule: system-table

SELECT full_name FROM customer JOIN sqlite_master ON TRUE
-- rule: system-table

SELECT CASE WHEN (SELECT COUNT(*) FROM sqlite_master) > 5 THEN 1 END
-- rule: system-table

SELECT full_name FROM main.customer
-- rule: unknown-table

SELECT full_name FROM temp.customer
-- rule: unknown-table

-- dialect: postgres
SELECT * FROM pg_authid
-- rule: system-table

-- dialect: postgres
SELECT table_name FROM information_schema.tables
-- rule: system-table

-- dialect: postgres
SELECT relname FROM pg_catalog.pg_class
-- rule: system-table

-- dialect: postgres
SELECT * FROM PG_User
-- rule: system-table

-- dialect: postgres
SELECT * FROM (TABLE pg_shadow) AS x
-- rule: system-table

-- dialect: postgres
SELECT full_name FROM customer UNION ALL (TABLE pg_roles)
-- rule: system-table

-- dialect: postgres
WITH pg_user AS (SELECT 1 AS a) SELECT a FROM pg_user
-- rule: system-table

-- dialect: postgres
WITH x AS (SELECT * FROM x) SELECT * FROM x
-- rule: unknown-table

-- dialect: postgres
SELECT ctid, xmin FROM customer
-- rule: unknown-column

-- dialect: postgres
SELECT c.tableoid FROM customer c
-- rule: unknown-column

-- dialect: postgres
SELECT full_name FROM ONLY customer
-- rule: node-not-allowed

-- dialect: postgres
SELECT full_name FROM other.public.customer
-- rule: unknown-table

-- dialect: mysql
SELECT user, authentication_string FROM mysql.user
-- rule: system-table

-- dialect: mysql
SELECT * FROM INFORMATION_SCHEMA.PROCESSLIST
-- rule: system-table

-- dialect: mysql
SELECT * FROM `performance_schema`.`threads`
-- rule: system-table

-- dialect: mysql
SELECT * FROM sys.session
-- rule: system-table

-- dialect: mysql
SELECT full_name FROM customer PARTITION (p0)
-- rule: node-not-allowed

-- Names that are not there, or mean two things

SELECT * FROM customers
-- rule: unknown-table

SELECT * FROM orders
-- rule: unknown-table

SELECT full_name FROM customer AS c, nothing
-- rule: unknown-table

SELECT x.full_name FROM customer AS c
-- rule: unknown-table

SELECT customer.full_name FROM customer AS c
-- rule: unknown-table

SELECT sales_order.status FROM customer
-- rule: unknown-table

SELECT x.* FROM customer
-- rule: unknown-table

SELECT name FROM customer
-- rule: unknown-column

SELECT c.email FROM customer AS c
-- rule: unknown-column

SELECT full_name FROM customer WHERE total > 5
-- rule: unknown-column

SELECT full_name FROM customer GROUP BY region
-- rule: unknown-column

SELECT full_name FROM customer ORDER BY age
-- rule: unknown-column

SELECT COUNT(*) FROM customer HAVING number > 1
-- rule: unknown-column

SELECT full_name FROM customer JOIN address USING (city)
-- rule: unknown-column

SELECT upper(full_name) AS shout, length(shout) FROM customer
-- rule: unknown-column

SELECT full_name FROM (SELECT city FROM address)
-- rule: unknown-column

SELECT x.full_name FROM (SELECT city FROM address) AS x
-- rule: unknown-column

WITH x(a) AS (SELECT city FROM address) SELECT city FROM x
-- rule: unknown-column

SELECT city FROM address UNION SELECT title FROM employee ORDER BY title
-- rule: unknown-column

SELECT full_name FROM customer WHERE gender = "female"
-- rule: unknown-column

SELECT "anything at all" FROM customer
-- rule: unknown-column

SELECT rowid FROM customer
-- rule: unknown-column

SELECT oid, _rowid_ FROM customer
-- rule: unknown-column

SELECT c.full_name FROM customer c, (SELECT city FROM address WHERE customer_key = c.customer_key) a
-- rule: unknown-table

SELECT main.customer.full_name FROM customer
-- rule: unknown-column

SELECT customer_key FROM customer JOIN address ON customer.customer_key = address.customer_key
-- rule: ambiguous-column

SELECT full_name FROM customer, employee
-- rule: ambiguous-column

SELECT c.full_name FROM customer c JOIN sales_order o USING (customer_key) WHERE created_date > '2024' AND status IN (SELECT status FROM support_ticket t JOIN sales_order s ON s.customer_key = t.customer_key)
-- rule: ambiguous-column

SELECT full_name FROM customer JOIN customer
-- rule: ambiguous-column

SELECT n FROM (SELECT 1 AS n, 2 AS n) AS x
-- rule: ambiguous-column

-- dialect: postgres
SELECT "Full_Name" FROM customer
-- rule: unknown-column

-- dialect: postgres
SELECT full_name FROM "CUSTOMER"
-- rule: unknown-table

-- dialect: postgres
SELECT full_name AS n FROM customer WHERE n = 'x'
-- rule: unknown-column

-- dialect: postgres
SELECT count(*) AS n FROM customer HAVING n > 1
-- rule: unknown-column

-- dialect: postgres
SELECT customer_key AS k FROM customer ORDER BY k + 1
-- rule: unknown-column

-- dialect: mysql
SELECT full_name AS n FROM customer WHERE n = 'x'
-- rule: unknown-column

-- dialect: mysql
SELECT fullname FROM customer
-- rule: unknown-column

-- Another dialect's SQL

SELECT YEAR(order_date) FROM sales_order
-- rule: unknown-function

SELECT CONCAT(full_name, gender) FROM customer
-- rule: unknown-function

SELECT DATE_TRUNC('month', order_date) FROM sales_order
-- rule: unknown-function

SELECT NOW()
-- rule: unknown-function

SELECT EXTRACT(YEAR FROM order_date) FROM sales_order
-- rule: unknown-function

SELECT TOP 5 full_name FROM customer
-- rule: syntax

SELECT full_name FROM customer WHERE full_name ILIKE 'a%'
-- rule: node-not-allowed

SELECT order_date + INTERVAL '1' DAY FROM sales_order
-- rule: node-not-allowed

SELECT CAST(order_date AS DATE) FROM sales_order
-- rule: node-not-allowed

SELECT full_name FROM customer QUALIFY ROW_NUMBER() OVER (ORDER BY customer_key) = 1
-- rule: node-not-allowed

SELECT * EXCEPT (gender) FROM customer
-- rule: node-not-allowed

SELECT full_name FROM customer SEMI JOIN address ON TRUE
-- rule: node-not-allowed

SELECT * FROM payment PIVOT (SUM(amount) FOR method IN ('card'))
-- rule: node-not-allowed

SELECT {'a': 1}
-- rule: node-not-allowed

SELECT 'a' 'b'
-- rule: node-not-allowed

SELECT gender NOT IN ('male') = 0 FROM customer
-- rule: syntax

-- dialect: postgres
SELECT STRFTIME('%Y', order_date) FROM sales_order
-- rule: unknown-function

-- dialect: postgres
SELECT IFNULL(salary, 0) FROM employee
-- rule: unknown-function

-- dialect: mysql
SELECT STRING_AGG(full_name, ',') FROM customer
-- rule: unknown-function

-- dialect: mysql
SELECT full_name FROM customer ORDER BY full_name NULLS LAST
-- rule: syntax

-- dialect: mysql
SELECT full_name FROM customer WHERE full_name ILIKE 'a%'
-- rule: node-not-allowed

-- Row limits without a sure number

SELECT full_name FROM customer LIMIT 1e9
-- rule: row-limit

SELECT full_name FROM customer LIMIT '5'
-- rule: row-limit

SELECT full_name FROM customer LIMIT 2.5
-- rule: row-limit

-- dialect: postgres
SELECT full_name FROM customer LIMIT ALL
-- rule: row-limit

-- dialect: postgres
SELECT full_name FROM customer ORDER BY full_name FETCH FIRST 5 ROWS WITH TIES
-- rule: node-not-allowed

-- dialect: mysql
SELECT full_name FROM customer LIMIT (SELECT 5)
-- rule: row-limit

-- Not SQL

SELECT
-- rule: syntax

SELECT FROM customer
-- rule: syntax

SELECT full_name FROM
-- rule: syntax

SELECT full_name FRM customer WHERE
-- rule: syntax

SELECT ((full_name) FROM customer
-- rule: syntax

WITH x AS SELECT 1 SELECT * FROM x
-- rule: syntax

()
-- rule: read-only

(((
-- rule: syntax

SELECT full_name AS $name FROM customer ORDER BY $name
-- rule: node-not-allowed
