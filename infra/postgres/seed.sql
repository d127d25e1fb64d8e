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
