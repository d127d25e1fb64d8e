/** The contact form as plain JSON Schema, for Fastify's default validator: the fields of schema/forms/contact.ts. */
export const contact = {
  type: 'object',
  properties: {
    name: { type: 'string', minLength: 1, maxLength: 100 },
    email: { type: 'string', format: 'email', maxLength: 254 },
    message: { type: 'string', minLength: 1, maxLength: 5000 },
    age: { type: 'integer', minimum: 0, maximum: 150 },
    consent: { const: true }
  },
  required: ['name', 'email', 'message', 'consent'],
  additionalProperties: false
}
