-- Processes that work, and on what. One that has not been seen for a minute is gone.

-- name: worker_seen
insert into workers (name, pid, started_at, seen_at, destinations) values (:name, :pid, :now, :now, :destinations)
on conflict (name) do update set seen_at = excluded.seen_at, destinations = excluded.destinations

-- name: worker_gone
delete from workers where name = :name

-- name: anybody_works
select 1 from workers where seen_at > :now - 60 limit 1

-- name: open_deliveries
select coalesce(sum(count), 0) from delivery_counts where state = 'pending'
