-- booleans stored as 0 and 1 compared with numbers
SELECT name FROM person WHERE is_vip = 1

-- a boolean that is not 1, with NULLs left out
SELECT name FROM person WHERE is_vip <> 1

-- a boolean compared with itself and with zero
SELECT name FROM person WHERE 0 = is_vip AND is_vip = is_vip

-- a boolean greater than zero
SELECT COUNT(*) FROM person WHERE is_vip > 0

-- a boolean that is compared with two is never true
SELECT COUNT(*) FROM person WHERE is_vip = 2

-- a boolean alone is a condition
SELECT name FROM person WHERE is_vip AND NOT id > 4

-- a boolean in a list of numbers
SELECT name FROM person WHERE is_vip IN (0, 1)

-- a boolean IS a number
SELECT name FROM person WHERE is_vip IS 1

-- a boolean IS NOT a number, NULL included
SELECT name FROM person WHERE is_vip IS NOT 1

-- sums and averages of booleans
SELECT SUM(is_vip), AVG(is_vip), MAX(is_vip), MIN(is_vip), COUNT(is_vip), TOTAL(is_vip) FROM person

-- sums of conditions
SELECT city, SUM(score > 1), AVG(score IS NULL) FROM person GROUP BY city

-- booleans are calculated with
SELECT id, is_vip + 1, 2 * is_vip, -is_vip, (score > 2) * 10 FROM person

-- a boolean falls back to a number
SELECT id, COALESCE(is_vip, 0), IFNULL(is_vip, -1) FROM person

-- a boolean as a branch beside numbers
SELECT id, CASE WHEN id > 3 THEN is_vip ELSE 5 END FROM person

-- a boolean as text
SELECT id, is_vip || '!' FROM person

-- an integer as a condition
SELECT id FROM visit WHERE seconds

-- an integer as a condition inside CASE and IIF
SELECT id, CASE WHEN seconds THEN 'some' ELSE 'none' END, IIF(rank, 1, 0) FROM visit

-- NOT of an integer
SELECT id FROM visit WHERE NOT seconds

-- a number as a condition
SELECT id FROM visit WHERE 1

-- grouping by a boolean and by a condition
SELECT is_vip, score > 2, COUNT(*) FROM person GROUP BY is_vip, score > 2

-- ordered by a boolean, NULL first (ordered)
SELECT id FROM person ORDER BY is_vip, id

-- a moment from a day on
SELECT "Id" FROM "Order" WHERE "Placed At" >= '2025-01-01'

-- a moment after a day: midnight is text that is longer, so it counts
SELECT "Id" FROM "Order" WHERE "Placed At" > '2025-01-01'

-- a moment up to a day: midnight does not count
SELECT "Id" FROM "Order" WHERE "Placed At" <= '2025-01-01'

-- a moment equal to a day is never true in text
SELECT "Id" FROM "Order" WHERE "Placed At" = '2025-01-01'

-- a moment not equal to a day is always true in text
SELECT "Id" FROM "Order" WHERE "Placed At" <> '2025-01-01'

-- a moment between two days
SELECT "Id" FROM "Order" WHERE "Placed At" BETWEEN '2024-02-29' AND '2025-01-01'

-- a moment equal to a moment
SELECT "Id" FROM "Order" WHERE "Placed At" = '2025-01-01 00:00:00'

-- a moment compared with the beginning of one
SELECT "Id" FROM "Order" WHERE "Placed At" >= '2024-03' AND "Placed At" < '2025-06-30 08:00'

-- a moment compared with text that is a number to SQLite
SELECT "Id" FROM "Order" WHERE "Placed At" > '2025'

-- a moment compared with a day that does not exist
SELECT "Id" FROM "Order" WHERE "Placed At" <= '2024-02-31'

-- a day compared with a day
SELECT name FROM person WHERE born <= '1990-02-28'

-- a day compared with a moment in text
SELECT name FROM person WHERE born < '1990-02-28 00:00:00'

-- a day in a list of days
SELECT name FROM person WHERE born IN ('1990-02-28', '2003-07-31')

-- a moment in a list of days and moments
SELECT "Id" FROM "Order" WHERE "Placed At" IN ('2025-01-01', '2025-01-01 12:00:00')

-- a day compared with a moment column
SELECT "Id" FROM "Order" WHERE due < "Placed At"

-- a day equal to the day of a moment
SELECT "Id" FROM "Order" WHERE due = date("Placed At")

