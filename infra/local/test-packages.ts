/** Fetches what the tests need of the system: Redis, and programs that single tests use. `node build/infra/local/test-packages.js` */
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { promisify } from 'node:util'
import { command } from '../postgres/command.js'
import { CHROMIUM, findProgram } from './programs.js'
import { fetchRedis, findRedis } from './redis-program.js'

interface Wanted {
  /** Any of these will do. */
  programs: string[]
  /** A file that is there when it is installed, where it brings no program. */
  file?: string
  /** What apt calls it; several with spaces. */
  name: string
  /** Tests that are skipped without it. */
  tests: string
}

const WANTED: Wanted[] = [
  { programs: ['nginx'], name: 'nginx-light', tests: 'the tests of nginx' },
  {
    programs: [],
    file: '/usr/share/lua/5.1/nginx/redis.lua',
    name: 'libnginx-mod-http-lua lua-nginx-redis',
    tests: 'the tests of tasks from Redis'
  },
  { programs: ['openssl'], name: 'openssl', tests: 'the tests of TLS' },
  { programs: ['certbot'], name: 'certbot', tests: 'the tests of certificates' },
  { programs: ['pebble'], name: 'pebble', tests: 'the tests of certificates' },
  { programs: CHROMIUM, name: 'chromium', tests: 'the page tests' },
  { programs: ['curl'], name: 'curl', tests: "the README's examples" }
]

const run = promisify(execFile)

await command('test', async (say) => {
  if (!(await findRedis())) await fetchRedis(say)
  for (const wanted of WANTED) await fetchProgram(wanted, say)
})

async function fetchProgram({ programs, file, name, tests }: Wanted, say: (line: string) => void): Promise<void> {
  if (file ? existsSync(file) : await findProgram(programs)) return
  try {
    await install(name, say)
  } catch (error) {
    const reason = `no ${name} for ${tests}: ${error instanceof Error ? error.message.split('\n')[0] : error}`
    if (process.env.CI) throw new Error(reason, { cause: error })
    say(`${reason}; they are skipped`)
  }
}

async function install(name: string, say: (line: string) => void): Promise<void> {
  if (process.getuid?.() !== 0) throw new Error(`only root can install it (apt-get install ${name})`)
  if (!(await findProgram(['apt-get']))) throw new Error('there is no apt-get here')
  say(`no ${name} on this machine: apt-get install ${name}`)
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const aptGet = (...args: string[]) => run('apt-get', args, { env, maxBuffer: 2 ** 26 })
  const fetch = () => aptGet('install', '-y', '--no-install-recommends', ...name.split(' '))
  await fetch().catch(async () => {
    await aptGet('update')
    await fetch()
  })
}
