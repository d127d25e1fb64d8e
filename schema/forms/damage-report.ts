import { choice, date, defineForm, email, longText, number, optional, text } from '../form.js'

export default defineForm({
  title: 'Report damage',
  description: 'Tell us what is broken, where and how urgent it is.',
  fields: {
    place: text({ title: 'Place', description: 'Street and number, or what stands beside it.', maxLength: 200 }),
    kind: choice({
      title: 'What is it about?',
      options: { light: 'Street light', road: 'Road', tree: 'Tree', water: 'Water' }
    }),
    urgency: choice({
      title: 'How urgent is it?',
      options: { low: 'It can wait', high: 'Soon', danger: 'Somebody may get hurt' }
    }),
    seen_on: date({ title: 'Seen on' }),
    size: optional(number({ title: 'Size in metres', minimum: 0, maximum: 1000 })),
    description: longText({ title: 'Description', maxLength: 10_000 }),
    email: optional(email({ title: 'E-mail for questions' }))
  },
  thanks: 'Thank you. Somebody will look at it.',
  submit: 'Report'
})
