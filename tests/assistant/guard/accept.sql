-- Reads that the guard lets through, on the demo schema. Cases are separated by blank lines; the dialect is SQLite
-- unless a line `-- dialect: NAME` stands above the statement. Each is also run, as written and as the guard wrote it:
-- the rows must be equal. `tests/assistant/guard/cases.py` reads this file.

SELECT * FROM customer

SELECT full_name, gender FROM customer WHERE gender = 'female'

select Full_Name from CUSTOMER where GENDER is null

SELECT DISTINCT country FROM address

SELECT ALL city FROM address

SELECT COUNT(*) FROM sales_order

SELECT count(DISTINCT city), count(*) AS n FROM address

SELECT full_name FROM customer;

SELECT full_name AS "Name of customer", gender [g x], source `s` FROM customer

SELECT full_name AS 'Name' FROM customer ORDER BY Name LIMIT 5

SELECT "full_name", c."gender" FROM "customer" AS c

SELECT c.* FROM customer c

SELECT c.*, a.city FROM customer AS c JOIN address AS a ON a.customer_key = c.customer_key

SELECT c.full_name, a.city FROM customer c LEFT JOIN address a ON a.customer_key = c.customer_key AND a.is_primary = 1

SELECT c.full_name, t.subject FROM support_ticket t INNER JOIN customer c USING (customer_key) ORDER BY t.ticket_key

SELECT customer_key, full_name, email FROM customer JOIN contact USING (customer_key) WHERE customer_key < 20

SELECT category_name, product_name FROM category NATURAL JOIN product

SELECT customer.full_name FROM customer, address WHERE customer.customer_key = address.customer_key AND city = 'Lyon'

SELECT e.full_name, m.full_name AS manager FROM employee e LEFT JOIN employee m ON m.employee_key = e.manager_key

SELECT a.category_name, b.category_name FROM category a CROSS JOIN category b

SELECT p.product_name FROM product p RIGHT JOIN category c ON c.category_key = p.category_key

SELECT c.city FROM (address AS c JOIN customer AS k ON k.customer_key = c.customer_key) WHERE k.gender = 'male'

SELECT c.full_name, SUM(l.quantity * l.unit_price * (1 - l.discount)) AS revenue
FROM customer c
JOIN sales_order o ON o.customer_key = c.customer_key
JOIN order_line l ON l.order_key = o.order_key
WHERE o.status <> 'cancelled' AND strftime('%Y', o.order_date) = '2024'
GROUP BY c.customer_key, c.full_name
HAVING revenue > 500
ORDER BY revenue DESC, c.customer_key
LIMIT 10

SELECT status, COUNT(*) AS n FROM sales_order GROUP BY status ORDER BY n DESC

SELECT channel, COUNT(*) FROM sales_order GROUP BY 1 ORDER BY 2 DESC, 1

SELECT strftime('%Y-%m', order_date) AS month, COUNT(*) FROM sales_order GROUP BY month ORDER BY month

SELECT full_name AS name FROM employee WHERE name LIKE 'P%'

SELECT upper(city) AS place, count(*) FROM address GROUP BY place HAVING count(*) > 3 ORDER BY upper(place)

SELECT full_name FROM customer WHERE full_name LIKE '%o\_%' ESCAPE '\' OR full_name LIKE 'A%'

SELECT city FROM address WHERE city GLOB 'B*' AND city NOT GLOB '*n'

SELECT full_name FROM customer ORDER BY full_name COLLATE NOCASE DESC, customer_key LIMIT 7

SELECT city FROM address WHERE city = 'berlin' COLLATE NOCASE

SELECT full_name FROM customer WHERE gender IN ('female', 'other') AND source NOT IN ('web')

SELECT order_key FROM sales_order WHERE customer_key IN (SELECT customer_key FROM address WHERE country = 'Spain')

SELECT full_name FROM customer c WHERE EXISTS (SELECT 1 FROM support_ticket t WHERE t.customer_key = c.customer_key)

SELECT full_name FROM customer c WHERE NOT EXISTS (SELECT * FROM sales_order o WHERE o.customer_key = c.customer_key)

SELECT product_name, (SELECT category_name FROM category c WHERE c.category_key = product.category_key) FROM product

