/** Whether what was accepted is there, with its effects, and how long it waits (design rule 11). */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

/** Rows that jobs of a type stored, where they store any: counted by whose table it is. */
const EFFECTS: Record<string, (app: FastifyInstance) => Promise<number>> = {
  'store-submission': ({ submissions }) => submissions.countFromJobs(),
  'parse-page': ({ storedPages }) => storedPages.countFromJobs()
}

export async function readBalance(request: FastifyRequest, reply: FastifyReply) {
  const { server } = request
  const { ledger } = server
  // the ledger first: a job that ends meanwhile has its row by the time that rows are counted
  const [{ accepted, states, succeeded }, queues] = await Promise.all([ledger.count(), ledger.findQueueAges()])
  const effects = await Promise.all(
    Object.entries(EFFECTS).map(async ([type, count]) => ({
      type,
      succeeded: succeeded[type] ?? 0,
      rows: await count(server)
    }))
  )
  const inLedger = Object.values(states).reduce((sum, jobs) => sum + jobs, 0)
  return reply.send({
    balanced: accepted === inLedger && effects.every(({ rows, succeeded }) => rows >= succeeded),
    accepted,
    states,
    effects,
    queues: queues.map(({ queue, waiting, oldest }) => ({
      queue,
      waiting,
      oldest_waits_s: Math.max(0, (Date.now() - oldest.getTime()) / 1_000)
    }))
  })
}
