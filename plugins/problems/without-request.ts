/** Problems without a request that any hook runs for: an address that cannot be read, bytes that are not HTTP. */
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import type { Problem } from '#schema/problem'
import { toProblem } from './to-problem.js'

const HEADERS = {
  'content-type': 'application/problem+json; charset=utf-8',
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'referrer-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY'
}

/** For Fastify's `frameworkErrors`. */
export function answerFrameworkError(error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
  const problem = { ...toProblem(error), instance: request.id }
  reply
    .code(problem.status)
    .headers({ ...HEADERS, 'x-request-id': request.id })
    .serializer(JSON.stringify)
    .send(problem)
}

/** For Fastify's `clientErrorHandler`: answers what Node could not read, and closes the connection. */
export function answerClientError(error: { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
  const body = toBody(CLIENT_ERRORS[error.code ?? ''] ?? BROKEN_REQUEST)
  const headers = { ...HEADERS, 'content-length': Buffer.byteLength(body.json), connection: 'close' }
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`)
  socket.end([`HTTP/1.1 ${body.status} ${STATUS_CODES[body.status]}`, ...lines, '', body.json].join('\r\n'))
}

/** For Node's `checkExpectation`: an `Expect` other than 100-continue, which Node would answer without a word (RFC 9110 §10.1.1). */
export function answerExpectation(_request: IncomingMessage, response: ServerResponse): void {
  const { status, json } = toBody({
    status: 417,
    code: 'EXPECTATION_FAILED',
    detail: 'the header Expect is not understood: leave it out, or send 100-continue'
  })
  response.writeHead(status, { ...HEADERS, 'content-length': Buffer.byteLength(json) }).end(json)
}

type Fault = Pick<Problem, 'status' | 'code' | 'detail'>

const BROKEN_REQUEST: Fault = { status: 400, code: 'BROKEN_REQUEST', detail: 'this is not a valid HTTP request' }

/** By the code of Node's parser. */
const CLIENT_ERRORS: Record<string, Fault> = {
  ERR_HTTP_REQUEST_TIMEOUT: { status: 408, code: 'REQUEST_TIMEOUT', detail: 'the request took too long to arrive' },
  HPE_HEADER_OVERFLOW: { status: 431, code: 'HEADERS_TOO_LARGE', detail: 'the address or the headers are too long' }
}

function toBody({ status, code, detail }: Fault): { status: number; json: string } {
  const problem: Problem = { type: 'about:blank', title: STATUS_CODES[status] ?? 'Error', status, code, detail }
  return { status, json: JSON.stringify(problem) }
}