SELECT product_name FROM product p WHERE unit_price > (SELECT AVG(unit_price) FROM product WHERE category_key = p.category_key)

SELECT (SELECT COUNT(*) FROM customer) - (SELECT COUNT(*) FROM employee) AS difference

SELECT AVG(n) FROM (SELECT COUNT(*) AS n FROM sales_order GROUP BY customer_key)

SELECT x.city, x."COUNT(*)" FROM (SELECT city, COUNT(*) FROM address GROUP BY city) AS x

SELECT a.n, b.n FROM (SELECT COUNT(*) n FROM customer) a, (SELECT COUNT(*) n FROM product) b

WITH big AS (SELECT order_key, SUM(quantity) AS units FROM order_line GROUP BY order_key)
SELECT COUNT(*) FROM big WHERE units > 5

WITH a AS (SELECT city FROM address), b(place) AS (SELECT city FROM a WHERE city LIKE 'B%')
SELECT place, COUNT(*) FROM b GROUP BY place

WITH a AS MATERIALIZED (SELECT city FROM address) SELECT DISTINCT city FROM a

WITH RECURSIVE chain(employee_key, level) AS (
  SELECT employee_key, 0 FROM employee WHERE manager_key IS NULL
  UNION ALL
  SELECT e.employee_key, chain.level + 1 FROM employee e JOIN chain ON e.manager_key = chain.employee_key
)
SELECT level, COUNT(*) FROM chain GROUP BY level

WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 12) SELECT i FROM n

SELECT s.full_name FROM (WITH x AS (SELECT * FROM customer) SELECT * FROM x WHERE gender = 'other') AS s

SELECT city FROM address UNION SELECT title FROM employee ORDER BY city LIMIT 20

SELECT customer_key FROM customer EXCEPT SELECT customer_key FROM sales_order

SELECT customer_key FROM contact INTERSECT SELECT customer_key FROM address ORDER BY 1

SELECT 'customers' AS what, COUNT(*) AS n FROM customer UNION ALL SELECT 'products', COUNT(*) FROM product ORDER BY n

SELECT city FROM (SELECT city FROM address UNION ALL SELECT title FROM employee) WHERE city > 'M'

SELECT product_name, CASE WHEN unit_price > 100 THEN 'high' WHEN unit_price > 20 THEN 'middle' ELSE 'low' END FROM product

SELECT CASE status WHEN 'closed' THEN 1 ELSE 0 END AS is_closed, COUNT(*) FROM support_ticket GROUP BY is_closed

SELECT iif(salary > 50000, 'a', 'b'), ifnull(salary, 0), coalesce(salary, 1, 2), nullif(title, 'Support Agent') FROM employee

SELECT 7 / 2, 7 / 2.0, 7 % 2, -7 / 2, CAST(7 AS REAL) / 2, CAST(7 AS NUMERIC) / 2, CAST(7 AS DECIMAL(10, 2)) / 2

SELECT CAST('12.50' AS NUMERIC), CAST('12.5x' AS REAL), CAST('12.7' AS INTEGER), CAST(12 AS TEXT), CAST(1 AS VARCHAR(5))

SELECT 100.0 * SUM(CASE WHEN status = 'returned' THEN 1 ELSE 0 END) / COUNT(*) AS share FROM sales_order

SELECT round(avg(unit_price), 2), min(unit_price), max(unit_price), total(unit_cost), sum(unit_cost) FROM product

SELECT min(unit_price, unit_cost), max(unit_price, 10, unit_cost) FROM product

SELECT abs(-3), ceil(1.2), floor(1.8), sqrt(16), power(2, 8), pow(2, 3), ln(1), log(100), log10(1000), log2(8), exp(0), mod(7, 3), sign(-2), pi(), trunc(1.7)

SELECT length(full_name), upper(full_name), lower(title), substr(full_name, 1, 3), substring(title, 2), replace(title, 'e', 'E'), trim('  x '), ltrim('xxa', 'x'), rtrim('axx', 'x'), instr(full_name, 'a'), char(65, 66), unicode('A'), hex('ab'), quote('it''s'), typeof(salary) FROM employee

SELECT full_name || ' (' || title || ')' FROM employee WHERE full_name || title LIKE '%a%'

