/** Forms: for each, a page, a way in that stores directly, a way in through the queue, and where to look afterwards. */
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { Form, Registry } from '#schema/registry'
import type { Mode } from '#schema/submission'
import { pageSchema, receiptSchema, statusSchema, submitSchema } from './contract.js'
import type { Typed } from './fields.js'
import { describeForm, showForm, showReceipt, showStatus } from './pages.js'
import { decodeBody, storeDirectly, submitThroughQueue, typedInto } from './submit.js'

export interface FormsOptions {
  registry: Registry
  /** Form at /sync/ and /async/. */
  defaultForm: string
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Text fields as a form sent them, the page's own included; undefined for JSON. */
    typed: Typed | undefined
  }
}

async function forms(app: FastifyInstance, { registry, defaultForm }: FormsOptions) {
  const first = registry.forms.get(defaultForm)
  if (!first)
    throw new Error(
      `DEFAULT_FORM: there is no form '${defaultForm}'; choose one of: ${[...registry.forms.keys()].join(', ')}`
    )
  app.decorateRequest('typed', undefined)

  addWaysIn(first, '')
  for (const form of registry.forms.values()) {
    addWaysIn(form, form.name)
    app.get(`/sync/${form.name}/:id`, { schema: receiptSchema(form) }, showReceipt(form))
    app.get(`/async/${form.name}/:id`, { schema: statusSchema(form) }, showStatus(form))
  }

  function addWaysIn(form: Form, name: string) {
    const ways = { sync: storeDirectly(form), async: submitThroughQueue(form) }
    for (const mode of ['sync', 'async'] satisfies Mode[]) {
      const hide = name === ''
      app.get(`/${mode}/${name}`, { schema: pageSchema(form, hide) }, (request, reply) =>
        request.wantsJson() ? reply.send(describeForm(form)) : showForm(reply, { form, mode })
      )
      app.post(
        `/${mode}/${name}`,
        {
          schema: submitSchema(form, mode, hide),
          attachValidation: true, // a repeat may be older than the form as it is now
          config: {
            // a browser gets its form back, with what was typed; before the body was read there is none
            showProblem: (problem, request, reply) => {
              const typed = typedInto(request)
              return typed !== undefined && showForm(reply, { form, mode, typed, problem })
            }
          },
          bodyLimit: Math.max(form.longestBody, app.initialConfig.bodyLimit ?? 0),
          // the limit after the body, so that a browser gets its form back
          preValidation: [decodeBody(form), app.submissionLimit]
        },
        ways[mode]
      )
    }
  }
}

export default fp(forms, {
  name: 'forms',
  fastify: '5.x',
  encapsulate: true,
  decorators: {
    fastify: ['submissions', 'ledger', 'idempotency', 'submitterOf', 'submissionLimit'],
    request: ['principal', 'wantsPage', 'wantsJson'],
    reply: ['page']
  }
})
