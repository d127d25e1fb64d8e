/**
 * A TCP proxy between a service and its server, for faults of the network. Closed with the test.
 *
 *     const line = await startLine(t, postgres.port)
 *     line.cut()                                          // every connection breaks now; new ones pass
 *     line.blackHole()                                    // nothing arrives any more, and nobody is told
 *     line.onData((text, link) => text.includes('commit') && link.cut())
 */
import { connect, createServer, type Socket } from 'node:net'
import type { Scope } from './services.js'

export interface Link {
  /** The first bytes that the client sent, as text. */
  sent: string
  /** Whether nothing passes any more. */
  silent: boolean
  /** Breaks it: both sides see a reset. */
  cut(): void
}

export interface Line {
  port: number
  /** The connections that are open. */
  readonly links: ReadonlySet<Link>
  /** Breaks the connections that fit; all by default. */
  cut(fits?: (link: Link) => boolean): number
  /** Swallows what passes on the connections that fit, and on new ones when none is named. */
  blackHole(fits?: (link: Link) => boolean): number
  /** Delays each piece of data by so many milliseconds. */
  delay(ms: number): void
  /** Lets everything pass again; a connection that lost data is cut. */
  pass(): void
  /** Refuses new connections, or takes them again. */
  refuse(refusing: boolean): void
  /** Sees what the client sends before it is passed on; cut or silenced by then, it is not. */
  onData(listener: ((data: string, link: Link) => unknown) | undefined): void
}

const KEPT = 4_096

export async function startLine(t: Scope, target: number, host = '127.0.0.1'): Promise<Line> {
  const links = new Set<Link>()
  let pause = 0
  let silentForNew = false
  let refusing = false
  let listener: ((data: string, link: Link) => unknown) | undefined

  const server = createServer({ noDelay: true }, (client) => {
    if (refusing) return reset(client)
    const upstream = connect({ port: target, host, noDelay: true })
    const link: Link = {
      sent: '',
      silent: silentForNew,
      cut: () => {
        links.delete(link)
        for (const socket of [client, upstream]) reset(socket)
      }
    }
    links.add(link)
    client.pause()
    upstream.on('connect', () => client.resume())
    const forward = (to: Socket) => (data: Buffer) => {
      const pass = () => {
        if (!link.silent && links.has(link)) to.write(data)
      }
      if (pause) setTimeout(pass, pause)
      else pass()
    }
    const up = forward(upstream)
    client.on('data', (data) => {
      if (link.sent.length < KEPT) link.sent += data.toString('latin1', 0, KEPT)
      listener?.(data.toString('latin1'), link)
      up(data)
    })
    upstream.on('data', forward(client))
    for (const [from, to] of [
      [client, upstream],
      [upstream, client]
    ] as const) {
      from.on('error', () => to.destroy())
      from.on('end', () => !link.silent && to.end())
      from.on('close', () => {
        // a silent link keeps the other side waiting, as a broken line does
        if (link.silent) return
        links.delete(link)
        to.destroy()
      })
    }
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  server.unref()
  const address = server.address()
  const each = (fits: (link: Link) => boolean, act: (link: Link) => void) => {
    const chosen = [...links].filter(fits)
    for (const link of chosen) act(link)
    return chosen.length
  }
  const all = () => true
  t.teardown(() => {
    server.close()
    each(all, (link) => link.cut())
  })
  return {
    port: typeof address === 'object' && address ? address.port : 0,
    links,
    cut: (fits = all) => each(fits, (link) => link.cut()),
    blackHole(fits) {
      silentForNew = fits === undefined
      return each(fits ?? all, (link) => {
        link.silent = true
      })
    },
    delay: (ms) => {
      pause = ms
    },
    pass() {
      pause = 0
      silentForNew = false
      each(
        (link) => link.silent,
        (link) => link.cut()
      )
    },
    refuse: (on) => {
      refusing = on
    },
    onData: (called) => {
      listener = called
    }
  }
}

/** Resets a connection. One that is being made or ended cannot be reset: Node would keep its handle for good. */
function reset(socket: Socket): void {
  if (socket.connecting || socket.writableEnded) socket.destroy()
  else socket.resetAndDestroy()
}

/** The same address by way of a proxy. */
export function through(url: string, { port }: Line): string {
  const changed = new URL(url)
  changed.port = String(port)
  return changed.href
}
