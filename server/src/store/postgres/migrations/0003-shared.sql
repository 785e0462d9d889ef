-- Not in the write-ahead log: a proof matters for some minutes, and a commit waits for no disk.
CREATE UNLOGGED TABLE pixygate_proofs (
    proof bytea PRIMARY KEY,
    until bigint NOT NULL
);

CREATE INDEX pixygate_proofs_until ON pixygate_proofs (until);

CREATE TABLE pixygate_documents (
    url text PRIMARY KEY,
    body bytea NOT NULL,
    fetched_at bigint NOT NULL
);
