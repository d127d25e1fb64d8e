-- Up Migration

-- The relay reads suspects and the others apart, each by age.
create index if not exists jobs_queued_apart on jobs (queue, delivery_id, suspect, run_at) where state = 'queued';

-- Its statement writes the state in the same way, by which no other index can serve it: of jobs_queued it would read all that waits.
create index if not exists jobs_expiring_apart on jobs (expires_at) where state collate "C" = 'queued' and expires_at is not null;

-- Builds let jobs be read, not written; a drop lets neither. In one transaction, who has read a job and waits to write it, and the
-- drop, would wait for each other. Who is interrupted here begins again: hence `if not exists`.
commit;
begin;
drop index jobs_queued, jobs_expiring;
alter index jobs_queued_apart rename to jobs_queued;
alter index jobs_expiring_apart rename to jobs_expiring;

-- Down Migration

-- Consumers that expect the indexes from above are stopped before: they would read all jobs, again and again.
create index if not exists jobs_queued_together on jobs (queue, delivery_id, run_at) where state = 'queued';
create index if not exists jobs_expiring_together on jobs (expires_at) where state = 'queued' and expires_at is not null;
commit;
begin;
drop index jobs_queued, jobs_expiring;
alter index jobs_queued_together rename to jobs_queued;
alter index jobs_expiring_together rename to jobs_expiring;
