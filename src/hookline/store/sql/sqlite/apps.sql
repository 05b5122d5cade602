-- Python apps and their handlers. A newer generation replaces, the same one adds, an older one is too late.

-- name: publish_app
insert into apps (app, generation, published_at, handlers, error)
values (:app, :generation, :now, :handlers, '')
on conflict (app) do update
  set generation = excluded.generation, published_at = excluded.published_at, handlers = excluded.handlers, error = ''

-- name: note_app_error
update apps set error = :error where app = :app and generation <= :generation

-- name: published_app
select app, generation, handlers, error from apps where app = :app

-- name: published_apps
select app, generation, handlers, error from apps order by app

-- name: forget_other_apps
delete from apps where app <> :app
