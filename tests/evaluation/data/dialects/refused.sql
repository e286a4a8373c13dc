-- sqlite postgres: from any row of a group
SELECT city, name, COUNT(*) FROM person GROUP BY city

-- sqlite mysql: from any row of a group
SELECT name, COUNT(*) FROM person

-- sqlite postgres: JSON_EXTRACT
SELECT json_extract(name, '$.a') FROM person

-- sqlite mysql: FULL JOIN
SELECT p.id FROM person p FULL JOIN visit v ON v.person_id = p.id

-- sqlite postgres: could not be resolved
SELECT nothing FROM person

-- sqlite postgres: not one SELECT
DELETE FROM person

-- sqlite postgres: Cannot read
SELECT FROM WHERE

-- sqlite postgres: as a date
SELECT date(score) FROM person

-- sqlite postgres: modifier
SELECT date(born, 'subsec') FROM person

-- sqlite postgres: not written out
SELECT id FROM person WHERE name GLOB city

-- sqlite mysql: several different letters
SELECT trim(name, 'ab') FROM person

-- postgres sqlite: DISTINCT ON
SELECT DISTINCT ON (city) city, name FROM person ORDER BY city, score

-- postgres sqlite: regular expression
SELECT id FROM person WHERE name ~ '^a'

-- postgres sqlite: with an order
SELECT STRING_AGG(name, ', ' ORDER BY name) FROM person

-- postgres sqlite: SPLIT_PART
SELECT SPLIT_PART(name, ' ', 1) FROM person

-- mysql sqlite: CONCAT_WS
SELECT CONCAT_WS('-', name, city) FROM person

-- postgres mysql: not written out
SELECT TO_CHAR(born, name) FROM person

-- postgres mysql: the format
SELECT TO_CHAR(born, 'Month') FROM person

-- sqlite mysql: both text and numbers with a fraction
SELECT COALESCE(score, 'none') FROM person

-- sqlite postgres: ORDER BY something that SELECT DISTINCT does not show
SELECT DISTINCT name FROM person ORDER BY id

-- sqlite postgres: in FROM
SELECT value FROM json_each('[1, 2]')

-- sqlite mysql: a LIMIT that is not a number
SELECT name FROM person ORDER BY id LIMIT (SELECT 1 + 1)

-- postgres sqlite: an interval as a result
SELECT AGE(TIMESTAMP '2025-01-01', born) FROM person
