-- Ended deliveries that run again (redelivery, replay): from their first attempt on, with the same idempotency key.

-- name: requeue
update deliveries set
  state = 'pending', reason = null, trigger = :trigger, due_at = :now, first_due_at = :now, changed_at = :now,
  attempts = 0, crashes = 0, lease_until = null, worker = null, turn = :turn, head = :head, superseded = :superseded,
  replays = replays + :again
where id = :id

-- name: add_to_event
update events set
  pending = pending + :pending, succeeded = succeeded + :succeeded, failed = failed + :failed,
  ignored = ignored + :ignored, needs_review = needs_review + :needs_review, cancelled = cancelled + :cancelled
where id = :id