SELECT printf('%.2f', unit_price), format('%05d', product_key), printf('%s: %d%%', product_name, 10) FROM product

SELECT group_concat(category_name, '; ') FROM (SELECT category_name FROM category ORDER BY category_key)

SELECT group_concat(DISTINCT status) FROM support_ticket

SELECT date('2024-05-31', '+1 month'), date('2024-05-31', 'start of month', '-1 day'), datetime('2024-05-31 10:11:12'), time('10:11:12'), julianday('2024-03-01') - julianday('2024-02-01'), unixepoch('2024-01-01')

SELECT strftime('%Y', order_date) AS y, strftime('%m', order_date, '+1 month') AS m, strftime('%w', order_date) FROM sales_order LIMIT 50

SELECT COUNT(*) FROM sales_order WHERE order_date BETWEEN '2024-01-01' AND '2024-12-31 23:59:59'

SELECT COUNT(*) FROM sales_order WHERE date(order_date) NOT BETWEEN date('2024-01-01') AND date('2024-06-30')

SELECT CAST(strftime('%Y', dateofbirth) AS INTEGER) / 10 * 10 AS decade, COUNT(*) FROM customer GROUP BY decade

SELECT full_name FROM customer WHERE updated_date IS NULL OR gender ISNULL OR dateofbirth NOTNULL OR source IS NOT NULL

SELECT COUNT(*) FROM customer WHERE gender IS NOT DISTINCT FROM 'female' OR gender IS 'male' OR gender IS DISTINCT FROM source

SELECT COUNT(*) FROM customer WHERE NOT (gender = 'male' OR gender != 'female') AND 1 == 1 AND NOT FALSE

SELECT COUNT(*) FROM address WHERE (city, country) IN (SELECT city, country FROM address WHERE is_primary)

SELECT full_name, salary, RANK() OVER (ORDER BY salary DESC), ROW_NUMBER() OVER (PARTITION BY title ORDER BY employee_key) FROM employee

