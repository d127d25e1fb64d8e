import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import t from 'tap'
import { inBlocks } from '../../services/log-blocks.js'
import { eventually } from '../helpers/eventually.js'

function collect(mostBytes: number) {
  const written: string[] = []
  return { written, blocks: inBlocks((text) => written.push(text), mostBytes) }
}

t.test('lines go on in their order, as many at a time as fit into a block', async (t) => {
  const { written, blocks } = collect(10)
  for (const line of ['aaa\n', 'bbb\n', 'c\n', 'ddd\n', 'ä\n', 'longer than a block\n', 'e\n']) blocks.write(line)
  t.strictSame(written, ['aaa\nbbb\nc\n', 'ddd\nä\n', 'longer than a block\n'])
  blocks.flushSync()
  t.equal(written.at(-1), 'e\n')
  blocks.flushSync()
  t.equal(written.length, 4, 'nothing is no block')
})

t.test('a lone line does not wait for others for long', async (t) => {
  const { written, blocks } = collect(1_000)
  const alive = setInterval(() => {}, 1_000) // its timer keeps no process alive
  t.teardown(() => clearInterval(alive))
  blocks.write('one\n')
  t.strictSame(written, [])
  await eventually(() => assert.deepEqual(written, ['one\n']))
  blocks.write('two\n')
  await eventually(() => assert.deepEqual(written, ['one\n', 'two\n']))
})

const logger = new URL('../../services/logger.js', import.meta.url)

/** Runs a program that has a `log`; answers the lines it wrote. */
async function run(program: string) {
  const start = `
    import pino from 'pino'
    import { loggerOf } from '${logger}'
    const { stream, ...options } = loggerOf('test', { LOG_LEVEL: 'info' })
    const log = pino(options, stream)
    ${program}`
  const running = promisify(execFile)(process.execPath, ['--input-type=module', '--eval', start], { maxBuffer: 1e7 })
  const { stdout, stderr } = await running.catch((error) => error)
  const lines = String(stdout)
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line))
  return { lines, stderr: String(stderr) }
}

t.test('however a process ends by itself, its last lines are written', async (t) => {
  const all = Array.from({ length: 5000 }, (_, n) => n)
  for (const ending of ['', 'process.exit(0)', 'setTimeout(() => process.exit(0), 50)']) {
    const { lines, stderr } = await run(`
      for (let n = 0; n < 5000; n++) log.info({ n }, 'a line of usual length, such as one for an answered request')
      ${ending}`)
    t.strictSame(
      lines.map(({ n }) => n),
      all,
      ending || 'nothing more to do'
    )
    t.equal(stderr, '')
  }
  const { lines, stderr } = await run('log.info("first"); throw new Error("broken")')
  t.match(lines, [{ msg: 'first' }])
  t.match(stderr, /Error: broken/)
})

t.test('what is fatal is written at once, behind what came before it', async (t) => {
  const { lines } = await run(`
    for (let n = 0; n < 600; n++) log.info({ n }, 'a line of usual length, such as one for an answered request')
    log.fatal('over')
    process.kill(process.pid, 'SIGKILL')`)
  t.equal(lines.length, 601)
  t.match(lines.at(-1), { msg: 'over' })
})
