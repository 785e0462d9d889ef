CREATE TABLE pixygate_values (
    name text PRIMARY KEY,
    version bigint NOT NULL,
    content bytea NOT NULL
);
