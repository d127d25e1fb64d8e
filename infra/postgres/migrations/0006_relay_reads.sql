-- Up Migration

-- The relay reads suspects and the others apart, each by age.
drop index jobs_queued;
create index jobs_queued on jobs (queue, delivery_id, suspect, run_at) where state = 'queued';

-- Its statement writes the state in the same way, by which no other index can serve it: of jobs_queued it would read all that waits.
drop index jobs_expiring;
create index jobs_expiring on jobs (expires_at) where state collate "C" = 'queued' and expires_at is not null;

-- Down Migration

drop index jobs_expiring;
create index jobs_expiring on jobs (expires_at) where state = 'queued' and expires_at is not null;

drop index jobs_queued;
create index jobs_queued on jobs (queue, delivery_id, run_at) where state = 'queued';
