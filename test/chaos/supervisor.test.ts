/** Whoever starts again what has ended must end it all in the end, or a run would wait for ever. */
import t from 'tap'
import type { Process } from '../helpers/processes.js'
import { supervise } from './supervisor.js'

/** A process that runs until it is killed, and takes its time to start again. */
function createProcess() {
  let end = () => {}
  const live = () =>
    new Promise<void>((resolve) => {
      end = resolve
    })
  let exited = live()
  let starting = () => {}
  const begun = new Promise<void>((resolve) => {
    starting = resolve
  })
  let finish = () => {}
  const started = new Promise<void>((resolve) => {
    finish = resolve
  })
  const process = {
    get exited() {
      return exited
    },
    kill: async () => end(),
    async restart() {
      starting()
      await started
      exited = live()
    }
  }
  return { process: process as unknown as Process, begun, finish } // all that a supervisor asks of one
}

t.test('a process that is just starting when all are ended is ended, too', async (t) => {
  const { process, begun, finish } = createProcess()
  const supervisor = supervise([process])
  await process.kill()
  await begun
  const stopped = supervisor.stop()
  finish()
  await stopped
  t.equal(supervisor.restarts, 1)
})
