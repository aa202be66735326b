-- name: add_values
-- New values; in one order, so that two writers of the same ones wait for each other and not in a circle.
INSERT INTO attribute_value (account_id, name, value)
SELECT account_id, name, value
FROM unnest(%(account_ids)s::uuid[], %(names)s::text[], %(values)s::text[]) AS told (account_id, name, value)
ORDER BY account_id, name, value COLLATE "C"
ON CONFLICT (account_id, name, value) DO NOTHING

-- name: numbers
-- The numbers of values, in the order in which they were asked for.
SELECT kept.id
FROM unnest(%(account_ids)s::uuid[], %(names)s::text[], %(values)s::text[]) WITH ORDINALITY
     AS told (account_id, name, value, place)
JOIN attribute_value AS kept ON kept.account_id = told.account_id AND kept.name = told.name AND kept.value = told.value
ORDER BY told.place
