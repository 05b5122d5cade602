-- What must be true of a store (each check returns what is not), and what a restore does to open work.

-- name: check_counts
select e.id from events as e left join (
  select event, sum(state = 'pending') as pending, sum(state = 'succeeded') as succeeded, sum(state = 'failed') as failed,
    sum(state = 'ignored') as ignored, sum(state = 'needs_review') as needs_review, sum(state = 'cancelled') as cancelled
  from deliveries group by event) as d on d.event = e.id
where (e.pending, e.succeeded, e.failed, e.ignored, e.needs_review, e.cancelled) is not
  (coalesce(d.pending, 0), coalesce(d.succeeded, 0), coalesce(d.failed, 0), coalesce(d.ignored, 0),
   coalesce(d.needs_review, 0), coalesce(d.cancelled, 0))
limit 1000

-- name: check_totals
select destination from (
  select destination, state, sum(count) as count from delivery_counts group by destination, state
  union all select destination, state, -count(*) from deliveries group by destination, state)
group by destination, state having sum(count) <> 0 limit 1000

-- name: check_heads
select h.destination || ' ' || h.ordering_key from heads as h left join deliveries as d on d.id = h.delivery
where d.id is null or d.state <> 'pending' or d.head <> 1 limit 1000

-- name: check_stuck
select d.id from deliveries as d where d.state = 'pending' and d.head = 0
  and not exists (select 1 from heads as h where h.destination = d.destination and h.ordering_key = d.ordering_key)
limit 1000

-- name: check_orphans
select d.id from deliveries as d left join events as e on e.id = d.event where e.id is null limit 1000

-- name: check_requests
select e.id from events as e left join requests as r on r.id = e.request where r.id is null limit 1000

-- name: count_open
select count(*) from deliveries where state = 'pending'

-- name: restored_events
update events set needs_review = needs_review + pending, pending = 0 where pending > 0

-- name: restored_totals
insert into delivery_counts (destination, state, writer, count)
select destination, state, writer, count from (
  select destination, 'needs_review' as state, 0 as writer, count(*) as count from deliveries
  where state = 'pending' group by destination
  union all
  select destination, 'pending', 0, -count(*) from deliveries where state = 'pending' group by destination) where true
on conflict (destination, state, writer) do update set count = count + excluded.count

-- name: restored_deliveries
update deliveries set state = 'needs_review', reason = :reason, changed_at = :now, lease = lease + 1, lease_until = null,
  worker = null, turn = null, head = 1
where state = 'pending'

-- name: restored_heads
delete from heads

-- name: restored_replays
update replays set state = 'stopped', error = :reason, finished_at = :now where state = 'running'
