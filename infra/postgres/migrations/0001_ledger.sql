-- Up Migration

-- The ledger: every accepted job. The truth about it; Redis only carries ids.
create table jobs (
  id uuid primary key,                                  -- UUIDv7, made before the insert
  type text not null,
  queue text not null,
  payload jsonb not null,
  schema_version integer not null,
  state text not null default 'queued'
    check (state in ('queued', 'active', 'succeeded', 'dead', 'cancelled', 'expired')),
  version integer not null default 1,                   -- grows with every change
  attempts integer not null default 0,                  -- counted before the run
  max_attempts integer not null,
  run_at timestamptz not null default now(),
  expires_at timestamptz,                               -- after this a waiting job never runs
  timeout_ms integer not null,                          -- of one attempt
  lease_token uuid,                                     -- the right to run while active, one token a claim
  lease_until timestamptz,
  suspect boolean not null default false,               -- its last attempt ended without a word: it travels apart
  delivery_id uuid,                                     -- the trip through Bee-Queue that carries it
  delivered_at timestamptz,
  progress real check (progress between 0 and 100),
  result jsonb,
  error jsonb,                                          -- { code, detail } of the last attempt that failed
  owner_id uuid,
  submitter text not null,                              -- whose limit it counts against: owner or keyed hash of the address
  trace text,                                           -- id of the request that brought it
  replay_of uuid references jobs (id),                  -- the job that this one repeats
  batch_id uuid,                                        -- what came in one request
  batch_item integer,                                   -- its place there, from 0
  forgotten_at timestamptz,                             -- when the result was taken away, as its reader wished
  created_at timestamptz not null default now(),
  started_at timestamptz,
  finished_at timestamptz
);

-- Waiting rows: the undelivered by age (delivery_id is null), the delivered by delivery.
create index jobs_queued on jobs (queue, delivery_id, run_at) where state = 'queued';
create index jobs_active on jobs (lease_until) where state = 'active';
create index jobs_expiring on jobs (expires_at) where state = 'queued' and expires_at is not null;
-- Ended otherwise than well: few, listed by id. A job is repeated once.
create index jobs_ended_badly on jobs (state, id) where state in ('dead', 'cancelled', 'expired');
create unique index jobs_replays on jobs (replay_of) where replay_of is not null;
create unique index jobs_batches on jobs (batch_id, batch_item) where batch_id is not null;

-- Attempts that did not succeed.
create table job_attempts (
  job_id uuid not null references jobs (id),
  attempt integer not null,
  outcome text not null check (outcome in ('failed', 'timed_out', 'gave_up', 'lapsed', 'schema_mismatch')),
  error jsonb not null,
  started_at timestamptz,
  finished_at timestamptz not null default now(),
  primary key (job_id, attempt)
);

-- Jobs accepted, a row for each process that accepted any: what the ledger's states are compared with.
create table accept_counts (
  process uuid primary key,
  jobs bigint not null,
  updated_at timestamptz not null default now()
);

create table idempotency_keys (
  scope text not null,                                  -- principal or "anon", then the route
  key text not null,
  request_hash bytea not null,
  kind text not null check (kind in ('job', 'batch', 'submission')),
  id uuid not null,
  created_at timestamptz not null default now(),
  primary key (scope, key)
);
create index idempotency_keys_created on idempotency_keys (created_at);

-- Filled-in forms. A submission that came through the queue has its job's id, so that no job can store two.
create table submissions (
  id uuid primary key,
  form text not null,
  mode text not null check (mode in ('sync', 'async')),
  data jsonb not null,
  owner_id uuid,
  created_at timestamptz not null default now()
);

-- Down Migration

drop table submissions;
drop table idempotency_keys;
drop table accept_counts;
drop table job_attempts;
drop table jobs;
