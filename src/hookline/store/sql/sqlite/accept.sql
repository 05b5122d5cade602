-- What ingest writes, in one transaction: the request, its events, their deliveries.

-- name: insert_requests
insert into requests (
  id, source, environment, outcome, received_at, peer, method, secret, size, event, status, reason, hint, dictionary,
  target, content
) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: insert_events
insert into events (
  id, request, source, environment, type, provider_id, key, subject, occurred_at, received_at, origin, size, hold,
  reason, pending, needs_review
) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: insert_items
insert into items (event, dictionary, body) values (?, ?, ?)

-- name: insert_deliveries
insert into deliveries (
  id, event, destination, route, state, reason, trigger, due_at, first_due_at, changed_at, ordering_key, turn, head
) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: count_duplicate
update events set duplicates = duplicates + 1 where id = :event returning failed

-- name: failed_deliveries
select id, event, destination, state, ordering_key from deliveries
where event = :event and state = 'failed'
  and exists (  -- an erased event has nothing to deliver
    select 1 from events e left join requests r on r.id = e.request left join items i on i.event = e.id
    where e.id = :event and (r.content is not null or i.body is not null)
  )
order by id

-- name: new_dictionaries
select id, source, data from dictionaries where id > :after order by id
