import { randomInt } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'

// Below the ports that systems give to outgoing connections: a server that restarts finds its port still free.
const FIRST = 20_000
const LAST = 32_000

/** Tells whether a server could listen there now. */
export function isPortFree(port: number, host = '127.0.0.1'): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE' || error.code === 'EACCES') resolve(false)
      else reject(error)
    })
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)))
  })
}

/** A port on which nothing listens. */
export async function findFreePort(host?: string): Promise<number> {
  for (let tries = 0; tries < 100; tries++) {
    const port = randomInt(FIRST, LAST)
    if (await isPortFree(port, host)) return port
  }
  throw new Error(`no free port found between ${FIRST} and ${LAST}`)
}

/** The port that a service had before, while nobody else took it; else a free one, preferably `wish`. Kept in the folder. */
export async function choosePort(dataDir: string, name: string, wish?: number, host?: string): Promise<number> {
  const file = join(dataDir, `${name}.port`)
  const before = Number(await readFile(file, 'utf8').catch(() => 0))
  for (const port of [before, wish]) {
    if (port && (await isPortFree(port, host))) return keepPort(file, port)
  }
  return keepPort(file, await findFreePort(host))
}

async function keepPort(file: string, port: number): Promise<number> {
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, String(port))
  return port
}
