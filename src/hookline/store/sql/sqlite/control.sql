-- name: pause_destination
insert into destinations (name, state, reason, changed_at) values (:name, 'paused', :reason, :now)
on conflict (name) do update set state = 'paused', reason = excluded.reason, changed_at = excluded.changed_at

-- name: resume_destination
insert into destinations (name, state, changed_at) values (:name, 'open', :now)
on conflict (name) do update set state = 'open', reason = null, changed_at = excluded.changed_at, pace = null

-- name: list_workers
select name, pid, started_at, seen_at, destinations from workers where seen_at > :since order by name
