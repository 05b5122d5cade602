-- One event, one request, and everything that happened to it. The events of a request (a thousand at most) have the ids
-- right after its own.

-- name: event_content
select e.id, r.method, r.target, r.dictionary, r.content, r.peer, r.secret, i.dictionary, i.body
from events e
left join requests r on r.id = e.request
left join items i on i.event = e.id
where e.id = :id

-- name: attempts_of
select
  a.delivery, a.attempt, a.counted, a.started_at, a.finished_at, a.trigger, a.state, a.reason, a.code, a.unknown, a.worker,
  a.sent, a.received, a.error
from deliveries d join attempts a on a.delivery = d.id
where d.event = :event
order by a.delivery, a.try

-- name: request_content
select dictionary, content from requests where id = :id

-- name: event_of_delivery
select event from deliveries where id = :id

-- name: event_of_request
select coalesce(
  (select event from requests where id = :id),
  (select min(id) from events where id > :id and id <= :id + 1000 and request = :id)
)

-- name: events_of_request
select id from events where id > :id and id <= :id + 1000 and request = :id order by id

-- name: known_event
select id from events where id = :id and provider_id = :provider_id

-- name: fresh_keys_of
select record from fresh_keys where hex(substr(record, 1, 8)) in (select value from json_each(:hashes))

-- name: latest_event
select max(id) from events

-- name: event_names
select provider_id, subject from events where id = :id
