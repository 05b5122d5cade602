-- The first schema. Tables stand in the order in which life happens: arrive, route, deliver, count, operate.
--
-- Times are unix seconds (REAL). Ids are those of hookline.ids: they ascend with time, so every table that grows is
-- appended to, and a time range is an id range. What strangers send is BLOB: text cannot hold NUL.
-- Secondary indexes on growing tables are append-ordered or partial; an index on random keys slows down with its size.

-- What is true of this file: schema's writer, clock anchor, generations.
create table meta (
  name   text primary key,
  value  text not null
) strict, without rowid;

-- What arrived. Accepted ones carry the bytes of their events; a duplicate's are left out; the others
-- are the bounded log of what was rejected or answered at the door. Never updated.
create table requests (
  id           integer primary key,
  source       text,                       -- null for a path that no source has
  environment  text,
  outcome      text not null,              -- accepted, duplicate, rejected, challenge
  received_at  real not null,
  peer         text not null,
  method       text not null,
  secret       integer not null,           -- which of the source's secrets matched
  size         integer not null,           -- of the body, as it came
  event        integer,                    -- of a duplicate: the (first) event that it repeats
  status       integer,                    -- of a rejected request or challenge: what we answered,
  reason       text,                       -- why,
  hint         text,                       -- and what may help
  dictionary   integer not null,           -- 0: compressed without one
  target       blob not null,              -- raw
  content      blob                        -- headers and body, compressed; null once erased. See compress.Content
) strict;
create index requests_logged on requests (source, id) where outcome <> 'accepted';
create index requests_noted on requests (id) where outcome <> 'accepted';

-- One thing that happened. Narrow, because each settle adds to the counts. The events of a request have the ids right
-- after its own.
create table events (
  id            integer primary key,
  request       integer not null,
  source        text not null,
  environment   text not null,
  type          text not null,
  provider_id   text,
  key           text,                      -- the dedupe key; null where it is the provider_id
  subject       text,
  occurred_at   real,
  received_at   real not null,
  origin        text not null,             -- provider, trigger, reconcile, publish
  size          integer not null,          -- of the event's own bytes
  duplicates    integer not null default 0,
  hold          text,                      -- why it needed review from the start
  reason        text,                      -- why nobody got it
  pending       integer not null default 0,
  succeeded     integer not null default 0,
  failed        integer not null default 0,
  ignored       integer not null default 0,
  needs_review  integer not null default 0,
  cancelled     integer not null default 0,
  status        text generated always as (case
    when needs_review > 0 then 'needs_review'
    when failed > 0 then 'failed'
    when pending > 0 then 'pending'
    when succeeded > 0 then 'processed'
    when hold is not null and ignored + cancelled = 0 then 'needs_review'
    else 'ignored'
  end) virtual
) strict;
create index events_source on events (source, id);
create index events_failed on events (id) where failed > 0;
create index events_held on events (id) where needs_review > 0 or hold is not null;

-- The own bytes of an event that came in a batch; the others' are their request's body.
create table items (
  event       integer primary key,
  dictionary  integer not null,
  body        blob not null
) strict;

-- Dedupe keys: the newest in the order they came (every process that accepts knows them by heart), older ones in
-- sorted runs that a background job builds and merges. Records are those of keys.py.
create table fresh_keys (
  seq     integer primary key autoincrement,
  record  blob not null                    -- hash, event, digest, expiry
) strict;
create table key_runs (
  run         integer primary key autoincrement,
  level       integer not null,
  state       text not null,               -- building, live, merged
  count       integer not null default 0,
  expires_at  real not null default 0,     -- when the last of its keys has
  filter      blob                         -- which hashes it may hold
) strict;
create table key_pages (
  run      integer not null,
  first    blob not null,                  -- the first hash in it
  records  blob not null                   -- ascending
) strict;                                  -- with rowid: fat rows would make a clustered tree eight levels deep
create unique index key_pages_at on key_pages (run, first);

-- Trained compression dictionaries. Immutable, kept while any row refers to them.
create table dictionaries (
  id          integer primary key autoincrement,
  source      text not null,
  created_at  real not null,
  data        blob not null
) strict;