-- text that holds days compared with a day
SELECT id FROM person WHERE born_text = born

-- the literal stands on the left
SELECT "Id" FROM "Order" WHERE '2025-01-01' <= "Placed At"

-- LIKE on a moment
SELECT "Id" FROM "Order" WHERE "Placed At" LIKE '2025-01%'

-- LIKE on a day
SELECT id FROM person WHERE born LIKE '%-02-%'

-- slices of moments and days
SELECT substr("Placed At", 1, 7), substr(due, 1, 4), substr("Placed At", 12, 5), substr(due, 6) FROM "Order"

-- grouped by a slice (ordered)
SELECT substr("Placed At", 1, 7) AS month, COUNT(*) FROM "Order" GROUP BY month ORDER BY month

-- a slice compared with text and a list
SELECT "Id" FROM "Order" WHERE substr("Placed At", 1, 4) = '2025' AND substr(due, 6, 2) IN ('01', '07')

-- every part that strftime knows
SELECT id, strftime('%Y-%m-%d %H:%M:%S', seen_at), strftime('%j', seen_at), strftime('%w', seen_at), strftime('%W', seen_at), strftime('%s', seen_at), strftime('%d.%m.%Y', seen_at), strftime('%Hh%M', seen_at), strftime('%%', seen_at) FROM visit

-- weeks of the year at its ends
SELECT strftime('%W', "Placed At"), strftime('%W', due), strftime('%Y-%W', "Placed At") FROM "Order"

-- strftime as a number
SELECT CAST(strftime('%Y', born) AS INTEGER) + 1, strftime('%m', born) * 2, strftime('%Y', 'now') - strftime('%Y', born) > 0 FROM person

-- strftime of text and compared with a number: never equal
SELECT id FROM person WHERE strftime('%Y', born_text) = 1990

-- strftime as a whole number compared with a number
SELECT id FROM person WHERE CAST(strftime('%Y', born_text) AS INT) = 1990

-- strftime compared with text
SELECT id FROM person WHERE strftime('%Y', born) >= '1990'

-- strftime with modifiers
SELECT strftime('%Y-%m', "Placed At", '-1 month'), strftime('%d', due, 'start of month', '+1 month', '-1 day') FROM "Order"

-- the day of a moment, grouped
SELECT date("Placed At"), COUNT(*) FROM "Order" GROUP BY date("Placed At")

-- months on from the last of a month run over, as text
SELECT date("Placed At", '+1 month'), date("Placed At", '-1 month'), date("Placed At", '+1 year'), datetime("Placed At", '-4 years', '+1 day') FROM "Order"

-- days, hours, minutes and seconds on
SELECT datetime("Placed At", '+7 days', '-3 hours', '+10 minutes', '-1 second'), date(due, '-45 days') FROM "Order"

-- starts of day, month and year
SELECT datetime("Placed At", 'start of day'), date("Placed At", 'start of month'), date("Placed At", 'start of year') FROM "Order"

-- the next given weekday, which may be the day itself
SELECT date(seen_at, 'weekday 0'), date(seen_at, 'weekday 1', '-7 days'), date(seen_at, 'weekday 6') FROM visit

-- a modifier put together from a column
SELECT date(seen_at, '+' || rank || ' days'), date(seen_at, '-' || rank || ' months') FROM visit

-- several modifiers one after another
SELECT date(seen_at, '-7 days', 'weekday 1'), datetime(seen_at, '+1 day', '+' || rank || ' hours', '-1 minute'), date(seen_at, '+1 day', '+1 month', 'weekday 3') FROM visit

-- the present
SELECT date('now') > '2020-01-01', datetime('now') > '2020', date('now', 'start of month'), date('now', '-1 month', 'start of month'), strftime('%Y', 'now'), date('now', '-7 days') <= date('now')

-- rows relative to the present
SELECT COUNT(*) FROM "Order" WHERE "Placed At" >= date('now', '-30 years') AND due < datetime('now', '+30 years')

-- the current year without its function
SELECT COUNT(*) FROM person WHERE born < CURRENT_DATE AND born < CURRENT_TIMESTAMP

-- days between moments
SELECT ROUND(julianday("Placed At") - julianday('2024-01-01'), 4), CAST(julianday(due) - julianday("Placed At") AS INTEGER) FROM "Order"

-- longer than a number of days
SELECT "Id" FROM "Order" WHERE julianday(due) - julianday("Placed At") > 28.5

