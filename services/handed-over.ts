import type { Worker } from 'node:cluster'

/**
 * Closes a connection that was on its way to a process when that one was killed. Node's first process waits for its word for ever
 * (lib/internal/cluster/round_robin_handle.js), and so would the client: nothing was answered, nothing broke.
 */
export function closeWhatWasHandedTo({ process }: Worker): void {
  const handed = new Map<number, { close(): void }>()
  const send = process.send.bind(process) as (...args: unknown[]) => boolean // what cluster itself says is not among its types
  process.send = (message: { act?: string; seq?: number }, handle?: unknown, ...rest: unknown[]) => {
    if (message.act === 'newconn' && message.seq !== undefined && isHandle(handle)) handed.set(message.seq, handle)
    return send(message, handle, ...rest)
  }
  process.on('internalMessage', ({ ack }: { ack?: number }) => ack !== undefined && handed.delete(ack))
  process.once('exit', () => {
    for (const handle of handed.values()) handle.close()
  })
}

const isHandle = (value: unknown): value is { close(): void } => typeof Object(value).close === 'function'
