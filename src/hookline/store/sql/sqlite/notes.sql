-- The bounded log of requests that became no event.

-- name: logged_of
select count(*), coalesce(sum(length(content)), 0) from requests
where source is :source and outcome <> 'accepted' and outcome in ('rejected', 'challenge')

-- name: drop_oldest_logged
delete from requests where id in (
  select id from requests where source is :source and outcome <> 'accepted' and outcome in ('rejected', 'challenge') order by id limit :count
)
