-- booleans
SELECT name FROM person WHERE is_vip AND NOT is_vip IS NULL

-- a boolean is true, false or unknown
SELECT id, is_vip IS TRUE, is_vip IS NOT FALSE, is_vip = TRUE FROM person

-- capitals in names
SELECT "Id", o."Placed At" FROM "Order" o WHERE "group" = 'A'

-- parts of a moment
SELECT EXTRACT(YEAR FROM "Placed At"), EXTRACT(MONTH FROM "Placed At"), EXTRACT(QUARTER FROM due), EXTRACT(DOW FROM "Placed At"), DATE_PART('hour', "Placed At"), EXTRACT(DOY FROM due), EXTRACT(WEEK FROM "Placed At"), EXTRACT(ISODOW FROM due) FROM "Order"

-- starts of periods
SELECT DATE_TRUNC('month', "Placed At"), DATE_TRUNC('year', "Placed At"), DATE_TRUNC('quarter', "Placed At"), DATE_TRUNC('week', "Placed At"), DATE_TRUNC('day', "Placed At"), DATE_TRUNC('month', due)::date FROM "Order"

-- grouped by month (ordered)
SELECT TO_CHAR("Placed At", 'YYYY-MM') AS month, COUNT(*) FROM "Order" GROUP BY TO_CHAR("Placed At", 'YYYY-MM') ORDER BY month

-- intervals stop at the end of a month
SELECT "Placed At" + INTERVAL '1 month', due - INTERVAL '1 month', due + INTERVAL '10 days', "Placed At" - INTERVAL '3 hours', due + 7, due + INTERVAL '1 year' FROM "Order"

-- days between
SELECT due - "Placed At"::date, due - DATE '2024-01-01', EXTRACT(EPOCH FROM ("Placed At" - TIMESTAMP '2024-01-01')), EXTRACT(DAY FROM "Placed At" - due::timestamp) FROM "Order" WHERE due IS NOT NULL AND due <= "Placed At"

-- age in years
SELECT EXTRACT(YEAR FROM AGE(DATE '2025-02-28', born)) FROM person

-- a moment compared with a day: midnight is equal
SELECT "Id" FROM "Order" WHERE "Placed At" = '2025-01-01' OR "Placed At" <= DATE '2024-02-29'

-- a moment between two days
SELECT "Id" FROM "Order" WHERE "Placed At" BETWEEN '2024-02-29' AND '2025-01-01'

-- a day compared with a moment column
SELECT "Id" FROM "Order" WHERE due >= "Placed At"

-- a day compared with a day
SELECT "Id" FROM "Order" WHERE due > '2025-01-01' AND "Placed At"::date = '2025-06-30'

-- the present
SELECT COUNT(*) FROM "Order" WHERE "Placed At" < NOW() + INTERVAL '90 years' AND due < CURRENT_DATE + 40000

-- LIKE respects case, ILIKE does not
SELECT id FROM person WHERE name LIKE 'ad%' OR city ILIKE 'WIE%'

-- LIKE with escapes
SELECT id FROM person WHERE name LIKE '100\% %' OR name LIKE 'back\\%'

-- text respects case
SELECT id FROM person WHERE name = 'ada' OR name IN ('ZOE', 'zoe')

-- NULL comes last (ordered)
SELECT id, score FROM person ORDER BY score, id

-- NULL comes first from the top (ordered)
SELECT id FROM person ORDER BY score DESC, id

-- FILTER and aggregates of booleans
SELECT COUNT(*) FILTER (WHERE is_paid), BOOL_AND(is_paid), BOOL_OR(is_paid), SUM(CASE WHEN is_paid THEN total END) FROM "Order"

-- integers divide to integers, numbers do not
SELECT seconds / 60, seconds / 60.0, seconds::numeric / 7, ROUND(seconds / 7.0, 2) FROM visit

-- decimals divide to decimals
SELECT total / 2, total / 3, ROUND(total / 7, 2), total::integer, CAST(total AS DECIMAL(10, 1)) FROM "Order"

-- casts to text and back
SELECT "Id"::text || '-' || person_id, CAST('12' AS INTEGER) + 1, is_paid::text, due::text FROM "Order"

-- texts joined, NULL left out
SELECT CONCAT(name, ', ', city), name || city FROM person

-- pieces of text
SELECT LEFT(name, 2), RIGHT(name, 2), SUBSTRING(name FROM 2 FOR 3), POSITION('a' IN name), STRPOS(name, 'd'), LENGTH(name), TRIM(city), BTRIM(name, 'a') FROM person

-- least and greatest leave NULL out
SELECT id, GREATEST(score, 2), LEAST(score, id) FROM person

-- distinct from
SELECT a.id FROM person a JOIN person b ON b.id = 1 WHERE a.city IS DISTINCT FROM b.city

-- windows and common table expressions (ordered)
WITH o AS (SELECT person_id, SUM(total) AS amount FROM "Order" GROUP BY person_id) SELECT person_id, amount, RANK() OVER (ORDER BY amount DESC) FROM o ORDER BY amount DESC, person_id

-- pages (ordered)
SELECT id FROM person ORDER BY id OFFSET 5

-- fetch (ordered)
SELECT id FROM person ORDER BY id DESC FETCH FIRST 2 ROWS ONLY

-- set operations by their precedence
SELECT id FROM person UNION SELECT id FROM visit INTERSECT SELECT rank FROM visit

-- names of months and days
SELECT TO_CHAR("Placed At", 'Mon'), TO_CHAR("Placed At", 'Dy') FROM "Order"

-- coalesce of dates
SELECT COALESCE(due, "Placed At"), COALESCE(due, '2020-01-01') FROM "Order"

-- CASE over booleans
SELECT id, CASE WHEN is_vip THEN 'vip' ELSE 'no' END, COALESCE(is_vip, FALSE) FROM person

-- an average by group with HAVING
SELECT "group", AVG(total) FROM "Order" GROUP BY "group" HAVING COUNT(*) > 1

-- ordered by the name of a column that two tables have (ordered)
SELECT p.id FROM person p JOIN visit v ON v.id = p.id ORDER BY id