-- age in whole years
SELECT id, CAST((julianday('2025-01-01') - julianday(born)) / 365.25 AS INTEGER) FROM person

-- seconds since 1970 and back
SELECT id, unixepoch(seen_at), datetime(epoch, 'unixepoch'), date(epoch, 'unixepoch', '+1 day'), strftime('%H:%M', epoch, 'unixepoch') FROM visit

-- the time of day
SELECT id, time(seen_at) FROM visit WHERE time(seen_at) > '08:00:00'

-- the earliest and latest day
SELECT MIN(born), MAX(born), MIN("Placed At"), MAX(due) FROM person, "Order"

-- a date joined to text
SELECT 'due ' || due || ', placed ' || "Placed At" FROM "Order"

-- a date or a word
SELECT COALESCE(due, 'open'), IFNULL(date("Placed At"), '-') FROM "Order"

-- a date or another date of a different length
SELECT COALESCE(due, "Placed At") FROM "Order"

-- text that ignores case with LIKE
SELECT name FROM person WHERE name LIKE 'ad%'

-- LIKE with letters outside ASCII keeps their case (postgres)
SELECT name FROM person WHERE city LIKE 'KÖ%'

-- LIKE does not take an accent for its letter
SELECT name FROM person WHERE city LIKE 'ko%'

-- LIKE with its signs escaped
SELECT name FROM person WHERE name LIKE '100\% %' ESCAPE '\' OR name LIKE 'under!_%' ESCAPE '!'

-- a backslash in LIKE is a backslash
SELECT name FROM person WHERE name LIKE 'back\slash' OR name LIKE '%\%'

-- LIKE on a number
SELECT "Id" FROM "Order" WHERE total LIKE '2%' OR "Id" LIKE '1_'

-- LIKE with a pattern from a column
SELECT a.id, b.id FROM person a JOIN person b ON a.name LIKE b.name || '%'

-- NOT LIKE leaves NULL out
SELECT id FROM person WHERE city NOT LIKE 'w%'

-- GLOB respects case
SELECT name FROM person WHERE name GLOB 'A*' OR city GLOB '?om'

-- equality respects case, accents and trailing blanks
SELECT id FROM person WHERE city = 'Wien' OR name = 'zoe'

-- inequality respects case
SELECT id FROM person WHERE name <> 'ada'

-- a list respects case
SELECT id FROM person WHERE name IN ('ada', 'ZOE', 'Zoë')

-- texts of two columns
SELECT a.id, b.id FROM person a JOIN person b ON a.city = b.city

-- text without regard to case on request
SELECT id FROM person WHERE name = 'aDa' COLLATE NOCASE

-- trailing blanks are found
SELECT id FROM person WHERE city <> TRIM(city)

-- text sorted by code point (ordered)
SELECT name FROM person ORDER BY name

-- text sorted without regard to case (ordered)
SELECT name FROM person ORDER BY name COLLATE NOCASE, id

-- text ranges by code point
SELECT name FROM person WHERE name >= 'a' AND name < 'z'

-- text between
SELECT name FROM person WHERE name BETWEEN 'B' AND 'b'

-- groups of text that differs in case
SELECT "group", COUNT(*) FROM "Order" GROUP BY "group"

-- groups of changed text
SELECT UPPER("group") AS g, COUNT(*), MIN(note) FROM "Order" GROUP BY g HAVING COUNT(*) > 1

-- distinct text that differs in case
SELECT DISTINCT sku FROM line

-- distinct text in order (ordered)
SELECT DISTINCT sku FROM line ORDER BY sku DESC

-- distinct text counted
SELECT COUNT(DISTINCT sku), COUNT(DISTINCT "group") FROM line, "Order"

-- least and greatest text
SELECT MIN(name), MAX(name), MIN(city), MAX(sku) FROM person, line

-- scalar least and greatest, with NULL
SELECT id, MAX(score, 2), MIN(score, id), MAX(name, 'b'), MIN(seconds_or_null, 0) FROM (SELECT p.id, p.score, p.name, v.seconds AS seconds_or_null FROM person p LEFT JOIN visit v ON v.id = p.id)

-- CASE with a text subject
SELECT id, CASE name WHEN 'ada' THEN 'lower' WHEN 'ADA' THEN 'upper' ELSE 'other' END FROM person

-- NULLIF respects case
SELECT id, NULLIF(name, 'ada'), NULLIF(rank, 2) FROM visit JOIN person USING (id)

