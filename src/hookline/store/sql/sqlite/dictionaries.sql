-- Dictionaries are trained from what arrived, and kept while any row refers to them.

-- name: event_sources
with recursive named (source) as (
  select min(source) from events
  union all
  select (select min(source) from events where source > named.source) from named where named.source is not null
)
select source from named where source is not null

-- name: lately
select r.dictionary, r.content from events e join requests r on r.id = e.request
where e.source = :source and r.content is not null order by e.id desc limit :limit

-- name: present_dictionary
select data from dictionaries where source = :source order by id desc limit 1

-- name: insert_dictionary
insert into dictionaries (source, created_at, data) values (:source, :now, :data)
