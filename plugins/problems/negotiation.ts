/** What kind of answer a client would rather have (RFC 9110 §12.5.1), quality values included. */
import accepts from '@fastify/accepts'
import type { FastifyInstance, FastifyRequest } from 'fastify'

declare module 'fastify' {
  interface FastifyRequest {
    /** Whether the client would rather have a page than JSON. One that takes anything gets JSON. */
    wantsPage: () => boolean
    /** Whether the client would rather have JSON than a page: for places that are pages for everyone else. */
    wantsJson: () => boolean
  }
}

export async function addNegotiation(app: FastifyInstance): Promise<void> {
  await app.register(accepts)
  // the search spares programs, which send `*/*` or nothing, the parsing
  app.decorateRequest('wantsPage', function (this: FastifyRequest) {
    return mentions(this, 'html') && this.type(['json', 'html']) === 'html'
  })
  app.decorateRequest('wantsJson', function (this: FastifyRequest) {
    return mentions(this, 'json') && this.type(['html', 'json']) === 'json'
  })
}

const mentions = ({ headers: { accept = '' } }: FastifyRequest, kind: string) => accept.toLowerCase().includes(kind)
