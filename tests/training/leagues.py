"""A small database with all that is awkward: two keys to one table, a ladder, composite keys, broken views."""

from __future__ import annotations

import sqlite3
from pathlib import Path

LEAGUE = """
CREATE TABLE region (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE team (id INTEGER PRIMARY KEY, name TEXT, city TEXT, founded INTEGER,
                   region_id INTEGER REFERENCES region (id), crest BLOB, is_active BOOLEAN);
CREATE TABLE person (id INTEGER PRIMARY KEY, full_name TEXT, mentor_id INTEGER REFERENCES person (id), pay REAL);
CREATE TABLE game (id INTEGER PRIMARY KEY, home_team_id INTEGER REFERENCES team (id),
                   away_team_id INTEGER REFERENCES team (id), played DATE, goals INTEGER, note TEXT,
                   referee_id INTEGER REFERENCES person (id));
CREATE TABLE site (site_no INTEGER, code TEXT, title TEXT, PRIMARY KEY (site_no, code));
CREATE TABLE shelf (id INTEGER PRIMARY KEY, site_no INTEGER, code TEXT, width REAL,
                    FOREIGN KEY (site_no, code) REFERENCES site (site_no, code));
CREATE TABLE prize (id INTEGER PRIMARY KEY, title TEXT, game_id INTEGER REFERENCES game (id));
CREATE VIEW broken AS SELECT * FROM gone;
CREATE VIEW margin AS SELECT id, goals - 2 AS above_par FROM game;
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 4)
INSERT INTO region SELECT i, 'Region ' || i FROM n;
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 19)
INSERT INTO team SELECT i, 'Team ' || char(65 + i), 'City ' || (i % 7), 1900 + i * 3, i % 5, x'00ff', i % 3 > 0 FROM n;
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 39)
INSERT INTO person SELECT i, 'Pat ' || char(65 + i % 26) || i, CASE WHEN i > 2 THEN i / 3 END, 1000 + i * 7 FROM n;
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 299)
INSERT INTO game SELECT i, i % 20, (i * 7 + 3) % 20, date('2024-01-01', '+' || i || ' days'), i % 5, NULL, i % 40
FROM n;
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 39)
INSERT INTO site SELECT i % 8, 'c' || i, 'Site ' || i FROM n;
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 199)
INSERT INTO shelf SELECT i, i % 40 % 8, 'c' || i % 40, i % 17 * 0.35 FROM n;
"""


def make_database(path: Path, script: str = LEAGUE) -> Path:
    """Write a SQLite file."""
    connection = sqlite3.connect(path)
    connection.executescript(script)
    connection.commit()
    connection.close()
    return path