SELECT order_key, SUM(amount) OVER (ORDER BY payment_key ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS moving FROM payment LIMIT 40

SELECT SUM(amount) OVER (ORDER BY payment_key ROWS UNBOUNDED PRECEDING), AVG(amount) OVER (ORDER BY payment_key ROWS 3 PRECEDING) FROM payment LIMIT 30

SELECT order_date, LAG(order_key, 1, 0) OVER w, LEAD(order_key) OVER w, FIRST_VALUE(order_key) OVER w FROM sales_order WINDOW w AS (PARTITION BY customer_key ORDER BY order_date, order_key)

SELECT NTILE(4) OVER (ORDER BY unit_price, product_key), PERCENT_RANK() OVER (ORDER BY unit_price), CUME_DIST() OVER (ORDER BY unit_price), DENSE_RANK() OVER (ORDER BY category_key), NTH_VALUE(product_name, 2) OVER (ORDER BY product_key) FROM product

SELECT * FROM (SELECT p.*, ROW_NUMBER() OVER (PARTITION BY category_key ORDER BY unit_price DESC, product_key) AS place FROM product p) WHERE place <= 2

SELECT COUNT(*) FILTER (WHERE status = 'open'), COUNT(*) FILTER (WHERE status = 'closed' AND priority = 'high') FROM support_ticket

SELECT salary FROM employee ORDER BY salary DESC NULLS LAST, employee_key

SELECT salary FROM employee ORDER BY salary IS NULL, salary, employee_key NULLS FIRST

SELECT order_key FROM sales_order ORDER BY order_date LIMIT 5 OFFSET 10

SELECT order_key FROM sales_order ORDER BY order_date LIMIT 10, 5

SELECT full_name FROM customer ORDER BY customer_key LIMIT (SELECT COUNT(*) / 100 FROM customer)

SELECT full_name FROM customer ORDER BY customer_key LIMIT -1

SELECT unit_price FROM product ORDER BY unit_price LIMIT 1 OFFSET (SELECT COUNT(*) / 2 FROM product)

SELECT * FROM (SELECT full_name FROM customer ORDER BY full_name LIMIT 3) UNION ALL SELECT 'and others'

SELECT value, key FROM json_each('[3, 1, 2]') ORDER BY value

SELECT j.value FROM (SELECT '{"a": [1, 2]}' AS doc) AS d, json_each(d.doc, '$.a') AS j

SELECT json_extract('{"a": {"b": 5}}', '$.a.b'), json_array_length('[1, 2]'), '{"a": 1}' -> 'a', '{"a": 1}' ->> '$.a', json_object('k', 1), json_group_array(category_key) FROM category

SELECT '[1, [2]]' -> 1, '[1, 2]' ->> 1, '{"a b": 1}' ->> 'a b', '{"a.b": 1}' ->> 'a.b', '{"a": 1}' -> '$.a' || 'x', '{"a": [5]}' -> 'a' ->> '$[0]'

SELECT COUNT(*) AS pragma FROM category ORDER BY PRAGMA

SELECT v.column1, v.column2 FROM (VALUES (1, 'one'), (2, 'two')) AS v

WITH v(n, word) AS (VALUES (1, 'one'), (2, 'two')) SELECT word FROM v ORDER BY n DESC

SELECT full_name /* the name */ FROM customer -- of everyone

-- a comment first
SELECT full_name -- then a column
FROM customer

SELECT 'DROP TABLE customer; -- ' AS harmless, 'it''s /* text */' AS text

SELECT TRUE, FALSE, NULL, 1e3, .5, 0x10, -5, - -5, 5 & 3, 5 | 2, 1 << 4, ~1

SELECT city FROM address WHERE city = 'Zoë "Z" O''Brien' OR city <> 'Zürich'

SELECT COUNT(*) FROM order_line l JOIN product p ON p.product_key = l.product_key WHERE p.product_name IN ('Yoga Mat') AND l.discount > 0.1

SELECT o.order_key, o.order_date, julianday(o.shipped_date) - julianday(o.order_date) AS days FROM sales_order o WHERE o.shipped_date IS NOT NULL ORDER BY days DESC, o.order_key LIMIT 5

SELECT e.full_name FROM employee e WHERE (SELECT COUNT(*) FROM support_ticket t WHERE t.employee_key = e.employee_key AND t.priority IN (SELECT priority FROM support_ticket WHERE employee_key = e.manager_key AND status <> 'open')) > 4

SELECT main.full_name FROM customer AS main WHERE main.gender = 'other'

-- dialect: postgres
SELECT DATE_TRUNC('month', order_date) AS month, COUNT(*) FROM sales_order GROUP BY 1 ORDER BY 1

-- dialect: postgres
SELECT EXTRACT(YEAR FROM order_date) AS y, to_char(order_date, 'YYYY-MM') AS m, date_part('dow', order_date) FROM sales_order ORDER BY order_key LIMIT 9

-- dialect: postgres
SELECT order_date::date, (order_date + interval '30 days')::date, order_date - INTERVAL '1 month', date '2024-01-31', age(timestamp '2024-03-01', timestamp '2024-01-31') FROM sales_order ORDER BY order_key LIMIT 5

-- dialect: postgres
SELECT string_agg(category_name, ', ' ORDER BY category_name DESC), string_agg(DISTINCT category_name, ','), array_agg(category_key ORDER BY category_key) FROM category

-- dialect: postgres
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY unit_price), mode() WITHIN GROUP (ORDER BY category_key), COUNT(*) FILTER (WHERE is_active) FROM product

-- dialect: postgres
SELECT full_name FROM customer WHERE full_name ILIKE '%an%' AND full_name ~ '^[A-M]' AND full_name !~* 'zz' ORDER BY customer_key

-- dialect: postgres
SELECT DISTINCT ON (category_key) category_key, product_name, unit_price FROM product ORDER BY category_key, unit_price DESC NULLS LAST, product_key

-- dialect: postgres
SELECT g, g * 2 AS twice FROM generate_series(1, 5) AS g

-- dialect: postgres
SELECT d::date AS day, COUNT(o.order_key) FROM generate_series(timestamp '2024-01-01', timestamp '2024-01-07', interval '1 day') AS s(d) LEFT JOIN sales_order o ON o.order_date::date = d::date GROUP BY d ORDER BY d

