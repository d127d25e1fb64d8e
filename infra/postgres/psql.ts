/** A prompt for SQL on the database: psql where it is installed, else a small one of our own. `SQL="select 1"` runs that and ends. */
import { spawn } from 'node:child_process'
import { Console } from 'node:console'
import { createInterface } from 'node:readline/promises'
import type pg from 'pg'
import { waitForExit } from '../local/server-process.js'
import { command } from './command.js'
import { connect } from './connect.js'
import { readDatabaseUrls } from './urls.js'

await command('psql', async (say) => {
  const { ownerUrl } = readDatabaseUrls(process.env)
  const sql = process.env.SQL
  if (await runPsql(ownerUrl, sql)) return
  const client = await connect(ownerUrl)
  try {
    if (sql) await show(client, sql)
    else await prompt(client, say)
  } finally {
    await client.end()
  }
})

/** Answers false where psql is not installed. */
async function runPsql(url: string, sql: string | undefined): Promise<boolean> {
  const address = new URL(url)
  const PGPASSWORD = decodeURIComponent(address.password)
  address.password = '' // the command line is for all to read
  const child = spawn('psql', [address.href, ...(sql ? ['-c', sql] : [])], {
    stdio: 'inherit',
    env: { ...process.env, PGPASSWORD }
  })
  const { code } = await waitForExit(child)
  if (code === 127) return false
  process.exitCode = code ?? 1
  return true
}

async function prompt(client: pg.Client, say: (line: string) => void): Promise<void> {
  const isTerminal = process.stdin.isTTY === true
  if (isTerminal) say('psql is not installed; this prompt takes SQL that ends with a semicolon. Ctrl-D ends it.')
  const lines = createInterface({
    input: process.stdin,
    output: isTerminal ? process.stdout : undefined,
    prompt: 'sql> '
  })
  let statement = ''
  if (isTerminal) lines.prompt()
  for await (const line of lines) {
    statement += `${line}\n`
    if (/;\s*$/.test(statement)) {
      await show(client, statement).catch((error) => say(`error: ${error.message}`))
      statement = ''
    }
    if (isTerminal) lines.prompt()
  }
  if (statement.trim()) await show(client, statement)
}

async function show(client: pg.Client, sql: string): Promise<void> {
  const output = new Console(process.stdout, process.stderr)
  // several statements in one text give a list of results, which pg's types leave out
  const results = [await client.query(sql)].flat()
  for (const { rows, rowCount, command: verb } of results) {
    if (rows.length > 0) output.table(rows)
    else output.log(`${verb} ${rowCount ?? ''}`)
  }
}