-- places in text
SELECT instr(name, 'a'), instr(name, 'A'), instr(name, 'zz') FROM person

-- pieces of text
SELECT substr(name, 2), substr(name, 1, 2), substr(name, -3), substr(name, -3, 2), length(name), lower(name), replace(name, 'a', '*'), trim('  x '), ltrim('xxa', 'x'), rtrim('axx', 'x') FROM person WHERE id <> 4

-- upper case leaves letters outside ASCII alone (postgres)
SELECT UPPER(city), LOWER(UPPER(name)) FROM person

-- joined text with NULL is NULL
SELECT name || ', ' || city FROM person

-- joined numbers
SELECT "Id" || '-' || total || '-' || person_id FROM "Order"

-- length of a number
SELECT length("Id"), length(due) FROM "Order"

-- text compared with a number by its column
SELECT pos FROM line WHERE sku = 7

-- a number compared with text that spells one
SELECT "Id" FROM "Order" WHERE "Id" = '10' OR person_id IN ('4', '5')

-- a number compared with text that spells none
SELECT "Id" FROM "Order" WHERE "Id" = 'ten' OR person_id < 'x'

-- a text column compared with a number column
SELECT l.sku, v.id FROM line l JOIN visit v ON v.id = l.sku

-- text as a number
SELECT sku, CAST(sku AS INTEGER), sku + 0, CAST('12.7kg' AS REAL), CAST('3.9' AS INTEGER) FROM line

-- integers divide to integers
SELECT seconds / 60, seconds / 7, -7 / 2, 7 / -2, seconds % 7, -7 % 3 FROM visit

-- integers divide to fractions on request
SELECT seconds * 1.0 / 60, CAST(seconds AS REAL) / 7, 1.0 * seconds / rank, SUM(seconds) * 1.0 / COUNT(*) FROM visit GROUP BY id

-- division by zero is NULL
SELECT id, 100 / seconds, 100.5 / seconds, 7 % seconds FROM visit

-- averages keep their places
SELECT AVG(seconds), AVG(rank), AVG(seconds / 60), AVG(total), AVG(score) FROM visit, "Order", person

-- a share of two counts
SELECT 100.0 * COUNT(seconds) / COUNT(*), ROUND(100.0 * COUNT(rank) / COUNT(*), 2) FROM visit

-- rounding
SELECT ROUND(score), ROUND(score, 1), ROUND(score, 2), ROUND(id), ROUND(id / 3.0, 3) FROM person WHERE id <> 8

-- whole part of a fraction
SELECT CAST(score AS INTEGER), CAST(-2.7 AS INTEGER), CAST(2.5 AS INT) FROM person

-- total of nothing
SELECT TOTAL(score), SUM(score), TOTAL(rank) FROM person, visit WHERE person.id > 1000

-- printf
SELECT printf('%.2f', total), printf('%d items', "Id"), printf('%05d', "Id"), printf('%s/%s', "group", note), printf('%.1f%%', 12.5) FROM "Order"

-- types of values
SELECT typeof(id), typeof(name), typeof(is_vip), typeof(score), typeof(born) FROM person

-- bare columns that the key determines
SELECT p.id, p.name, p.city, COUNT(o."Id"), SUM(o.total) FROM person p LEFT JOIN "Order" o ON o.person_id = p.id GROUP BY p.id

-- bare columns of a joined table that the key determines
SELECT o.person_id, p.name, COUNT(*) FROM "Order" o JOIN person p ON p.id = o.person_id GROUP BY o.person_id

-- bare columns through two joins
SELECT l.order_id, p.name, SUM(l.qty) FROM line l JOIN "Order" o ON o."Id" = l.order_id JOIN person p ON p.id = o.person_id GROUP BY l.order_id

-- a bare column that a condition fixes
SELECT city, COUNT(*) FROM person WHERE city = 'Wien' GROUP BY is_vip

-- a bare column in HAVING and ORDER BY (ordered)
SELECT p.id, COUNT(*) FROM person p JOIN visit v ON v.person_id = p.id GROUP BY p.id HAVING p.score > 0 ORDER BY p.name

-- the alias of an aggregate in HAVING and ORDER BY (ordered)
SELECT person_id AS who, SUM(total) AS amount FROM "Order" GROUP BY who HAVING amount > 10 ORDER BY amount DESC, who

-- an alias in WHERE
SELECT seconds / 60 AS minutes FROM visit WHERE minutes >= 1

