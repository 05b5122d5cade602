-- What a worker hands back. Every write carries the lease: no row changed means that somebody else owns it now.

-- name: settle
with done (id, lease, state, reason, due_at, at, counted, code, crashed) as (
  values (?, ?, ?, ?, ?, ?, ?, ?, ?)
)
update deliveries set
  state = done.state, reason = done.reason, due_at = coalesce(done.due_at, deliveries.due_at),
  changed_at = done.at, lease_until = null, code = coalesce(done.code, deliveries.code),
  attempts = attempts + done.counted, tries = tries + 1, crashes = crashes + done.crashed,
  trigger = case when done.state = 'pending' and done.counted = 1 then 'retry' else trigger end
from done
where deliveries.id = done.id and deliveries.lease = done.lease
  and deliveries.state = 'pending' and deliveries.lease_until is not null

-- name: settle_events
with sums (id, pending, succeeded, failed, ignored, needs_review, cancelled) as (
  values (?, ?, ?, ?, ?, ?, ?)
)
update events set
  pending = events.pending + sums.pending, succeeded = events.succeeded + sums.succeeded,
  failed = events.failed + sums.failed, ignored = events.ignored + sums.ignored,
  needs_review = events.needs_review + sums.needs_review, cancelled = events.cancelled + sums.cancelled
from sums where events.id = sums.id
