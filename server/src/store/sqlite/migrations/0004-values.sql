CREATE TABLE pixygate_values (
    name text PRIMARY KEY,
    version integer NOT NULL,
    content blob NOT NULL
);
