/** Jobs over HTTP: for each type a pair of ways in, and for every job its life. It belongs in the private part. */
import type { FastifyInstance, FastifyRequest, RouteShorthandOptions } from 'fastify'
import fp from 'fastify-plugin'
import { problem } from '#schema/problem'
import type { JobType, Registry } from '#schema/registry'
import { readBalance } from './balance.js'
import { submitBatch } from './batch.js'
import {
  attemptsContract,
  balanceContract,
  eventsContract,
  jobContract,
  listContract,
  resultContract
} from './contract/read.js'
import { cancelContract, replayContract, replayManyContract } from './contract/repair.js'
import { asyncContract, batchContract, submitContract } from './contract/submit.js'
import { followJob } from './events.js'
import { listJobs, readAttempts, readJob, readResult } from './read.js'
import { cancelJob, replayJob, replayMany } from './repair.js'
import { submitAndWait, submitAsync } from './submit.js'

export interface JobsOptions {
  registry: Registry
}

/** Bytes of the largest batch. */
const BATCH_LIMIT = 8_388_608

async function jobs(app: FastifyInstance, { registry }: JobsOptions) {
  app.removeContentTypeParser('application/x-www-form-urlencoded') // programs send JSON

  for (const type of registry.jobs.values()) addWaysIn(type)
  app.get('/api/jobs', { schema: listContract }, listJobs)
  app.get('/api/jobs/balance', { schema: balanceContract, config: { role: 'operator' } }, readBalance)
  app.post('/api/jobs/replay', { schema: replayManyContract }, replayMany(registry))
  app.get('/api/jobs/:id', { schema: jobContract }, readJob)
  app.delete('/api/jobs/:id', { schema: cancelContract }, cancelJob)
  app.get('/api/jobs/:id/result', { schema: resultContract }, readResult)
  app.get('/api/jobs/:id/events', { schema: eventsContract }, followJob)
  app.get('/api/jobs/:id/attempts', { schema: attemptsContract }, readAttempts)
  app.post('/api/jobs/:id/replay', { schema: replayContract }, replayJob(registry))
  // a type that is not there has no way in: without these it would be taken for a job's id, which cannot be posted to
  for (const way of ['', '/async', '/batch']) {
    app.post<Unknown>(`/api/jobs/:type${way}`, { schema: { hide: true }, onRequest: refuseUnknown(registry) }, () => {})
  }

  function addWaysIn(type: JobType) {
    const path = `/api/jobs/${type.name}`
    const bodyLimit = Math.max(type.longestPayload, app.initialConfig.bodyLimit ?? 0)
    const options = { bodyLimit, ...checkAllButBody(app) }
    app.post(path, { ...options, schema: submitContract(type) }, submitAndWait(type))
    app.post(`${path}/async`, { ...options, schema: asyncContract(type) }, submitAsync(type))
    app.post(`${path}/batch`, { ...options, bodyLimit: BATCH_LIMIT, schema: batchContract(type) }, submitBatch(type))
  }
}

/** Leaves the payload to the handler: a repeat may be older than its type as it is now, and its key is read from the decoded query. */
function checkAllButBody({
  validatorCompiler: check
}: FastifyInstance): Pick<RouteShorthandOptions, 'validatorCompiler'> {
  return check ? { validatorCompiler: (part) => (part.httpPart === 'body' ? () => true : check(part)) } : {}
}

interface Unknown {
  Params: { type: string }
}

/** @throws problem 404 `JOB_TYPE_NOT_FOUND` */
const refuseUnknown = (registry: Registry) => async (request: FastifyRequest<Unknown>) => {
  const known = [...registry.jobs.keys()].sort().join(', ')
  throw problem(404, 'JOB_TYPE_NOT_FOUND', `no job type ${request.params.type}; there are: ${known}`)
}

export default fp(jobs, {
  name: 'jobs',
  fastify: '5.x',
  encapsulate: true,
  decorators: {
    fastify: ['ledger', 'idempotency', 'jobEvents', 'submissions', 'storedPages', 'submitterOf'],
    request: ['principal', 'stillHolds']
  }
})
