/** Writes the API description, and the Postman collection with its environment: `node build/infra/postman/generate.js`. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { readConfig } from '#schema/config'
import { buildRegistry, loadDefinitions } from '#schema/registry'
import { buildGateway } from '../../services/gateway/app.js'
import { makeCollection, makeEnvironment } from './collection.js'
import type { Description } from './openapi.js'

/** Where they lie: this file runs from build/infra/postman. */
export const FOLDER = join(import.meta.dirname, '../../../infra/postman')

/** The files by name, from the gateway as it is built now, with the settings that nobody changed. */
export async function generateFiles(): Promise<Record<string, string>> {
  const app = buildGateway({
    config: readConfig({
      NODE_ENV: 'test',
      LOG_LEVEL: 'silent',
      SECRET_KEY: 'only-for-a-description-that-serves-nobody',
      DATABASE_URL: 'postgres://nobody@127.0.0.1:1/nowhere',
      REDIS_URL: 'redis://127.0.0.1:1',
      PUBLIC_TASKS: 'true'
    }),
    registry: buildRegistry(await loadDefinitions()),
    die: (error) => {
      throw error
    }
  })
  await app.ready()
  const description = app.swagger() as unknown as Description // the document is ours, as far as it is read here
  await app.close()
  const files = {
    'openapi.json': description,
    'collection.json': makeCollection(description),
    'environment.json': makeEnvironment(description)
  }
  return Object.fromEntries(Object.entries(files).map(([name, value]) => [name, `${JSON.stringify(value, null, 2)}\n`]))
}

if (process.argv[1] === import.meta.filename) {
  for (const [name, text] of Object.entries(await generateFiles())) {
    await writeFile(join(FOLDER, name), text)
    process.stdout.write(`infra/postman/${name}\n`)
  }
}
