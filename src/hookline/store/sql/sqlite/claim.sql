-- What a worker takes. Due ones and leased ones lie in indexes of their own, by destination: half a million that are
-- paused cost nothing.

-- name: destination
select state, pace from destinations where name = :name

-- name: open_claims
select count(*) from deliveries where destination = :destination and lease_until > :now

-- name: lapsed
select id, event, attempts, tries, trigger, worker, leased_at, lease_until from deliveries
where destination = :destination and lease_until <= :now order by lease_until limit :limit

-- name: claim
update deliveries set lease = lease + 1, lease_until = :until, leased_at = :now, worker = :worker
where id in (
  select id from deliveries
  where destination = :destination and state = 'pending' and head = 1 and lease_until is null and due_at <= :now
  order by due_at limit :limit
)

-- name: let_go
update deliveries set lease = lease + 1, lease_until = null, tries = tries + 1, crashes = crashes + :crashed
where id = :id

-- name: leases_of
select id, event, attempts, tries, trigger, worker, leased_at, lease_until, lease, destination from deliveries
where lease_until is not null and worker = :worker

-- name: insert_attempts
insert into attempts (
  delivery, try, attempt, counted, event, trigger, worker, started_at, finished_at, state, reason, code, unknown, sent,
  received, error
) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- All of them in one row, the bytes of all in one piece: a step of SQLite for each would let go of the interpreter's
-- lock a hundred times. lease_until and leased_at together are this claim's alone.
-- name: claimed
select
  json_group_array(json_array(
    id, lease, destination, route, attempts, tries, trigger, first_due_at, crashes, ordering_key, superseded, replays,
    number, source, environment, type, provider_id, subject, occurred_at, received_at, origin, method,
    dictionary, length(target), length(content), item_dictionary, length(body)
  )),
  cast(group_concat(coalesce(target, x'') || coalesce(content, x'') || coalesce(body, x''), '') as blob)
from (
  select
    d.id, d.lease, d.destination, d.route, d.attempts, d.tries, d.trigger, d.first_due_at, d.crashes, d.ordering_key,
    d.superseded, d.replays,
    e.id as number, e.source, e.environment, e.type, e.provider_id, e.subject, e.occurred_at, e.received_at, e.origin,
    r.method, r.dictionary, r.target, r.content, i.dictionary as item_dictionary, i.body
  from deliveries d indexed by deliveries_leased
  join events e on e.id = d.event
  left join requests r on r.id = e.request
  left join items i on i.event = e.id
  where d.destination = :destination and d.lease_until = :until and d.leased_at = :now and d.worker = :worker
  order by d.due_at, d.id
)

-- name: save_pace
insert into destinations (name, changed_at, pace) values (?, ?, ?)
on conflict (name) do update set pace = excluded.pace

-- name: next_due
select min(due_at) from deliveries
where destination = :destination and state = 'pending' and head = 1 and lease_until is null

-- name: next_lapse
select min(lease_until) from deliveries where destination = :destination and lease_until is not null

-- name: renew
update deliveries set lease_until = :until
where id = :id and lease = :lease and state = 'pending' and lease_until is not null

-- name: dictionary
select source, data from dictionaries where id = :id

-- An unknown one that ended its delivery has been judged: whoever let it run again knew.
-- name: last_try
select unknown = 1 and state = 'pending', reason from attempts where delivery = :id order by try desc limit 1
