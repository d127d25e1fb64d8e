/** Clients that submit without a pause over kept connections, and note every answer: for what must go on unnoticed. */
import { Agent, request } from 'node:http'
import { CONTACT } from './stack.js'

export interface SteadyLoad {
  /** How often each outcome was seen: a status, or why there was none. */
  readonly outcomes: Map<string, number>
  /** Ids of what was stored. */
  readonly ids: string[]
  /** Waits for the requests that are on their way. */
  stop(): Promise<void>
}

export function startSteadyLoad(url: string, clients = 16): SteadyLoad {
  const agent = new Agent({ keepAlive: true, maxSockets: clients })
  const outcomes = new Map<string, number>()
  const ids: string[] = []
  let going = true
  const client = async () => {
    while (going) {
      const outcome = await submit(`${url}/sync/contact`, agent).catch((error: Error) => error.message)
      if (typeof outcome === 'object') ids.push(outcome.id)
      const name = typeof outcome === 'object' ? '201' : outcome
      outcomes.set(name, (outcomes.get(name) ?? 0) + 1)
    }
  }
  const running = Promise.all(Array.from({ length: clients }, client))
  return {
    outcomes,
    ids,
    stop: async () => {
      going = false
      await running
      agent.destroy()
    }
  }
}

function submit(url: string, agent: Agent): Promise<{ id: string } | string> {
  return new Promise((resolve, reject) => {
    const sent = request(url, { method: 'POST', agent, headers: { 'content-type': 'application/json' } })
    sent.on('response', (answer) => {
      let body = ''
      answer.setEncoding('utf8')
      answer.on('data', (part) => {
        body += part
      })
      answer.on('end', () => resolve(answer.statusCode === 201 ? JSON.parse(body) : String(answer.statusCode)))
      answer.on('error', reject)
    })
    sent.on('error', reject)
    sent.end(JSON.stringify(CONTACT))
  })
}
