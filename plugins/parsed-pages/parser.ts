/**
 * Parsing in threads, each task within limits of time and memory: a page of 1 MiB can be made so that it takes minutes, and
 * neither the event loop nor the leases of other jobs may wait for it.
 */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import type { PageContent } from '#schema/parsed-page'
import type { ExtractOptions } from './extract.js'
import { pageFault } from './page-fault.js'
import type { RobotsTask } from './robots-rules.js'

export type Task = ExtractOptions | RobotsTask

export interface ParserOptions {
  /** Tasks at a time. Default 2. */
  threads?: number
  /** Time for one, in ms. Default 8000: four times what the slowest honest page takes on a busy machine. */
  mostMs?: number
  /** Memory for one, in MB. Default 160. */
  mostMb?: number
}

export interface Parser {
  /**
   * @throws fault `PAGE_TOO_COMPLEX`, for good when it is the memory, passing when it is the time; what the parsing throws; the
   * signal's reason
   */
  extract: (options: ExtractOptions, signal?: AbortSignal) => Promise<PageContent>
  isAllowed: (task: RobotsTask, signal?: AbortSignal) => Promise<boolean>
  close: () => Promise<void>
}

export function createParser({ threads = 2, mostMs = 8_000, mostMb = 160 }: ParserOptions = {}): Parser {
  const idle: Worker[] = []
  const all = new Set<Worker>()
  const waiting: (() => void)[] = []
  let running = 0

  /** A thread that is ready: its start is not on the task's time. */
  async function open(): Promise<Worker> {
    const thread = new Worker(new URL('parser-thread.js', import.meta.url), {
      resourceLimits: { maxOldGenerationSizeMb: mostMb },
      execArgv: [] // what the process loads first is not for its threads
    })
    const ended = new AbortController()
    all.add(thread)
    thread.on('exit', () => {
      ended.abort()
      all.delete(thread)
      if (idle.includes(thread)) idle.splice(idle.indexOf(thread), 1)
    })
    await once(thread, 'message', { signal: ended.signal })
    thread.on('error', () => {}) // from now on each task listens for itself
    return thread
  }

  /** Waits for a turn. @throws the signal's reason, at once */
  function untilFree(signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const wake = () => {
        signal?.removeEventListener('abort', leave)
        resolve()
      }
      const leave = () => {
        waiting.splice(waiting.indexOf(wake), 1)
        reject(signal?.reason)
      }
      waiting.push(wake)
      signal?.addEventListener('abort', leave, { once: true })
    })
  }

  async function run(task: Task, signal?: AbortSignal): Promise<unknown> {
    signal?.throwIfAborted()
    while (running >= threads) await untilFree(signal)
    running += 1
    try {
      const thread = idle.pop() ?? (await open())
      // while it started, or a turn came: from now on the task listens for itself
      if (signal?.aborted) {
        thread.unref()
        idle.push(thread)
        throw signal.reason
      }
      thread.ref() // an idle one keeps no process alive
      const answer = await ask(thread, task, { mostMs, ...(signal && { signal }) }).catch(async (error) => {
        await thread.terminate()
        throw error
      })
      thread.unref()
      idle.push(thread)
      return answer
    } finally {
      running -= 1
      waiting.shift()?.()
    }
  }

  return {
    // the thread answers each kind of task with its own kind of value
    extract: (task, signal) => run(task, signal) as Promise<PageContent>,
    isAllowed: (task, signal) => run(task, signal) as Promise<boolean>,
    close: async () => void (await Promise.all([...all].map((thread) => thread.terminate())))
  }
}

interface Limits {
  mostMs: number
  signal?: AbortSignal
}

function ask(thread: Worker, task: Task, { mostMs, signal }: Limits): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const end = (finish: () => void) => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
      thread.removeAllListeners('message').off('error', onError).off('exit', onExit)
      finish()
    }
    const onAbort = () => end(() => reject(signal?.reason))
    const onError = (error: NodeJS.ErrnoException) =>
      end(() =>
        reject(
          error.code === 'ERR_WORKER_OUT_OF_MEMORY'
            ? pageFault('PAGE_TOO_COMPLEX', 'it takes too much memory to parse', { passing: false, cause: error })
            : error
        )
      )
    const onExit = (code: number) => end(() => reject(new Error(`the thread that parses has ended with ${code}`)))
    // how long it takes depends on what else the machine does
    const onTimeOut = () =>
      end(() => reject(pageFault('PAGE_TOO_COMPLEX', 'it takes too much time to parse', { passing: true })))
    const timer = setTimeout(onTimeOut, mostMs)
    thread.once('message', (answer) => end(() => resolve(answer)))
    thread.once('error', onError).once('exit', onExit)
    signal?.addEventListener('abort', onAbort, { once: true })
    thread.postMessage(task)
  })
}
