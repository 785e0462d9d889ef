CREATE TABLE pixygate_ended (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    mark bigint NOT NULL,
    issuer text NOT NULL,
    subject text,
    session_id text,
    token_id text,
    ended_at bigint NOT NULL
);

CREATE TABLE pixygate_ended_floors (
    issuer text PRIMARY KEY,
    ended_at bigint NOT NULL
);

CREATE TABLE pixygate_logout_tokens (
    digest bytea PRIMARY KEY,
    until bigint NOT NULL
);
