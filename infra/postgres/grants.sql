-- Rights of the role that serves: it reads, inserts and updates. It deletes housekeeping rows only, and changes no structure.
-- Run by the migration with the role's name in the setting beeline.app_role.
do $$
declare
  app text := current_setting('beeline.app_role');
begin
  execute format('grant usage on schema public to %I', app);
  execute format('grant select, insert, update on jobs, job_attempts, accept_counts, idempotency_keys, submissions, pages, tasks to %I', app);
  execute format('grant select, insert, update on users, sessions, refresh_tokens, api_keys, password_links to %I', app);
  execute format('grant delete on idempotency_keys, sessions, refresh_tokens, api_keys, password_links to %I', app);
  execute format('grant select on pgmigrations to %I', app);
end
$$;
