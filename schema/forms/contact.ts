import { accepted, defineForm, email, integer, longText, optional, text } from '../form.js'

export default defineForm({
  title: 'Contact us',
  description: 'Ask a question or tell us what you think. We answer by e-mail.',
  fields: {
    name: text({ title: 'Name', maxLength: 100 }),
    email: email({ title: 'E-mail' }),
    message: longText({ title: 'Message', maxLength: 5000 }),
    age: optional(
      integer({ title: 'Age', description: 'In years; leave it empty if you like.', minimum: 0, maximum: 150 })
    ),
    consent: accepted({ title: 'You may store what I wrote in order to answer me' })
  },
  thanks: 'Thank you for your message. We will answer by e-mail.'
})
