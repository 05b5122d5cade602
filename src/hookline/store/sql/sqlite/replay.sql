-- Replays: what a query finds runs again, in bites, as a job with progress. Cancelling looks the same way.

-- name: lines_of_event
select id, destination, state, coalesce(lease_until > :now, 0), due_at > :now from deliveries where event = :event order by id

-- What was erased since somebody looked has nothing to deliver.
-- name: ended_delivery
select d.id, d.event, d.destination, d.state, d.ordering_key from deliveries d
join events e on e.id = d.event left join requests r on r.id = e.request left join items i on i.event = e.id
where d.id = :id and d.state = :state and (r.content is not null or i.body is not null)

-- name: bring_forward
update deliveries set due_at = :now, trigger = 'replay', changed_at = :now
where id = :id and state = 'pending' and lease_until is null and due_at > :now
returning destination

-- name: addable
select 1 from events e left join requests r on r.id = e.request left join items i on i.event = e.id
where e.id = :event and (r.content is not null or i.body is not null)
  and not exists (select 1 from deliveries d where d.event = :event and d.destination = :destination)

-- name: leased
select id, event, attempts, tries, trigger, worker, leased_at, lease_until from deliveries
where id = :id and state = :state and lease_until is not null

-- name: cancel_delivery
update deliveries set
  state = 'cancelled', reason = :reason, changed_at = :now, tries = tries + (lease_until is not null),
  lease = lease + 1, lease_until = null
where id = :id and state = :state
returning event, destination, ordering_key

-- name: create_replay
insert into replays (id, created_at, who, query, options, state, total)
values (:id, :now, :who, :query, :options, 'running', :total)

-- name: replay
select id, created_at, finished_at, who, query, options, state, position, total, done, error from replays where id = :id

-- name: list_replays
select id, created_at, finished_at, who, query, options, state, position, total, done, error from replays
where id < :before order by id desc limit :limit

-- name: running_replays
select id, created_at, finished_at, who, query, options, state, position, total, done, error from replays
where state = 'running' order by id

-- name: advance_replay
update replays set
  position = :position, done = done + :events, state = case when :ended then 'done' else state end,
  finished_at = case when :ended then :now end
where id = :id and position = :from and state = 'running'

-- name: stop_replay
update replays set state = 'stopped', finished_at = :now, error = :error where id = :id and state = 'running'
