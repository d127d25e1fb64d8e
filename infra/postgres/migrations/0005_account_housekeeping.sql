-- Up Migration

-- What is over for a while is deleted; these find it.
drop index sessions_expiring;
create index sessions_over on sessions (least(ended_at, expires_at));
create index refresh_tokens_made on refresh_tokens (created_at);
create index api_keys_over on api_keys (least(revoked_at, expires_at));

-- Down Migration

drop index api_keys_over;
drop index refresh_tokens_made;
drop index sessions_over;
create index sessions_expiring on sessions (expires_at);
