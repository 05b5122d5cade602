-- name: meta
select value from meta where name = :name

-- name: set_meta
insert into meta (name, value) values (:name, :value) on conflict (name) do update set value = excluded.value

-- name: next_writer
insert into meta (name, value) values ('writers', '1')
on conflict (name) do update set value = cast(cast(value as integer) + 1 as text)
returning cast(value as integer)

-- name: highest_id
select max(
  coalesce((select max(id) from requests), 0),
  coalesce((select max(id) from events), 0),
  coalesce((select max(id) from deliveries), 0),
  coalesce((select max(id) from replays), 0),
  coalesce((select max(id) from tokens), 0),
  coalesce((select max(id) from audit), 0)
)

-- name: meta_like
select name, value from meta where substr(name, 1, length(:prefix)) = :prefix

-- name: drop_meta
delete from meta where name = :name
