-- Up Migration

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
create index sessions_expiring on sessions (expires_at);

-- Each refreshes once; one that comes again much later ends its session.
create table refresh_tokens (
  hash bytea primary key,                               -- SHA-256
  session_id uuid not null references sessions (id) on delete cascade,
  created_at timestamptz not null default now(),
  used_at timestamptz
);
create index refresh_tokens_of_sessions on refresh_tokens (session_id);

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

-- One-time links to choose a password.
create table password_links (
  hash bytea primary key,                               -- SHA-256
  user_id uuid not null references users (id),
  created_at timestamptz not null default now(),
  expires_at timestamptz not null,
  used_at timestamptz
);
create index password_links_expiring on password_links (expires_at);

create index jobs_of_owners on jobs (owner_id, id) where owner_id is not null;
create index submissions_of_owners on submissions (owner_id, id) where owner_id is not null;

-- Down Migration

drop index submissions_of_owners;
drop index jobs_of_owners;
drop table password_links;
drop table api_keys;
drop table refresh_tokens;
drop table sessions;
drop table users;
