-- Up Migration

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

-- Down Migration

drop table pages;
