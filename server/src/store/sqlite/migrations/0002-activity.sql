CREATE TABLE pixygate_nodes (
    id integer PRIMARY KEY AUTOINCREMENT,
    name text NOT NULL,
    version text NOT NULL,
    started_at integer NOT NULL,
    seen_at integer NOT NULL
);

CREATE TABLE pixygate_activity (
    id integer PRIMARY KEY,
    user_key integer NOT NULL,
    node integer NOT NULL,
    request_id text NOT NULL,
    client text,
    method text NOT NULL,
    route text,
    upstream text,
    reason text,
    expected text,
    found text,
    hint text,
    status integer,
    bytes integer NOT NULL,
    took integer NOT NULL
);

CREATE INDEX pixygate_activity_of_user ON pixygate_activity (user_key, id);

CREATE TABLE pixygate_activity_users (
    user_key integer PRIMARY KEY,
    issuer text NOT NULL,
    subject text NOT NULL,
    name text,
    day integer NOT NULL
);

CREATE TABLE pixygate_activity_sums (
    user_key integer NOT NULL,
    minute integer NOT NULL,
    node integer NOT NULL,
    allowed integer NOT NULL,
    denied integer NOT NULL,
    PRIMARY KEY (user_key, minute, node)
) WITHOUT ROWID;
