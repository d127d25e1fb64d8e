/** The plugin for calls to the outside, and servers on this machine that play the outside. Nothing leaves loopback. */
import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import { createServer as createTcpServer, type Server, type Socket } from 'node:net'
import type { Test } from 'tap'
import outside from '#plugins/outside'
import { createApp } from './app.js'

type Options = Parameters<typeof outside>[1]
export interface Failure extends Error {
  code: string
  passing: boolean
  retryInMs?: number
}

export interface Site {
  port: number
  /** Of 127.0.0.1. */
  url: string
  /** What arrived, in order. */
  requests: IncomingMessage[]
  /** How often somebody connected. */
  connections: () => number
}

/** A site that answers as the listener says, or with the bytes that a raw one writes. */
export async function startSite(t: Test, answer: RequestListener): Promise<Site> {
  const requests: IncomingMessage[] = []
  const server = createServer((request, response) => {
    requests.push(request)
    answer(request, response)
  })
  return { requests, ...(await listen(t, server)) }
}

/** A site without HTTP's manners: it gets each connection once the request's head has come. */
export async function startRawSite(t: Test, answer: (socket: Socket, times: number) => void): Promise<Site> {
  let times = 0
  const server = createTcpServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => answer(socket, ++times))
  })
  return { requests: [], ...(await listen(t, server)) }
}

/** Counts who comes, on every address of this machine. */
export const startCanary = (t: Test) =>
  listen(
    t,
    createTcpServer((socket) => socket.destroy()),
    '::'
  )

async function listen(t: Test, server: Server, host = '127.0.0.1') {
  const open = new Set<Socket>()
  let count = 0
  server.on('connection', (socket: Socket) => {
    count += 1
    open.add(socket)
    socket.on('close', () => open.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, host, resolve))
  t.teardown(() => {
    for (const socket of open) socket.destroy()
    server.close()
  })
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : 0
  return { port, url: `http://127.0.0.1:${port}`, connections: () => count }
}

/** Names that stand for addresses, in place of a name server; each look-up takes the next of a name's answers. */
export function createNames(names: Record<string, string[][]>) {
  const asked: string[] = []
  const resolve = async (host: string): Promise<string[]> => {
    const answers = names[host]
    asked.push(host)
    if (!answers?.length) throw Object.assign(new Error(`queryA ENOTFOUND ${host}`), { code: 'ENOTFOUND' })
    return (answers.length > 1 ? answers.shift() : answers[0]) ?? []
  }
  return { asked, resolve }
}

/** The plugin alone, with a short way to the error of a call that must fail. */
export async function createOutside(t: Test, options: Options = {}) {
  const app = createApp(t)
  app.register(outside, options)
  await app.ready()
  const { request } = app.outside
  const fail = async (...call: Parameters<typeof request>): Promise<Failure> => {
    try {
      await request(...call)
    } catch (error) {
      return error as Failure // the tests look at what it is
    }
    throw new Error(`${call[0]} was answered`)
  }
  return { app, request, fail }
}
