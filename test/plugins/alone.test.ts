import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import t from 'tap'
import { buildRegistry, loadDefinitions } from '#schema/registry'
import { createApp } from '../helpers/app.js'

const PLUGINS = join(import.meta.dirname, '../../plugins')
const registry = buildRegistry(await loadDefinitions())
/** Options of all plugins at once: each takes its own. */
const OPTIONS = {
  registry,
  handlers: Object.fromEntries([...registry.jobs.keys()].map((type) => [type, () => ({})])),
  url: 'postgres://nobody@127.0.0.1:1/x',
  secret: 'x'.repeat(32),
  defaultForm: 'contact',
  name: 'Hive',
  title: 'Hive',
  version: '1',
  description: 'Keeps bees.',
  onUnfit: () => {},
  onBroken: () => {}
}

interface Meta {
  name: string
  decorators?: { fastify?: string[]; request?: string[]; reply?: string[] }
}

/** What a plugin says about itself through fastify-plugin. */
const metaOf = (plugin: object): Meta => Reflect.get(plugin, Symbol.for('plugin-meta'))

/** Anything that a plugin may take from a neighbour before the first request: all of it is there, and does nothing. */
const standIn: unknown = new Proxy(() => standIn, { get: (_, name) => (name === 'then' ? undefined : standIn) })

/** Gives an app what the plugin says that it needs, but for one. */
function meet(app: FastifyInstance, { decorators = {} }: Meta, without?: string) {
  for (const name of decorators.fastify ?? []) if (name !== without) app.decorate(name, standIn as never)
  for (const name of decorators.request ?? []) if (name !== without) app.decorateRequest(name, undefined)
  for (const name of decorators.reply ?? []) if (name !== without) app.decorateReply(name, undefined)
}

const folders = (await readdir(PLUGINS, { withFileTypes: true })).filter((entry) => entry.isDirectory())
const plugins = await Promise.all(
  folders.map(async ({ name }): Promise<[string, FastifyPluginAsync<typeof OPTIONS>]> => {
    const { default: plugin } = await import(join(PLUGINS, name, 'index.js'))
    return [name, plugin]
  })
)

t.test('B20 every plugin has the name of its folder', async (t) => {
  t.ok(plugins.length >= 16)
  for (const [name, plugin] of plugins) t.equal(metaOf(plugin).name, name)
})

for (const [name, plugin] of plugins) {
  const { decorators = {} } = metaOf(plugin)
  const needed = Object.values(decorators).flat()

  t.test(`B20 ${name} registers alone, on stand-ins for ${needed.join(', ') || 'nothing'}`, async (t) => {
    const app = createApp(t)
    // each route that names it expects the schema of problems
    if (name !== 'problems') app.addSchema({ $id: 'Problem', type: 'object' })
    meet(app, metaOf(plugin))
    await app.register(plugin, name === 'queue' ? { ...OPTIONS, url: 'redis://127.0.0.1:1' } : OPTIONS)
    t.pass('it is there')
  })

  for (const missing of needed) {
    t.test(`B20 ${name} without ${missing} stops the start, naming both`, async (t) => {
      const app = createApp(t)
      meet(app, metaOf(plugin), missing)
      app.register(plugin, OPTIONS)
      await t.rejects(async () => void (await app.ready()), {
        message: new RegExp(`'${missing}'.*required by '${name}'`)
      })
    })
  }
}