-- dialect: postgres
SELECT c.full_name, last.order_date FROM customer c LEFT JOIN LATERAL (SELECT o.order_date FROM sales_order o WHERE o.customer_key = c.customer_key ORDER BY o.order_date DESC LIMIT 1) last ON TRUE ORDER BY c.customer_key LIMIT 10

-- dialect: postgres
SELECT full_name FROM employee WHERE title = ANY(ARRAY['Support Agent', 'Support Team Lead']) ORDER BY employee_key

-- dialect: postgres
SELECT c.full_name, SUM(l.quantity * l.unit_price * (1 - l.discount))::numeric(12, 2) AS revenue FROM customer c JOIN sales_order o USING (customer_key) JOIN order_line l USING (order_key) GROUP BY c.customer_key, c.full_name ORDER BY revenue DESC, c.customer_key FETCH FIRST 5 ROWS ONLY

-- dialect: postgres
SELECT o.order_key, l.quantity FROM customer, sales_order o LEFT JOIN order_line l ON l.order_key = o.order_key WHERE customer.customer_key = o.customer_key AND o.order_key < 1010 ORDER BY l.order_line_key

-- dialect: postgres
SELECT count FROM (SELECT count(*) FROM customer) AS x

-- dialect: postgres
SELECT status, count(*) FROM support_ticket GROUP BY status ORDER BY count DESC, status

-- dialect: postgres
SELECT country, city, COUNT(*) FROM address GROUP BY ROLLUP (country, city) ORDER BY country NULLS FIRST, city NULLS FIRST

-- dialect: postgres
SELECT coalesce(salary, 0), greatest(salary, 1), width_bucket(salary, 0, 200000, 4), round(salary / 12, 2), salary IS DISTINCT FROM 1, left(full_name, 3), split_part(full_name, ' ', 1), concat_ws('-', title, full_name), lpad(employee_key::text, 4, '0') FROM employee ORDER BY employee_key

-- dialect: postgres
SELECT TRIM(BOTH 'x' FROM 'xax'), SUBSTRING('abcdef' FROM 2 FOR 3), POSITION('c' IN 'abc'), substring('abcdef', 2), 7 / 2, 7 % 4, 'a' || 'b', NOT TRUE

-- dialect: postgres
SELECT SUM(amount) OVER (ORDER BY paid_date RANGE BETWEEN INTERVAL '7 days' PRECEDING AND CURRENT ROW), RANK() OVER w FROM payment WINDOW w AS (ORDER BY amount DESC) ORDER BY payment_key LIMIT 20

-- dialect: postgres
SELECT '{"a": {"b": [1, 2]}}'::jsonb -> 'a' -> 'b' ->> 0, '{"a": 1}'::jsonb @> '{"a": 1}'::jsonb, '{"a": {"b": 2}}'::jsonb #>> '{a,b}', '[1, 2]'::jsonb -> -1

-- dialect: postgres
SELECT (array_agg(full_name ORDER BY hired_date, employee_key))[1] FROM employee

-- dialect: postgres
WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 4) SELECT n FROM t ORDER BY n DESC

-- dialect: postgres
(SELECT city FROM address ORDER BY address_key LIMIT 2) UNION ALL (SELECT title FROM employee ORDER BY employee_key LIMIT 2)

-- dialect: postgres
WITH a AS (SELECT city, address_key FROM address) (SELECT city FROM a ORDER BY address_key LIMIT 7)

-- dialect: mysql
(SELECT city FROM address ORDER BY address_key LIMIT 7) LIMIT 3

-- dialect: postgres
SELECT (ARRAY(SELECT city FROM address ORDER BY address_key))[2]

-- dialect: postgres
SELECT u FROM unnest(ARRAY[3, 1, 2]) AS u ORDER BY u

-- dialect: postgres
SELECT current_date - date '2024-01-01' > 0, now() > timestamp '2024-01-01', extract(epoch FROM interval '1 hour'), timestamp '2024-06-01 12:00' AT TIME ZONE 'UTC' IS NOT NULL

-- dialect: mysql
SELECT DATE_FORMAT(order_date, '%Y-%m') AS month, COUNT(*) FROM sales_order GROUP BY month ORDER BY month

