/** What the benchmark submits: one contact form, about 300 bytes of JSON. */
export const submission = {
  name: 'Ada Lovelace',
  email: 'ada.lovelace@example.org',
  message:
    'The Analytical Engine has no pretensions whatever to originate anything. It can do whatever we know how to order it to perform. Could you tell me when I may come and see it at work?',
  age: 36,
  consent: true
}
