-- AUTOINCREMENT: the id of a row that was deleted does not come back.
CREATE TABLE pixygate_ended (
    id integer PRIMARY KEY AUTOINCREMENT,
    mark integer NOT NULL,
    issuer text NOT NULL,
    subject text,
    session_id text,
    token_id text,
    ended_at integer NOT NULL
);

CREATE TABLE pixygate_ended_floors (
    issuer text PRIMARY KEY,
    ended_at integer NOT NULL
) WITHOUT ROWID;

CREATE TABLE pixygate_logout_tokens (
    digest blob PRIMARY KEY,
    until integer NOT NULL
) WITHOUT ROWID;
