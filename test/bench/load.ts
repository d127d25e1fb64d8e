/** The load: wrk, or autocannon where wrk is not installed. */
import { execFile } from 'node:child_process'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

export interface Load {
  /** Name and version of the tool. */
  tool: string
  /** Sends requests over `CONNECTIONS` kept-alive connections for some seconds. */
  run(url: string, seconds: number): Promise<LoadResult>
  /** Sends exactly this many. */
  fill(url: string, requests: number): Promise<void>
}

export interface LoadResult {
  /** Answers below 400. */
  answered: number
  /** Answers from 400 on, and broken or refused connections. */
  errors: number
  seconds: number
  /** Latency in ms. */
  p50: number
  p99: number
}

export const CONNECTIONS = 64
/** Node goes on compiling for longer; but the longer a turn, the more a machine may change its pace between two sides. */
export const WARM_UP_SECONDS = 3

const run = promisify(execFile)

/** One of several requests that are sent in turn. */
export interface Turn {
  method: string
  path: string
  /** Sent as JSON. */
  body?: object
}

/** What is sent over and over. */
export interface Asked {
  /** Posted as JSON; without it the request is a GET. */
  body?: object
  /** Requests in turn, whose paths follow the address, instead of one. */
  turns?: Turn[]
  headers?: Record<string, string>
  /** Connections kept open. Default `CONNECTIONS`. */
  connections?: number
}

export async function createLoad(
  folder: string,
  { body, turns, headers = {}, connections = CONNECTIONS }: Asked
): Promise<Load> {
  const request: Request = {
    json: body && JSON.stringify(body),
    turns,
    headers: { ...(body && { 'content-type': 'application/json', accept: 'application/json' }), ...headers },
    connections
  }
  const fill = (url: string, requests: number) => fillWithAutocannon(url, request, requests)
  const version = await findWrk()
  if (!version && turns?.[1])
    throw new Error('different requests in turn need wrk: install it, or leave this work out with ONLY')
  if (!version) return { tool: autocannonVersion(), run: (url, seconds) => runAutocannon(url, request, seconds), fill }
  const script = join(await mkdtemp(join(folder, 'wrk-')), 'request.lua')
  await writeFile(script, wrkScript(request))
  return { tool: version, run: (url, seconds) => runWrk(url, script, connections, seconds), fill }
}

interface Request {
  json: string | undefined
  turns: Turn[] | undefined
  headers: Record<string, string>
  connections: number
}

async function findWrk(): Promise<string | undefined> {
  // it prints its version with its usage and ends with code 1
  const { stdout = '' } = await run('wrk', ['--version']).catch((error: { stdout?: string }) => error)
  return stdout.match(/^wrk [^ ]+/)?.[0]
}

async function runWrk(url: string, script: string, connections: number, seconds: number): Promise<LoadResult> {
  const { stdout } = await run('wrk', ['-t1', `-c${connections}`, `-d${seconds}s`, '-s', script, url])
  const result: WrkResult = JSON.parse(stdout.slice(stdout.lastIndexOf('\n{')))
  const { requests, status, connect, read, write, timeout, us, p50, p99 } = result
  return {
    answered: requests - status,
    errors: status + connect + read + write + timeout,
    seconds: us / 1e6,
    p50: p50 / 1000,
    p99: p99 / 1000
  }
}

type WrkResult = Record<'requests' | 'us' | 'status' | 'connect' | 'read' | 'write' | 'timeout' | 'p50' | 'p99', number>

function wrkScript({ json, turns, headers }: Request): string {
  const lines = Object.entries(headers).map(([name, value]) => `wrk.headers['${name}'] = '${value}'\n`)
  const post = `wrk.method = 'POST'\nwrk.body = [==[${json}]==]\n`
  return `${lines.join('')}${json ? post : ''}${turns ? turnsScript(turns) : ''}function done(summary, latency)
  local e = summary.errors
  io.write(string.format('\\n{"requests":%d,"us":%d,"status":%d,"connect":%d,"read":%d,"write":%d,"timeout":%d,"p50":%d,"p99":%d}\\n',
    summary.requests, summary.duration, e.status, e.connect, e.read, e.write, e.timeout, latency:percentile(50), latency:percentile(99)))
end
`
}

/** They are written out once, before the first is sent. */
function turnsScript(turns: Turn[]): string {
  const formats = turns.map(({ method, path, body }) => {
    const sent = body ? `, { ['content-type'] = 'application/json' }, [==[${JSON.stringify(body)}]==]` : ''
    return `wrk.format('${method}', '${path}'${sent})`
  })
  return `local turns, turn = {}, 0
function init() turns = { ${formats.join(',\n')} } end
function request()
  turn = turn % #turns + 1
  return turns[turn]
end
`
}

async function runAutocannon(url: string, request: Request, seconds: number): Promise<LoadResult> {
  const result = await autocannon(url, request, ['-d', String(seconds)])
  return {
    answered: result['2xx'],
    errors: result.non2xx + result.errors,
    seconds: result.duration,
    p50: result.latency.p50,
    p99: result.latency.p99
  }
}

async function fillWithAutocannon(url: string, request: Request, requests: number): Promise<void> {
  const { '2xx': answered } = await autocannon(url, request, ['-a', String(requests)])
  if (answered !== requests)
    throw new Error(`${requests} requests to ${new URL(url).pathname}: only ${answered} got 2xx`)
}

interface AutocannonResult {
  '2xx': number
  non2xx: number
  errors: number
  duration: number
  latency: { p50: number; p99: number }
}

async function autocannon(
  url: string,
  { json, headers, connections }: Request,
  args: string[]
): Promise<AutocannonResult> {
  const named = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}=${value}`])
  const all = [
    'node_modules/autocannon/autocannon.js',
    '-c',
    String(connections),
    '-j',
    ...args,
    ...named,
    ...(json ? ['-m', 'POST', '-b', json] : []),
    url
  ]
  const { stdout } = await run(process.execPath, all, { maxBuffer: 1e8 })
  return JSON.parse(stdout)
}

function autocannonVersion(): string {
  return 'autocannon (wrk is not on PATH; it takes more of the machine than wrk does, so all rates are lower)'
}
