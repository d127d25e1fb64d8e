import { mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import t from 'tap'
import { fingerprintOf } from '../../infra/local/fingerprint.js'

const FILES = [
  'build/services/serve.js',
  'plugins/pages/views/form.eta',
  'infra/postgres/migrations/0001_ledger.sql',
  'infra/nginx/conf/nginx.conf',
  'infra/profiles/tuned.env'
]

t.test('an edited file or another setting makes what runs out of date', async (t) => {
  const root = t.testdir()
  const write = async (name: string, text: string) => {
    await mkdir(dirname(join(root, name)), { recursive: true })
    await writeFile(join(root, name), text)
  }
  for (const name of FILES) await write(name, 'as it was')
  const environment = { PROFILE: 'tuned' }
  let before = await fingerprintOf({ environment }, root)
  t.equal(await fingerprintOf({ environment }, root), before, 'nothing was edited')
  for (const name of FILES) {
    await write(name, 'as it is by now')
    const now = await fingerprintOf({ environment }, root)
    t.not(now, before, name)
    before = now
  }
  t.not(await fingerprintOf({ environment: { PROFILE: 'single' } }, root), before)
  await rm(join(root, 'infra/profiles/tuned.env'))
  t.not(await fingerprintOf({ environment }, root), before, 'a file that is gone')
})
