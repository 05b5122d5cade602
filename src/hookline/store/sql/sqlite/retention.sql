-- What is old enough goes, in bites: a bite is a short transaction that nobody at the door notices.

-- name: old_events
select e.id, e.request, e.source, e.failed + e.needs_review + (e.status = 'needs_review') as trouble,
  coalesce((select max(d.changed_at) from deliveries as d where d.event = e.id), e.received_at) as changed_at, e.pending
from events as e where e.id > :after and e.id < :upto order by e.id limit :limit

-- name: deliveries_by_state
select destination, state, count(*) from deliveries
where event in (select value from json_each(:events)) group by destination, state

-- name: delete_attempts_of
delete from attempts where delivery in
  (select id from deliveries where event in (select value from json_each(:events)))

-- name: delete_deliveries_of
delete from deliveries where event in (select value from json_each(:events))

-- name: delete_items
delete from items where event in (select value from json_each(:events))

-- name: delete_events
delete from events where id in (select value from json_each(:events))

-- name: delete_orphaned_requests
delete from requests where id in (select value from json_each(:requests))
  and not exists (select 1 from events where events.id > requests.id and events.id <= requests.id + 1000
                  and events.request = requests.id)

-- name: delete_old_noted
delete from requests where id in (
  select r.id from requests as r indexed by requests_logged
  where r.source is :source and r.outcome <> 'accepted' and r.id < :upto order by r.id limit :limit)

-- name: noted_sources
select distinct source from requests indexed by requests_logged where outcome <> 'accepted'

-- name: delete_old_counters
delete from counters where (minute, metric, source, destination, outcome, writer) in
  (select minute, metric, source, destination, outcome, writer from counters where minute < :minute limit :limit)

-- name: delete_old_histograms
delete from histograms where (minute, metric, source, destination, bucket, writer) in
  (select minute, metric, source, destination, bucket, writer from histograms where minute < :minute limit :limit)

-- name: delete_old_audit
delete from audit where id in (select id from audit where id < :upto order by id limit :limit)

-- name: delete_old_replays
delete from replays where id in (select id from replays where id < :upto and state <> 'running' order by id limit :limit)

-- name: delete_gone_workers
delete from workers where seen_at < :before

-- A dictionary that was followed by another long before the oldest row that is left cannot be referred to any more.
-- name: delete_unused_dictionaries
delete from dictionaries where exists (
  select 1 from dictionaries as later where later.source = dictionaries.source and later.id > dictionaries.id
    and later.created_at < :before)

-- name: oldest_row
select min(received_at) from (
  select received_at from requests where id = (select min(id) from requests)
  union all select received_at from events where id = (select min(id) from events))

-- name: erase_bodies
update requests set content = null, peer = '', target = x'', hint = null where id in (select value from json_each(:requests))

-- name: erase_items
delete from items where event in (select value from json_each(:events))

-- A reason is often the text of an exception, and an ordering key a customer: they are content, too.
-- name: erase_attempts
update attempts set
  sent = null, received = null, error = null, reason = case when reason <> '' then 'erased' else reason end
where delivery in (select id from deliveries where event in (select value from json_each(:events)))

-- name: erase_deliveries
update deliveries set ordering_key = null, reason = case when reason <> '' then 'erased' else reason end
where event in (select value from json_each(:events)) and state <> 'pending'

-- name: erase_events
update events set subject = null where id in (select value from json_each(:events))

-- name: requests_of
select distinct request from events where id in (select value from json_each(:events))
