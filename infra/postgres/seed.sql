-- Sample data for a first look. The fixed ids make a second run a no-op.
insert into submissions (id, form, mode, data, created_at)
values
  (
    '019a0000-0000-7000-8000-000000000001', 'contact', 'sync',
    '{"name": "Ada Example", "email": "ada@example.org", "message": "Do you keep bees in winter?", "age": 36, "consent": true}',
    '2025-10-20 08:00:00+00'
  ),
  (
    '019a0000-0000-7000-8000-000000000002', 'contact', 'sync',
    '{"name": "Grace Example", "email": "grace@example.org", "message": "Thank you for the honey.", "consent": true}',
    '2025-10-20 08:05:00+00'
  ),
  (
    '019a0000-0000-7000-8000-000000000003', 'damage-report', 'sync',
    '{"place": "Hive Lane 6", "kind": "light", "urgency": "low", "seen_on": "2025-10-19", "description": "The lamp flickers."}',
    '2025-10-20 08:10:00+00'
  )
on conflict (id) do nothing;

-- The first tasks: on a new database they have the ids 1 and 2. Asked first, since a refused insert would use up an id.
insert into tasks (insert_id, title, description, is_done, created_at, updated_at)
select given.insert_id, given.title, given.description, given.is_done, given.at, given.at
  from (values
         (uuid '019a0000-0000-7000-8000-000000000011', 'Look after the hives', 'Water, roofs, entrances.', false, timestamptz '2025-10-20 08:00:00+00'),
         (uuid '019a0000-0000-7000-8000-000000000012', 'Label the honey', '', true, timestamptz '2025-10-20 08:05:00+00')
       ) as given (insert_id, title, description, is_done, at)
 where not exists (select from tasks where tasks.insert_id = given.insert_id)
 order by given.insert_id;
