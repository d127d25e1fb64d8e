-- Up Migration

-- The relay reads suspects and the others apart, each by age.
drop index jobs_queued;
create index jobs_queued on jobs (queue, delivery_id, suspect, run_at) where state = 'queued';

-- Down Migration

drop index jobs_queued;
create index jobs_queued on jobs (queue, delivery_id, run_at) where state = 'queued';