-- an alias inside an expression of ORDER BY (ordered)
SELECT id, score AS s FROM person WHERE score IS NOT NULL ORDER BY s * -1, id

-- an alias that is a column too: GROUP BY means the column
SELECT UPPER(sku) AS sku, SUM(qty) FROM line GROUP BY sku

-- grouped and ordered by position (ordered)
SELECT "group", COUNT(*) FROM "Order" GROUP BY 1 ORDER BY 2 DESC, 1

-- NULL is least (ordered)
SELECT id, score FROM person ORDER BY score, id

-- NULL comes last from the top (ordered)
SELECT id, score FROM person ORDER BY score DESC, id

-- NULL where one wants it (ordered)
SELECT id, score FROM person ORDER BY score NULLS LAST, id

-- the first rows (ordered)
SELECT id FROM person ORDER BY score DESC LIMIT 3

-- a page, both ways to write it (ordered)
SELECT id FROM (SELECT id FROM person ORDER BY id LIMIT 2, 3) ORDER BY id LIMIT 2 OFFSET 1

-- all rows from an offset on
SELECT COUNT(*) FROM (SELECT id FROM person ORDER BY id LIMIT -1 OFFSET 3)

-- a limit inside IN
SELECT name FROM person WHERE id IN (SELECT id FROM person ORDER BY score DESC LIMIT 2)

-- text in a subquery
SELECT id FROM person WHERE name IN (SELECT name FROM person WHERE id = 2)

-- NOT IN with text
SELECT sku FROM line WHERE sku NOT IN (SELECT sku FROM line WHERE qty > 2)

-- a boolean in a subquery of numbers
SELECT id FROM person WHERE is_vip IN (SELECT 1)

-- a correlated subquery
SELECT name, (SELECT COUNT(*) FROM "Order" WHERE person_id = person.id AND is_paid = 1) AS paid FROM person

-- EXISTS with a date
SELECT name FROM person p WHERE EXISTS (SELECT 1 FROM "Order" o WHERE o.person_id = p.id AND strftime('%Y', o."Placed At") = '2024')

-- a subquery without alias
SELECT AVG(n) FROM (SELECT person_id, COUNT(*) AS n FROM "Order" GROUP BY person_id)

-- common table expressions
WITH paid AS (SELECT person_id, SUM(total) AS amount FROM "Order" WHERE is_paid = 1 GROUP BY person_id), best AS (SELECT MAX(amount) AS most FROM paid) SELECT p.name, paid.amount FROM paid JOIN person p ON p.id = paid.person_id JOIN best ON best.most = paid.amount

-- a recursive expression over a tree
WITH RECURSIVE below(id, depth) AS (SELECT id, 0 FROM person WHERE "Boss" IS NULL UNION ALL SELECT p.id, below.depth + 1 FROM person p JOIN below ON p."Boss" = below.id) SELECT depth, COUNT(*) FROM below GROUP BY depth

-- UNION of texts that differ in case
SELECT name FROM person WHERE id = 1 UNION SELECT name FROM person WHERE id IN (2, 3)

-- UNION ALL of numbers and text
SELECT id, name FROM person WHERE id < 3 UNION ALL SELECT 'sum', SUM(id) FROM person

-- UNION of a boolean and a number
SELECT is_vip FROM person UNION SELECT 7

-- UNION in order (ordered)
SELECT name AS word FROM person UNION SELECT sku FROM line ORDER BY word LIMIT 7

-- EXCEPT and INTERSECT with text
SELECT name FROM person EXCEPT SELECT LOWER(name) FROM person WHERE id <> 4

-- set operations from left to right
SELECT id FROM person UNION SELECT id FROM visit INTERSECT SELECT rank FROM visit

-- ranks with NULL and text (ordered)
SELECT id, RANK() OVER (ORDER BY score DESC) AS r, ROW_NUMBER() OVER (PARTITION BY city ORDER BY name) AS n FROM person ORDER BY r, id

-- running sums and neighbours (ordered)
SELECT id, SUM(seconds) OVER (PARTITION BY person_id ORDER BY seen_at ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW), LAG(seen_at) OVER (ORDER BY seen_at), LEAD(rank, 1, 0) OVER (ORDER BY id), NTILE(3) OVER (ORDER BY id) FROM visit ORDER BY id

-- windows over groups
SELECT person_id, SUM(total), RANK() OVER (ORDER BY SUM(total) DESC), SUM(SUM(total)) OVER () FROM "Order" GROUP BY person_id

