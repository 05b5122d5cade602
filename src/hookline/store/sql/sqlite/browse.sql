-- Searches. {table} names the index that a walk goes along and {path} the condition that every row in it meets (left to
-- itself, the planner picks another one, and a window of a hundred rows becomes a scan of millions); {where} is the
-- compiled query, {truths} what is selected beside a row to judge it by its payload.

-- name: event_window
select e.id from {table} where e.id < :high and e.id >= :low and {path} order by e.id desc limit 1 offset :size

-- name: request_window
select r.id from {table} where r.id < :high and r.id >= :low and {path} order by r.id desc limit 1 offset :size

-- name: event_window_up
select e.id from {table} where e.id > :after and e.id < :high and {path} order by e.id limit 1 offset :size

-- name: find_events
select
  e.id, e.request, e.source, e.environment, e.type, e.status,
  case when e.status <> 'processed' then coalesce(
    (
      select d.reason from deliveries d
      where d.event = e.id and d.state in (e.status, case e.status when 'ignored' then 'cancelled' end)
      order by d.id desc limit 1
    ),
    case e.status when 'needs_review' then e.hold when 'ignored' then e.reason end
  ) end,
  e.provider_id, e.subject, e.occurred_at, e.received_at, e.duplicates, e.origin, e.size{truths}
from {table}
left join requests r on r.id = e.request
left join items i on i.event = e.id
where e.id < :high and e.id >= :low and {path} and {where}
order by e.id desc

-- name: find_deliveries
select
  d.id, d.event, d.destination, d.route, d.state,
  case
    when d.state <> 'pending' then null
    when d.lease_until > :now then 'running'
    when d.head = 0 then 'ordered'
    when exists (select 1 from destinations p where p.name = d.destination and p.state = 'paused') then 'paused'
    when d.due_at > :now and d.tries > 0 then 'retrying'
    when not exists (
      select 1 from workers w, json_each(w.destinations) n where w.seen_at > :now - 60 and n.value = d.destination
    ) then 'no worker'
    else 'due'
  end,
  d.reason, d.trigger, d.attempts, case when d.state = 'pending' then d.due_at end, d.changed_at, d.ordering_key,
  d.code, d.superseded{truths}
from {table}
cross join deliveries d on d.event = e.id
left join requests r on r.id = e.request
left join items i on i.event = e.id
where e.id < :high and e.id >= :low and (e.id < :at_event or d.id > :at_delivery) and {path} and {where}
order by e.id desc, d.id

-- name: find_repeatable
select d.id, d.event, d.destination, d.state, coalesce(d.lease_until > :now, 0), d.due_at > :now, e.environment,
  r.content is null and i.body is null{truths}
from {table}
cross join deliveries d on d.event = e.id
left join requests r on r.id = e.request
left join items i on i.event = e.id
where e.id > :after and e.id <= :high and {path} and {only} and {where}
order by e.id, d.id

-- name: find_routable
select e.id, e.source, e.environment, e.type, r.content is null and i.body is null{truths}
from {table}
left join requests r on r.id = e.request
left join items i on i.event = e.id
where e.id > :after and e.id <= :high and {path} and {only} and {where}
order by e.id

-- name: find_requests
select
  r.id, r.source, r.environment, r.outcome, r.status, r.reason, r.hint, r.method, r.target, r.peer, r.received_at,
  r.size, r.event{truths}
from {table}
where r.id < :high and r.id >= :low and {path} and {where}
order by r.id desc
