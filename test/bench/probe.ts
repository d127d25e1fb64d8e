/** Marked submissions at a steady pace: how long from sending one to its row's commit. */
import { Agent, request } from 'node:http'
import type pg from 'pg'
import { submission } from './contact-form.js'

export interface Probe {
  /** Stops sending, waits for the answers and tells how many there were. */
  stop(): Promise<number>
  /** Time from sending to commit of each, in ms; what has no row yet counts until the stop. */
  readTimes(database: pg.Client): Promise<number[]>
}

const PER_SECOND = 50
let runs = 0

/** Starts to send 50 a second. Postgres notes the commits in the clock of the same machine. */
export async function startProbe(url: string): Promise<Probe> {
  const agent = new Agent({ keepAlive: true })
  const clock = await startClock()
  const mark = `probe ${++runs}`
  const sent: number[] = []
  const answers: Promise<void>[] = []
  let stopped = 0
  const timer = setInterval(() => {
    const body = JSON.stringify({ ...submission, message: `${mark}.${sent.length} ${submission.message}` })
    sent.push(clock())
    const answer = post(agent, url, body)
    answer.catch(() => {}) // looked at in the end
    answers.push(answer)
  }, 1000 / PER_SECOND)

  return {
    async stop() {
      clearInterval(timer)
      stopped = clock()
      await Promise.all(answers)
      agent.destroy()
      return sent.length
    },
    async readTimes(database) {
      const { rows } = await database.query<{ number: number; ms: number }>(
        `select split_part(split_part(data ->> 'message', ' ', 2), '.', 2)::int as number,
                extract(epoch from pg_xact_commit_timestamp(xmin))::float8 * 1000 as ms
           from submissions where data ->> 'message' like $1`,
        [`${mark}.%`]
      )
      const committed = new Map(rows.map(({ number, ms }) => [number, ms]))
      return sent.map((time, number) => (committed.get(number) ?? stopped) - time)
    }
  }
}

function post(agent: Agent, url: string, body: string): Promise<void> {
  const headers = { 'content-type': 'application/json', accept: 'application/json' }
  return new Promise((resolve, reject) => {
    const sending = request(url, { method: 'POST', agent, headers }, (answer) => {
      answer.resume()
      if (answer.statusCode === 202) answer.once('end', resolve)
      else reject(new Error(`a probe got ${answer.statusCode} instead of 202`))
    })
    sending.once('error', reject)
    sending.end(body)
  })
}

/** Wall-clock time finer than `Date.now()`'s whole ms: counted from the moment at which that one moved on. */
async function startClock(): Promise<() => number> {
  const start = Date.now()
  while (Date.now() === start);
  const origin = Date.now() - performance.now()
  return () => origin + performance.now()
}
