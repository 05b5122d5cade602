-- Order per key: a row per destination and key with open work names its head, and only the head can be claimed.

-- name: head
select delivery, last_turn from heads where destination = :destination and ordering_key = :ordering_key

-- name: set_heads
insert into heads (destination, ordering_key, delivery, last_turn) values (?, ?, ?, ?)
on conflict (destination, ordering_key) do update set delivery = excluded.delivery, last_turn = excluded.last_turn

-- name: drop_head
delete from heads where destination = :destination and ordering_key = :ordering_key

-- name: next_in_line
select id from deliveries
where destination = :destination and ordering_key = :ordering_key and state = 'pending' and head = 0
order by turn limit 1

-- name: make_head
update deliveries set head = 1 where id = :id

-- name: later_of_key
select 1 from deliveries
where destination = :destination and ordering_key = :ordering_key and id > :id and state <> 'pending' limit 1
