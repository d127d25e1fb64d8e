import { choice, choices, date, defineForm, email, flag, integer, optional, text } from '../form.js'

export default defineForm({
  title: 'Register for the open day',
  description: 'One registration per party.',
  fields: {
    name: text({ title: 'Name', maxLength: 100 }),
    email: email({ title: 'E-mail' }),
    day: date({ title: 'Day of your visit' }),
    session: choice({
      title: 'Session',
      options: { morning: 'Morning, 9 to 12', afternoon: 'Afternoon, 13 to 17', evening: 'Evening, 18 to 21' }
    }),
    interests: choices({
      title: 'What would you like to see?',
      minItems: 1,
      options: { workshop: 'The workshop', archive: 'The archive', roof: 'The roof garden', kitchen: 'The kitchen' }
    }),
    guests: optional(integer({ title: 'Guests you bring', minimum: 0, maximum: 9 })),
    newsletter: optional(flag({ title: 'Tell me about the next open day' }))
  },
  thanks: 'You are registered. We look forward to your visit.',
  submit: 'Register'
})
