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
returning id, due_at

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

-- name: claimed
with taken (id, due_at) as (values (?, ?))
select
  d.id, d.lease, d.destination, d.route, d.attempts, d.trigger, d.first_due_at, d.crashes, d.ordering_key,
  d.superseded, d.replays,
  e.id, e.source, e.environment, e.type, e.provider_id, e.subject, e.occurred_at, e.received_at, e.origin,
  r.dictionary, r.method, r.target, r.content, i.dictionary, i.body
from taken
cross join deliveries d on d.id = taken.id
join events e on e.id = d.event
left join requests r on r.id = e.request
left join items i on i.event = e.id

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
