/** The files that pages load: our own, and those of the npm packages, each under an address that changes with the content. */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import fastifyStatic from '@fastify/static'
import type { FastifyInstance } from 'fastify'

/** Our own templates, styles and scripts stay where they are written: the build does not copy them. */
export const sourceFolder = (name: string) => fileURLToPath(new URL(`../../../plugins/pages/${name}/`, import.meta.url))

const own = (name: string) => sourceFolder('static') + name
const foreign = (name: string) => fileURLToPath(import.meta.resolve(name))

const FILES: Record<string, string> = {
  'pico.css': foreign('@picocss/pico/css/pico.classless.amber.min.css'),
  'htmx.js': foreign('htmx.org/dist/htmx.min.js'),
  'site.css': own('site.css'),
  'form.js': own('form.js'),
  'draft.js': own('draft.js'),
  'status.js': own('status.js'),
  'password.js': own('password.js'),
  'favicon.svg': own('favicon.svg')
}

/** Serves the files, and answers the address of each by its name. */
export async function serveAssets(app: FastifyInstance): Promise<(name: string) => string> {
  const hash = createHash('sha256')
  for (const file of Object.values(FILES)) hash.update(await readFile(file))
  const prefix = `/static/${hash.digest('hex').slice(0, 12)}/`
  await app.register(fastifyStatic, {
    root: sourceFolder('static'),
    serve: false,
    maxAge: '365d',
    immutable: true // another content has another address
  })
  for (const [name, file] of Object.entries(FILES)) {
    app.get(prefix + name, { schema: { hide: true } }, (_request, reply) =>
      reply.sendFile(basename(file), dirname(file))
    )
  }
  return (name) => {
    if (!FILES[name]) throw new Error(`no page asset is named ${name}`)
    return prefix + name
  }
}