-- the best of each group
SELECT name, city FROM (SELECT name, city, ROW_NUMBER() OVER (PARTITION BY is_vip ORDER BY score DESC, id) AS n FROM person) WHERE n = 1

-- aggregates with FILTER
SELECT COUNT(*) FILTER (WHERE is_paid = 1), SUM(total) FILTER (WHERE "group" = 'A'), COUNT(DISTINCT person_id) FILTER (WHERE total > 10) FROM "Order"

-- texts of a group joined
SELECT person_id, GROUP_CONCAT(rank), GROUP_CONCAT(rank, '; ') FROM visit WHERE person_id <> 1 AND person_id <> 4 GROUP BY person_id

-- distinct numbers of a group joined
SELECT GROUP_CONCAT(DISTINCT qty) FROM line WHERE order_id = 11

-- names with capitals and blanks, in any case
SELECT "id", "placed AT", "GROUP", o.TOTAL FROM "order" AS o WHERE O."person_ID" = 1

-- reserved words as aliases
SELECT COUNT(*) AS "select", MAX(total) AS "order", MIN(due) AS user FROM "Order" AS "table"

-- star
SELECT * FROM line JOIN "Order" o ON o."Id" = line.order_id WHERE o.is_paid = 0

-- a join with USING
SELECT id, name, seconds FROM person JOIN visit USING (id)

-- tables with a comma before a join
SELECT p.name, l.sku FROM person p, "Order" o JOIN line l ON l.order_id = o."Id" AND o.person_id = p.id

-- a full join (postgres)
SELECT p.id, v.id FROM person p FULL JOIN visit v ON v.person_id = p.id AND v.rank = 1

-- a right join
SELECT p.name, v.id FROM visit v RIGHT JOIN person p ON v.person_id = p.id

-- NULL-safe comparison of columns
SELECT a.id, b.id FROM person a, person b WHERE a.city IS b.city AND a.id < b.id

-- arithmetic with NULL
SELECT id, seconds + NULL, NULL IS NULL, COALESCE(NULL, rank, 9) FROM visit

-- bits
SELECT id & 1, id | 8, id << 2, id >> 1 FROM person

-- functions of numbers
SELECT ABS(score), SIGN(score), ROUND(SQRT(ABS(score)), 5), CEIL(score), FLOOR(score), ROUND(POWER(id, 2), 3), ROUND(LOG(id), 5), ROUND(EXP(1), 5), ROUND(LN(id), 5) FROM person WHERE score IS NOT NULL

-- deviation by hand
SELECT ROUND(SQRT(AVG(score * score) - AVG(score) * AVG(score)), 4) FROM person

-- a condition on a sum of a product
SELECT order_id, SUM(qty * price) FROM line GROUP BY order_id HAVING SUM(qty * price) BETWEEN 5 AND 100

-- rows compared
SELECT id FROM person WHERE (name, id) IN (SELECT name, id FROM person WHERE id < 3) OR (name, id) = ('ADA', 3)

-- quotes and backslashes in text
SELECT 'it''s', 'a\b', '%', note FROM "Order" WHERE note = 'a\b' OR note = ''

-- a named window (ordered)
SELECT id, LAG(id) OVER w, SUM(seconds) OVER w FROM visit WINDOW w AS (PARTITION BY person_id ORDER BY seen_at) ORDER BY id

-- an alias inside an expression of ORDER BY, changed on the way (ordered)
SELECT UPPER(sku) AS word, COUNT(*) FROM line GROUP BY word ORDER BY LOWER(word) || '!', word

-- NUMERIC is a wish: a whole number stays one
SELECT CAST(7 AS NUMERIC) / 2, CAST(7 AS DECIMAL(10, 2)) / 2

-- a time of day alone
SELECT time('10:11:12'), strftime('%H', '07:30')

-- a materialised expression
WITH a AS MATERIALIZED (SELECT city FROM person) SELECT DISTINCT city FROM a WHERE city <> 'Wien'

-- a union of a boolean and a number as a table
SELECT flag, COUNT(*) FROM (SELECT is_vip AS flag FROM person UNION ALL SELECT 7) WHERE flag = 1 OR flag > 2 GROUP BY flag

-- a union of whole numbers and fractions as a table
SELECT SUM(n) / 4 FROM (SELECT 1.5 AS n UNION ALL SELECT 2)
