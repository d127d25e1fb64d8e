-- The whole structure at the latest migration. Loaded alone it equals a migrated database (tested).

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

-- Waiting rows: the undelivered (delivery_id is null), suspects apart, by age; the delivered by delivery.
create index jobs_queued on jobs (queue, delivery_id, suspect, run_at) where state = 'queued';
create index jobs_active on jobs (lease_until) where state = 'active';
-- Its statement writes the state in the same way, by which no other index can serve it: of jobs_queued it would read all that waits.
create index jobs_expiring on jobs (expires_at) where state collate "C" = 'queued' and expires_at is not null;
-- Ended otherwise than well: few, listed by id. A job is repeated once.
create index jobs_ended_badly on jobs (state, id) where state in ('dead', 'cancelled', 'expired');
create unique index jobs_replays on jobs (replay_of) where replay_of is not null;
create unique index jobs_batches on jobs (batch_id, batch_item) where batch_id is not null;
create index jobs_of_owners on jobs (owner_id, id) where owner_id is not null;

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
  kind text not null check (kind in ('job', 'batch', 'submission', 'task')),
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
create index submissions_of_owners on submissions (owner_id, id) where owner_id is not null;

-- Pages that were taken apart: one row for each job of the type parse-page that succeeded.
create table pages (
  id uuid primary key references jobs (id),             -- the job's id, so that no job can store two
  url text,                                             -- as it was asked for; null for a document that was sent
  final_url text,                                       -- after redirects, or where the document is from
  status integer,
  title text,
  description text,
  language text,
  canonical text,
  headings jsonb not null,                              -- [{ level, text }]
  links jsonb not null,                                 -- [{ url, text, rel }]
  excerpt text not null,
  structured jsonb not null,                            -- { json_ld, open_graph }
  counts jsonb not null,                                -- how many there were, those left out included
  truncated jsonb not null,                             -- where something was left out or cut
  charset text not null,
  fetched_at timestamptz not null,
  created_at timestamptz not null default now()
);

-- Who may log in. Never deleted: disabled_at shuts an account.
create table users (
  id uuid primary key,                                  -- UUIDv7
  username text not null unique check (username = lower(username)),
  password_hash text,                                   -- argon2id with its parameters; null until a first one was chosen
  role text not null default 'user' check (role in ('user', 'operator')),
  created_at timestamptz not null default now(),
  password_changed_at timestamptz,
  disabled_at timestamptz
);

-- A log-in: of a browser (cookie), or a family of tokens.
create table sessions (
  id uuid primary key,
  user_id uuid not null references users (id),
  kind text not null check (kind in ('browser', 'tokens')),
  secret_hash bytea,                                    -- SHA-256 of the cookie's secret
  scopes text[] not null,
  address text not null,                                -- keyed hash of the address that logged in
  user_agent text not null,
  created_at timestamptz not null default now(),
  last_used_at timestamptz not null default now(),      -- to the minute
  expires_at timestamptz not null,
  ended_at timestamptz,
  ended_because text check (ended_because in ('logged_out', 'ended', 'password_changed', 'token_reused'))
);
create index sessions_of_users on sessions (user_id, id);
create index sessions_over on sessions (least(ended_at, expires_at));

-- Each refreshes once; one that comes again much later ends its session.
create table refresh_tokens (
  hash bytea primary key,                               -- SHA-256
  session_id uuid not null references sessions (id) on delete cascade,
  created_at timestamptz not null default now(),
  used_at timestamptz
);
create index refresh_tokens_of_sessions on refresh_tokens (session_id);
create index refresh_tokens_made on refresh_tokens (created_at);

create table api_keys (
  id uuid primary key,
  user_id uuid not null references users (id),
  name text not null,
  prefix text not null unique,                          -- the part of the key that may be shown
  hash bytea not null,                                  -- SHA-256 of the whole key
  scopes text[] not null,
  created_at timestamptz not null default now(),
  expires_at timestamptz,
  last_used_at timestamptz,                             -- to the minute
  revoked_at timestamptz
);
create index api_keys_of_users on api_keys (user_id, id);
create index api_keys_over on api_keys (least(revoked_at, expires_at));

-- One-time links to choose a password.
create table password_links (
  hash bytea primary key,                               -- SHA-256
  user_id uuid not null references users (id),
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  used_at timestamptz
);
create index password_links_expiring on password_links (expires_at);

create table tasks (
  id integer generated always as identity primary key,
  insert_id uuid not null unique,                       -- UUIDv7, made before the insert: the same one inserts once
  title text not null,
  description text not null default '',
  is_done boolean not null default false,
  version integer not null default 1,                   -- grows with every change
  owner_id uuid,                                        -- null: of everyone who may use tasks without an account
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  deleted_at timestamptz                                -- a tombstone: no read shows the row any more
);

-- Lists, newest first. Two, since an order by id comes out of an index only behind a value that is not null.
create index tasks_open on tasks (id) where owner_id is null and deleted_at is null;
create index tasks_owned on tasks (owner_id, id) where owner_id is not null and deleted_at is null;