-- dialect: mysql
SELECT YEAR(order_date), MONTH(order_date), QUARTER(order_date), DAYNAME(order_date), DATEDIFF(shipped_date, order_date), TIMESTAMPDIFF(HOUR, order_date, shipped_date) FROM sales_order ORDER BY order_key LIMIT 9

-- dialect: mysql
SELECT order_date + INTERVAL 1 MONTH, DATE_SUB(order_date, INTERVAL 30 DAY), DATE_ADD(order_date, INTERVAL -1 YEAR), EXTRACT(YEAR_MONTH FROM order_date), LAST_DAY(order_date), DATE(order_date) FROM sales_order ORDER BY order_key LIMIT 9

-- dialect: mysql
SELECT GROUP_CONCAT(category_name ORDER BY category_name DESC SEPARATOR '; '), GROUP_CONCAT(DISTINCT category_key) FROM category

-- dialect: mysql
SELECT `full_name`, IF(`salary` > 50000, 'high', 'low'), IFNULL(salary, 0), CONCAT(title, ': ', full_name), CONCAT_WS('-', title, full_name) FROM `employee` ORDER BY `employee_key`

-- dialect: mysql
SELECT "text", 'it\'s', 'a\\b', 'tab\there', 'say "hi"', 'it''s'

-- dialect: mysql
SELECT full_name FROM customer WHERE full_name LIKE '%\_%' OR full_name LIKE 'A%' OR full_name REGEXP '^B' ORDER BY customer_key

-- dialect: mysql
SELECT 7 DIV 2, 7 / 2, 7 % 4, 7 MOD 4, 5 <=> NULL, 1 XOR 1, TRUE AND NOT FALSE, 1 || 0

-- dialect: mysql
SELECT CAST('12' AS SIGNED), CAST(3 AS CHAR), CAST('2024-01-31' AS DATE), CAST(1.239 AS DECIMAL(10, 2)), CONVERT('7', UNSIGNED), CAST('2024-01-31 10:00' AS DATETIME)

-- dialect: mysql
SELECT order_key FROM sales_order ORDER BY order_key LIMIT 10, 5

-- dialect: mysql
SELECT c.customer_key FROM customer c JOIN sales_order o ON o.customer_key = c.customer_key ORDER BY customer_key, o.order_key LIMIT 5

-- dialect: mysql
SELECT status, COUNT(*) AS n FROM sales_order GROUP BY status WITH ROLLUP

-- dialect: mysql
SELECT status, COUNT(*) AS n FROM sales_order GROUP BY status HAVING n > 10 ORDER BY n DESC, status

-- dialect: mysql
SELECT SUBSTRING('abcdef', 2, 3), TRIM(BOTH 'x' FROM 'xax'), LEFT('abc', 2), RIGHT('abc', 2), LPAD('7', 3, '0'), LOCATE('c', 'abc'), CHAR_LENGTH('abc'), REPLACE('aba', 'a', 'c'), ROUND(1.256, 2), TRUNCATE(1.256, 2)

-- dialect: mysql
SELECT c.full_name, RANK() OVER (ORDER BY COUNT(*) DESC) AS place FROM customer c JOIN sales_order o ON o.customer_key = c.customer_key GROUP BY c.customer_key, c.full_name ORDER BY place, c.customer_key LIMIT 10

-- dialect: mysql
WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT i FROM n ORDER BY i

-- dialect: mysql
SELECT full_name FROM customer -- everyone
ORDER BY customer_key LIMIT 3 # three

-- dialect: mysql
(SELECT city FROM address ORDER BY address_key LIMIT 2) UNION ALL (SELECT title FROM employee ORDER BY employee_key LIMIT 2)

-- dialect: mysql
SELECT 5 - -1, 5--1, CURRENT_DATE > '2024-01-01', CURDATE() = CURRENT_DATE(), NOW() > '2024-01-01', CURRENT_TIMESTAMP IS NULL

-- dialect: mysql
SELECT COUNT(*) FROM sales_order WHERE order_date > '2024-01-01' - INTERVAL 7 DAY AND order_date < NOW() + INTERVAL (1 + 1) DAY

-- dialect: mysql
SELECT full_name FROM customer WHERE (customer_key, gender) IN (SELECT customer_key, 'male' FROM address) ORDER BY customer_key LIMIT 5
