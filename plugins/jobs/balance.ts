/** Whether what was accepted is there, and how long it waits (design rule 11). */
import type { FastifyReply, FastifyRequest } from 'fastify'

export async function readBalance(request: FastifyRequest, reply: FastifyReply) {
  const { ledger, submissions } = request.server
  // the ledger first: a job that ends meanwhile has its row by the time that rows are counted
  const [{ accepted, states, succeeded }, queues] = await Promise.all([ledger.count(), ledger.findQueueAges()])
  const stored = succeeded['store-submission'] ?? 0
  const rows = await submissions.countFromJobs()
  const inLedger = Object.values(states).reduce((sum, jobs) => sum + jobs, 0)
  return reply.send({
    balanced: accepted === inLedger && rows >= stored,
    accepted,
    states,
    effects: [{ type: 'store-submission', succeeded: stored, rows }],
    queues: queues.map(({ queue, waiting, oldest }) => ({
      queue,
      waiting,
      oldest_waits_s: Math.max(0, (Date.now() - oldest.getTime()) / 1_000)
    }))
  })
}
