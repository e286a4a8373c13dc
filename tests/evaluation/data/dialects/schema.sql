-- Small, and full of what goes wrong: reserved words and capitals as names, blanks in names, text that differs in case,
-- accents or a trailing blank alone, NULLs, month ends, a leap day, signs that mean something to LIKE.
CREATE TABLE person (
    id INTEGER PRIMARY KEY,
    name VARCHAR(40) NOT NULL,
    city VARCHAR(40),
    "Boss" INTEGER,
    born DATE,
    is_vip BOOLEAN,
    score DOUBLE PRECISION,
    born_text VARCHAR(20),
    FOREIGN KEY ("Boss") REFERENCES person (id)
);
CREATE TABLE "Order" (
    "Id" INTEGER PRIMARY KEY,
    "Placed At" DATETIME NOT NULL,
    due DATE,
    "group" VARCHAR(20),
    person_id INTEGER NOT NULL,
    is_paid BOOLEAN NOT NULL,
    total DECIMAL(10,2),
    note VARCHAR(60),
    FOREIGN KEY (person_id) REFERENCES person (id)
);
CREATE TABLE line (
    order_id INTEGER NOT NULL,
    pos INTEGER NOT NULL,
    sku VARCHAR(10) NOT NULL,
    qty INTEGER NOT NULL,
    price DECIMAL(8,2) NOT NULL,
    PRIMARY KEY (order_id, pos)
);
CREATE TABLE visit (
    id INTEGER PRIMARY KEY,
    person_id INTEGER NOT NULL,
    seen_at DATETIME,
    seconds INTEGER,
    epoch INTEGER,
    rank INTEGER
);
