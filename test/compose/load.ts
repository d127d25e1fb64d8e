/** Submissions that go on while things break: each is repeated under its key until it is accepted, as clients should. */
import { setTimeout as sleep } from 'node:timers/promises'

export interface Load {
  /** Ids answered so far. */
  readonly accepted: Set<string>
  /** Requests that had to be repeated. */
  readonly repeated: number
  /** Resolves when all were accepted. */
  done: Promise<void>
}

const PATIENCE_MS = 120_000
const PAUSE_MS = 100
const SENDERS = 8

export function startLoad(url: string, total: number): Load {
  const accepted = new Set<string>()
  const until = Date.now() + PATIENCE_MS
  let repeated = 0
  let next = 0
  const sendAll = async () => {
    while (next < total) await sendUntilAccepted(`load-${next++}`)
  }
  const sendUntilAccepted = async (key: string) => {
    for (;;) {
      const id = await send(url, key).catch(() => undefined)
      if (id) return void accepted.add(id)
      if (Date.now() > until) throw new Error(`${key} was not accepted within ${PATIENCE_MS / 1000} s`)
      repeated++
      await sleep(PAUSE_MS)
    }
  }
  return {
    accepted,
    get repeated() {
      return repeated
    },
    done: Promise.all(Array.from({ length: SENDERS }, sendAll)).then(() => {})
  }
}

async function send(url: string, key: string): Promise<string | undefined> {
  const answer = await fetch(`${url}/async/contact`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': key },
    body: JSON.stringify({ name: key, email: 'load@example.org', message: 'on and on', consent: true }),
    signal: AbortSignal.timeout(15_000)
  })
  if (answer.status !== 202) return undefined
  const { id } = (await answer.json()) as { id: string } // the contract of the route
  return id
}
