CREATE TABLE pixygate_nodes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    version text NOT NULL,
    started_at bigint NOT NULL,
    seen_at bigint NOT NULL
);

CREATE TABLE pixygate_activity (
    id bigint PRIMARY KEY,
    user_key bigint NOT NULL,
    node bigint NOT NULL,
    request_id text NOT NULL,
    client text,
    method text NOT NULL,
    route text,
    upstream text,
    reason text,
    expected text,
    found text,
    hint text,
    status smallint,
    bytes bigint NOT NULL,
    took bigint NOT NULL
);

CREATE INDEX pixygate_activity_of_user ON pixygate_activity (user_key, id);

CREATE TABLE pixygate_activity_users (
    user_key bigint PRIMARY KEY,
    issuer text NOT NULL,
    subject text NOT NULL,
    name text,
    day bigint NOT NULL
);

CREATE TABLE pixygate_activity_sums (
    user_key bigint NOT NULL,
    minute bigint NOT NULL,
    node bigint NOT NULL,
    allowed bigint NOT NULL,
    denied bigint NOT NULL,
    PRIMARY KEY (user_key, minute, node)
);
