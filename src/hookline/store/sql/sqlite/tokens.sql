-- Who may use the API, and what people changed.

-- name: create_token
insert into tokens (id, name, role, hash, created_at, expires_at) values (:id, :name, :role, :hash, :now, :expires_at)

-- name: find_token
select id, name, role, created_at, used_at, expires_at, revoked_at from tokens
where hash = :hash and revoked_at is null and (expires_at is null or expires_at > :now)

-- name: touch_token
update tokens set used_at = :now where id = :id and (used_at is null or used_at < :now - 60)

-- name: list_tokens
select id, name, role, created_at, used_at, expires_at, revoked_at from tokens order by id desc

-- name: revoke_token
update tokens set revoked_at = :now where id = :id and revoked_at is null

-- name: count_tokens
select count(*) from tokens where revoked_at is null and (expires_at is null or expires_at > :now)

-- name: write_audit
insert into audit (id, at, who, action, target, detail) values (:id, :now, :who, :action, :target, :detail)

-- name: list_audit
select id, at, who, action, target, detail from audit where id < :before order by id desc limit :limit
