-- Up Migration

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

alter table idempotency_keys drop constraint idempotency_keys_kind_check;
alter table idempotency_keys add constraint idempotency_keys_kind_check
  check (kind in ('job', 'batch', 'submission', 'task'));

-- Down Migration

delete from idempotency_keys where kind = 'task';
alter table idempotency_keys drop constraint idempotency_keys_kind_check;
alter table idempotency_keys add constraint idempotency_keys_kind_check check (kind in ('job', 'batch', 'submission'));
drop table tasks;