-- One event for one destination.
create table deliveries (
  id            integer primary key,
  event         integer not null,
  destination   text not null,
  route         text not null,
  state         text not null,             -- pending, succeeded, failed, ignored, needs_review, cancelled
  reason        text,
  trigger       text not null,             -- who asked for the next (or the last) attempt
  due_at        real not null,
  first_due_at  real not null,             -- what the retry schedule counts from
  changed_at    real not null,
  lease         integer not null default 0,-- the fencing number of the last claim; only grows
  lease_until   real,                      -- null while nobody holds it
  leased_at     real,
  worker        text,
  attempts      integer not null default 0,-- that counted
  tries         integer not null default 0,-- attempt rows
  crashes       integer not null default 0,
  code          integer,                   -- of the last attempt
  replays       integer not null default 0,-- how often "--again": part of the idempotency key
  ordering_key  text,
  turn          integer,                   -- place in the key's queue
  head          integer not null default 1,-- 0 while another delivery of the same key is before it
  superseded    integer not null default 0 -- 1 for a replay whose key has moved on since
) strict;
create index deliveries_event on deliveries (event);
create index deliveries_due on deliveries (destination, due_at)
  where state = 'pending' and head = 1 and lease_until is null;
create index deliveries_leased on deliveries (destination, lease_until) where lease_until is not null;
create index deliveries_waiting on deliveries (destination, ordering_key, turn) where state = 'pending' and head = 0;
create index deliveries_ordered on deliveries (destination, ordering_key, id) where ordering_key is not null;
create index deliveries_dead on deliveries (destination, id) where state in ('failed', 'needs_review');

-- A row per destination and ordering key with open work: only its head can be claimed.
create table heads (
  destination   text not null,
  ordering_key  text not null,
  delivery      integer not null,
  last_turn     integer not null,
  primary key (destination, ordering_key)
) strict, without rowid;

-- One try of a delivery.
create table attempts (
  delivery     integer not null,
  try          integer not null,           -- 1, 2, …: counted or not
  attempt      integer not null,           -- the attempt's number as the destination was told
  counted      integer not null,
  event        integer not null,
  trigger      text not null,
  worker       text not null,
  started_at   real not null,
  finished_at  real not null,
  state        text not null,              -- where the delivery went; pending: again
  reason       text not null,
  code         integer,
  unknown      integer not null default 0, -- 1 where the effect may have happened
  sent         text,
  received     blob,
  error        text,
  primary key (delivery, try)
) strict, without rowid;

-- What holds for a destination in the whole installation. Accept never writes here.
create table destinations (
  name         text primary key,
  state        text not null default 'open',   -- open, paused
  reason       text,
  changed_at   real not null,
  pace         text                        -- JSON: rate limit and breaker, as hookline.pacing keeps them
) strict, without rowid;

-- Python handlers as their apps published them: what ingest routes by without importing user code.
create table apps (
  app           text primary key,
  generation    integer not null,
  published_at  real not null,
  handlers      text not null,             -- JSON: a list of HandlerRoute
  error         text not null default ''
) strict, without rowid;

-- How many deliveries of a destination are in a state, as the sum over writers: nobody counts rows or waits for one.
create table delivery_counts (
  destination  text not null,
  state        text not null,
  writer       integer not null,
  count        integer not null,
  primary key (destination, state, writer)
) strict, without rowid;

-- Counts a minute. metric: requests (outcome), events (status at the door), attempts (state).
create table counters (
  minute       integer not null,           -- unix minutes
  metric       text not null,
  source       text not null,
  destination  text not null,
  outcome      text not null,
  writer       integer not null,
  count        integer not null,
  primary key (minute, metric, source, destination, outcome, writer)
) strict, without rowid;

-- Durations a minute in log buckets (see rollup.bucket). metric: lag (occurred → received), wait (due → started), took.
create table histograms (
  minute       integer not null,
  metric       text not null,
  source       text not null,
  destination  text not null,
  bucket       integer not null,
  writer       integer not null,
  count        integer not null,
  primary key (minute, metric, source, destination, bucket, writer)
) strict, without rowid;

-- Processes that work, and on what: "no worker has app.paid" is seen here.
create table workers (
  name          text primary key,
  pid           integer not null,
  started_at    real not null,
  seen_at       real not null,
  destinations  text not null              -- JSON list
) strict, without rowid;

-- Bulk replays: a job with progress.
create table replays (
  id          integer primary key,
  created_at  real not null,
  finished_at real,
  who         text not null,
  query       text not null,
  options     text not null,               -- JSON
  state       text not null,               -- running, done, stopped
  position    integer not null default 0,  -- the last event id looked at
  total       integer not null default 0,
  done        integer not null default 0,
  error       text not null default ''
) strict;

create table tokens (
  id            integer primary key,
  name          text not null,
  role          text not null,             -- viewer, operator, admin
  hash          blob not null unique,
  created_at    real not null,
  used_at       real,
  expires_at    real,
  revoked_at    real
) strict;

create table audit (
  id      integer primary key,
  at      real not null,
  who     text not null,
  action  text not null,
  target  text not null,
  detail  text not null                    -- JSON
) strict;

-- Periodic jobs take turns through a row, so there is no leader.
create table turns (
  job      text primary key,
  next_at  real not null,
  holder   text not null
) strict, without rowid;
