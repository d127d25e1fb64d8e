import { readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { copyProject } from '../helpers/project.js'

t.setTimeout(400_000)

t.test('what is wrong stops the start with one line, and nothing runs', async (t) => {
  const project = await copyProject(t)
  const fails = async (variables: Record<string, string>, reason: RegExp) => {
    const { code, output } = await project.make('up', variables)
    t.not(code, 0)
    // one line of ours; the last is what make itself adds
    const lines = output.trim().split('\n')
    t.match(lines.at(0), reason)
    t.match(lines.at(1), /^make: /)
    t.equal(lines.length, 2, output)
    await t.rejects(project.runFile())
  }

  t.test('a taken port', async () => {
    const server = createServer().listen(Number(new URL(project.url).port), '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    await fails({}, /port \d+ on 127.0.0.1 is taken.*PORT=/)
    await new Promise((resolve) => server.close(resolve))
  })
  t.test('D12 PORT=abc', () => fails({ PORT: 'abc' }, /^up: PORT .*port of the gateway/))
  t.test('an unknown engine', () => fails({ ENGINE: 'steam' }, /ENGINE must be docker or local/))
  t.test('a secret that is too short', () => fails({ SECRET_KEY: 'short' }, /^up: SECRET_KEY /))

  t.test('a child that fails at its start: its last lines are shown and the rest is stopped', async (t) => {
    const script = join(project.dir, 'build/services/consumer/server.js')
    await writeFile(script, "process.stderr.write('broken on purpose\\n'); process.exit(7)")
    const { code, output } = await project.make('up')
    t.not(code, 0)
    t.match(output, /consumer ended with code 7\n {2}broken on purpose/)
    await t.rejects(project.runFile())
    t.strictSame((await readFile(join(project.dir, '.data/pids'), 'utf8')).trim(), '')
  })
})
