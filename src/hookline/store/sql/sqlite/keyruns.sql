-- Sorted runs of dedupe keys: built, merged and dropped in bites.

-- name: dead_runs
select run from key_runs where state <> 'live'

-- name: fresh_span
select (select min(seq) from fresh_keys), (select max(seq) from fresh_keys)

-- name: fresh_records
select record from fresh_keys where seq <= :last

-- name: forget_fresh
delete from fresh_keys where seq in (select seq from fresh_keys where seq <= :last order by seq limit :limit)

-- name: begin_run
insert into key_runs (level, state) values (:level, 'building') returning run

-- name: insert_key_pages
insert into key_pages (run, first, records) values (?, ?, ?)

-- name: finish_run
update key_runs set state = 'live', count = :count, expires_at = :expires_at, filter = :filter where run = :run

-- name: retire_run
update key_runs set state = 'merged', filter = null where run = :run

-- name: runs_by_level
select run, level, count from key_runs where state = 'live' order by level, run

-- name: run_pages
select first, records from key_pages where run = :run and first > :after order by first limit :limit

-- name: delete_key_pages
delete from key_pages where run = :run and first in (
  select first from key_pages where run = :run order by first limit :limit
)

-- name: delete_run
delete from key_runs where run = :run
