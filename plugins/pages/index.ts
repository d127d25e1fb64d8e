/** Pages: templates, style and scripts, all from here and none from elsewhere. */
import view from '@fastify/view'
import { Eta } from 'eta'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import { sentence } from '#schema/fault-text'
import { serveAssets, sourceFolder } from './assets.js'

export interface PagesOptions {
  /** Name of this installation, in the pages' titles. */
  name: string
  /** Proves to loader.io that this installation may be put under load: `loaderio-` and hexadecimal digits. */
  loaderioToken?: string | undefined
}

declare module 'fastify' {
  interface FastifyReply {
    /** Answers with a page, made from the template of that name. */
    page: (template: string, data: Record<string, unknown>) => FastifyReply
  }
}

async function pages(app: FastifyInstance, { name, loaderioToken }: PagesOptions) {
  const views = sourceFolder('views')
  const asset = await serveAssets(app)
  const common = { name, asset, sentence, isoTime, showTime }
  app.decorateReply('locals', null) // nobody uses them, and the library would make some for each request
  await app.register(view, { engine: { eta: new Eta({ views, cache: true }) }, templates: views, production: true })
  app.decorateReply('page', function (this: FastifyReply, template: string, data: Record<string, unknown>) {
    const { principal } = this.request
    // a page of somebody who is logged in is theirs alone
    this.header('vary', principal ? 'accept, cookie' : 'accept')
    const account = principal ? '/account' : logInFrom(this.request)
    const own = { account, isLoggedIn: Boolean(principal), csrf: principal?.browser ? this.request.csrfToken() : '' }
    return this.viewAsync(template, { ...common, ...own, ...data }) as unknown as FastifyReply
  })
  if (loaderioToken) serveToken(app, loaderioToken)
}

const HERE = new Set(['/', '/login', '/password'])
/** What the log-in takes as the way back is no longer. */
const LONGEST_WAY = 400

/** The way to the log-in, and back to a page that was only read. */
const logInFrom = ({ method, url }: FastifyRequest) =>
  method === 'GET' && !HERE.has(url.split('?', 1)[0] ?? '') && url.length <= LONGEST_WAY
    ? `/login?next=${encodeURIComponent(url)}`
    : '/login'

function serveToken(app: FastifyInstance, token: string): void {
  for (const path of [`/${token}.txt`, `/${token}/`]) {
    app.get(path, { schema: { hide: true } }, (_request, reply) => reply.type('text/plain; charset=utf-8').send(token))
  }
}

const clock = new Intl.DateTimeFormat('en-GB', { dateStyle: 'long', timeStyle: 'medium', timeZone: 'UTC' })

/** Times come from the database as dates and from JSON as text. */
const isoTime = (time: Date | string) => new Date(time).toISOString()
const showTime = (time: Date | string) => `${clock.format(new Date(time))} UTC`

export default fp(pages, { name: 'pages', fastify: '5.x', decorators: { request: ['principal', 'csrfToken'] } })
