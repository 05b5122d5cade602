-- name: fresh_hashes
select seq, substr(record, 1, 8) from fresh_keys where seq > :after order by seq

-- name: as_of
select
  coalesce((select max(seq) from fresh_keys), 0),
  max(
    coalesce((select max(id) from requests), 0),
    coalesce((select max(id) from events), 0),
    coalesce((select max(id) from deliveries), 0)
  ),
  (select coalesce(max(run), 0) from key_runs where state = 'live')

-- name: fresh_key
select record from fresh_keys where seq = :seq

-- name: oldest_fresh_key
select min(seq) from fresh_keys

-- name: insert_fresh_keys
insert into fresh_keys (record) values (?)

-- name: live_runs
select run from key_runs where state = 'live' order by run desc

-- name: run_filter
select filter from key_runs where run = :run

-- name: key_page
select records from key_pages where run = :run and first <= :hash order by first desc limit 1
