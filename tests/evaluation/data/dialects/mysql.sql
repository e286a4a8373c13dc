-- text ignores case (ordered)
SELECT id, name FROM person WHERE name = 'ada' ORDER BY id

-- lists and LIKE ignore case
SELECT id FROM person WHERE name IN ('ADA', 'bob') OR name LIKE 'UNDER%'

-- backticks and reserved words
SELECT `Id`, `Placed At`, `group` FROM `Order` WHERE `group` = 'A'

-- parts of a moment
SELECT YEAR(`Placed At`), MONTH(due), DAY(due), QUARTER(due), HOUR(`Placed At`), DAYOFWEEK(`Placed At`), WEEKDAY(`Placed At`), DAYOFYEAR(due), DAYNAME(`Placed At`), MONTHNAME(due) FROM `Order`

-- formatted moments
SELECT DATE_FORMAT(`Placed At`, '%Y-%m'), COUNT(*) FROM `Order` GROUP BY DATE_FORMAT(`Placed At`, '%Y-%m')

-- intervals stop at the end of a month
SELECT DATE_ADD(`Placed At`, INTERVAL 1 MONTH), DATE_SUB(due, INTERVAL 1 MONTH), due + INTERVAL 10 DAY, DATE_ADD(due, INTERVAL 1 YEAR) FROM `Order`

-- days and months between
SELECT DATEDIFF(due, `Placed At`), TIMESTAMPDIFF(MONTH, '2023-12-31', due), TIMESTAMPDIFF(DAY, `Placed At`, due), TIMESTAMPDIFF(HOUR, `Placed At`, '2026-01-01') FROM `Order`

-- age in years
SELECT id, TIMESTAMPDIFF(YEAR, born, '2025-02-28') FROM person

-- the present
SELECT COUNT(*) FROM `Order` WHERE `Placed At` < NOW() AND due < CURDATE() + INTERVAL 90 YEAR

-- the last day
SELECT LAST_DAY(`Placed At`), DATE(`Placed At`) FROM `Order`

-- a moment equal to a day is its midnight
SELECT `Id` FROM `Order` WHERE `Placed At` = '2025-01-01' OR due BETWEEN '2024-02-01' AND '2024-03-31'

-- division keeps the fraction
SELECT ROUND(seconds / 60, 3), seconds DIV 60, seconds % 7, ROUND(2 / 3, 2) FROM visit

-- IF, IFNULL, booleans as numbers
SELECT id, IF(is_vip, 'yes', 'no'), IFNULL(is_vip, 0), is_vip = 1 FROM person

-- a condition summed
SELECT SUM(is_paid), SUM(total > 10), ROUND(AVG(is_paid), 2) FROM `Order`

-- texts joined, NULL wins
SELECT CONCAT(name, '-', city) FROM person

-- pieces of text
SELECT LEFT(name, 2), RIGHT(name, 2), SUBSTRING(name, 2, 3), CHAR_LENGTH(name), LOCATE('D', name), UPPER(sku) FROM person, line WHERE person.id = 2

-- sorted without regard to case (ordered)
SELECT sku FROM line WHERE pos = 1 AND order_id < 14 ORDER BY sku, order_id

-- NULL is least (ordered)
SELECT id FROM person ORDER BY score, id LIMIT 2, 3

-- NULL-safe comparison
SELECT a.id FROM person a JOIN person b ON a.city <=> b.city AND b.id = 6

-- casts
SELECT CAST(total AS SIGNED), CAST(total AS DECIMAL(10,1)), CAST(`Id` AS CHAR) FROM `Order`

-- windows (ordered)
SELECT id, ROW_NUMBER() OVER (PARTITION BY person_id ORDER BY seen_at DESC) AS n FROM visit ORDER BY id

-- greatest with NULL is NULL
SELECT id, GREATEST(score, 2), LEAST(score, 2) FROM person

-- joined texts of a group
SELECT person_id, GROUP_CONCAT(`rank`) FROM visit WHERE person_id IN (2, 7) GROUP BY person_id

-- a query in parentheses with a clause of its own
(SELECT id FROM person ORDER BY id LIMIT 7) LIMIT 3
