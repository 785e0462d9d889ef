-- Nodes of older versions leave it empty.
ALTER TABLE pixygate_nodes ADD COLUMN revocation_age_seconds bigint;
