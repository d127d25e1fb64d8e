/** Writers and readers of tasks at several gateways at once, and a note of every read that shows less than was answered before it. */
import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { createBulkClient } from './bulk-client.js'
import { eventually } from './eventually.js'
import type { Scope } from './services.js'

export interface Traffic {
  /** Answers that were not 2xx or 304, reads that were older than an answered write. Emptied by `forget`. */
  faults: string[]
  /** Reads of the list, and how many of them came from the cache or were known to the client. */
  counts: { writes: number; reads: number; hits: number; known: number }
  /** Waits until so many more of each were counted. */
  more(wanted: Partial<Traffic['counts']>): Promise<void>
  stop(): Promise<void>
}

/** Time in which traffic that is not stuck gets anywhere, in ms: machines may be busy. */
const PATIENCE_MS = 60_000

/** What a writer did to its task last: every change has the next number, and some take the task away. */
interface Course {
  /** Numbers of the changes that were sent and that were answered. */
  sent: number
  answered: number
  /** Numbers of the changes that took it away. */
  removals: Set<number>
}

export interface TrafficOptions {
  urls: string[]
  writers: number
  readers: number
  /** Time between two changes of a writer, in ms. Default 0. */
  pause?: number
  /** Readers ask the gateway at which a writer wrote only: what holds while Redis cannot be told. Default false. */
  apart?: boolean
}

/** Starts them. Writer n changes its own task, titled `n.<number of the change>`; at most 50 fit on the page that is read. */
export function startTraffic(t: Scope, { urls, writers, readers, pause = 0, apart = false }: TrafficOptions): Traffic {
  const clients = urls.map((url) => createBulkClient(t, url))
  const clientAt = (n: number) => clients[n % clients.length] ?? createBulkClient(t, urls[0] ?? '')
  const courses = Array.from({ length: writers }, (): Course => ({ sent: 0, answered: 0, removals: new Set() }))
  const faults: string[] = []
  const counts = { writes: 0, reads: 0, hits: 0, known: 0 }
  let stopping = false

  async function write(n: number, course: Course): Promise<void> {
    let id = 0
    for (let turn = n; !stopping; turn++) {
      const send = clientAt(apart ? n : turn)
      const number = ++course.sent
      const title = JSON.stringify({ title: `${n}.${number}` })
      const removes = id > 0 && number % 7 === 0
      if (removes) course.removals.add(number)
      const about = { type: 'application/json', body: title }
      const { status, body } = removes
        ? await send(`/api/tasks/${id}`, { method: 'DELETE' })
        : id
          ? await send(`/api/tasks/${id}`, { method: number % 2 ? 'PUT' : 'PATCH', ...about })
          : await send('/api/tasks', about)
      if (status >= 300) faults.push(`write ${n}.${number}: ${status} ${body}`)
      else {
        course.answered = number
        id = removes ? 0 : JSON.parse(body).id
      }
      counts.writes++
      if (pause) await sleep(pause * Math.random())
    }
  }

  async function read(turn: number): Promise<void> {
    const etags: (string | undefined)[] = []
    const bodies: string[] = []
    for (let n = turn; !stopping; n++) {
      const at = n % clients.length
      const before = courses.map(({ answered }) => answered)
      const known = turn % 2 ? etags[at] : undefined
      const { status, headers, body } = await clientAt(at)('/api/tasks', {
        headers: known ? { 'if-none-match': known } : {}
      })
      if (status === 200) {
        etags[at] = headers.etag
        bodies[at] = body
      } else if (status !== 304) {
        faults.push(`read: ${status} ${body}`)
        continue
      }
      counts.reads++
      if (headers['x-cache'] === 'HIT') counts.hits++
      if (status === 304) counts.known++
      judge(at, before, bodies[at] ?? '', `${status} ${headers['x-cache']} at ${at}`)
    }
  }

  function judge(at: number, before: number[], body: string, what: string): void {
    const { items }: { items: { title: string }[] } = JSON.parse(body)
    const shown = new Map(items.map(({ title }) => title.split('.').map(Number) as [number, number]))
    for (const [n, course] of courses.entries()) {
      if (apart && n % clients.length !== at) continue
      const number = shown.get(n)
      const least = before[n] ?? 0
      // it may be away when the last answered change took it away, or when one that was sent since did
      const mayBeAway = least === 0 || [...course.removals].some((removal) => removal >= least)
      const isOld = number === undefined ? !mayBeAway : number < least
      if (isOld) faults.push(`${what} shows ${n}.${number} after ${n}.${least} was answered`)
    }
  }

  const all = [
    ...courses.map((course, n) => write(n, course)),
    ...Array.from({ length: readers }, (_, turn) => read(turn))
  ]
  return {
    faults,
    counts,
    more: (wanted) => {
      const before = { ...counts }
      return eventually(
        () => {
          for (const name of ['writes', 'reads', 'hits', 'known'] as const)
            assert.ok(counts[name] - before[name] >= (wanted[name] ?? 0), `${name}: ${JSON.stringify(counts)}`)
        },
        { timeout: PATIENCE_MS }
      )
    },
    stop: async () => {
      stopping = true
      await Promise.all(all)
    }
  }
}
