/** Fetches what the tests need of the system, Redis and Chromium: `node build/infra/local/test-packages.js`. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { command } from '../postgres/command.js'
import { CHROMIUM, findProgram } from './programs.js'
import { fetchRedis, findRedis } from './redis-program.js'

const run = promisify(execFile)

await command('test', async (say) => {
  if (!(await findRedis())) await fetchRedis(say)
  if (await findProgram(CHROMIUM)) return
  try {
    await installChromium(say)
  } catch (error) {
    const reason = `no Chromium for the page tests: ${error instanceof Error ? error.message.split('\n')[0] : error}`
    if (process.env.CI) throw new Error(reason, { cause: error })
    say(`${reason}; they are skipped`)
  }
})

async function installChromium(say: (line: string) => void): Promise<void> {
  if (process.getuid?.() !== 0) throw new Error('only root can install it (apt-get install chromium)')
  if (!(await findProgram(['apt-get']))) throw new Error('there is no apt-get here')
  say('no Chromium on this machine: apt-get install chromium')
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  const install = () =>
    run('apt-get', ['install', '-y', '--no-install-recommends', 'chromium'], { env, maxBuffer: 2 ** 26 })
  await install().catch(async () => {
    await run('apt-get', ['update'], { env, maxBuffer: 2 ** 26 })
    await install()
  })
}
