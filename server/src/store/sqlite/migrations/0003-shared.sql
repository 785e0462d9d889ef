CREATE TABLE pixygate_documents (
    url text PRIMARY KEY,
    body blob NOT NULL,
    fetched_at integer NOT NULL
);
