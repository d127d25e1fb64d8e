/** The works of the benchmark: each drives one side through one run and answers what was measured. */

import { withoutNginx, withoutRedisModule } from '../helpers/nginx.js'
import { submitAs } from './authenticated.js'
import type { Cpu } from './cpu.js'
import { drain } from './drain.js'
import { driveAndCount } from './drive.js'
import { measureLatency, runTogether } from './flow.js'
import { fillHistory } from './history.js'
import { driveJobs } from './job-list.js'
import type { Load } from './load.js'
import { explainLedger, type Plan } from './plans.js'
import type { Stage } from './stage.js'
import { TASKS } from './task-list.js'
import { askAndChange, askList, askOne, driveTasks } from './tasks.js'

export interface Measures {
  /** Answers or jobs in a second. */
  rate: number
  /** ms */
  p50?: number
  p99?: number
  /** Answers from 400 on, and broken connections. */
  errors: number
  /** CPU seconds for 1000 answers or jobs. */
  cpu: Cpu
  /** Resident memory of gateway and consumer under load, in MB. */
  memory?: number
  /** How the ledger's statements find their rows. */
  plans?: Plan[]
  /** Longest time from sending a submission to its row, in ms. */
  lag?: number
}

export interface WorkOptions {
  seconds: number
  jobs: number
}

export interface Work {
  title: string
  /** What a rate counts. */
  unit: string
  /** Why it cannot run on this machine, if it cannot. */
  missing?: string | false
  run(stage: Stage, load: Load, options: WorkOptions & { folder: string }): Promise<Measures>
}

export const works: Record<string, Work> = {
  sync: {
    title: 'Sync: a form stored directly, one committed row before the answer',
    unit: 'requests/s',
    async run(stage, load, { seconds }) {
      await Promise.all([stage.start('gateway'), stage.start('consumer')])
      return driveAndCount(stage, stage.side.sync ?? '', load, seconds)
    }
  },
  'sync-token': {
    title: 'The same, with an access token: the submission is its user’s',
    unit: 'requests/s',
    run: submitAs('token')
  },
  'sync-key': {
    title: 'The same, with an API key',
    unit: 'requests/s',
    run: submitAs('key')
  },
  accept: {
    title: 'Async accept: a form taken as a job, consumer stopped',
    unit: 'requests/s',
    async run(stage, load, { seconds }) {
      await stage.start('gateway')
      return driveAndCount(stage, stage.side.async, load, seconds)
    }
  },
  drain: {
    title: 'Drain: waiting jobs become rows after the consumer starts',
    unit: 'jobs/s',
    run: drain
  },
  wait: {
    title: 'Submit and wait: the answer comes when the row is there, 32 at once',
    unit: 'requests/s',
    async run(stage, load, { seconds }) {
      await Promise.all([stage.start('gateway'), stage.start('consumer')])
      return driveAndCount(stage, stage.side.wait?.path ?? '', load, seconds)
    }
  },
  together: {
    title: 'Producers and consumers together',
    unit: 'jobs/s',
    run: runTogether
  },
  history: {
    title: 'The same beside a million finished jobs',
    unit: 'jobs/s',
    async run(stage, load, options) {
      await fillHistory(stage.database, 1_000_000)
      const measures = await runTogether(stage, load, options)
      return { ...measures, plans: await explainLedger(stage.databaseUrl) }
    }
  },
  'jobs-list': {
    title: 'Jobs: the newest 50 of a hundred finished ones',
    unit: 'requests/s',
    run: driveJobs(100)
  },
  'list-history': {
    title: 'Jobs: the newest 50 of a million finished ones',
    unit: 'requests/s',
    run: driveJobs(1_000_000)
  },
  latency: {
    title: 'Submitted → row committed, 50 submissions a second',
    unit: 'submissions/s',
    run: measureLatency
  },
  'tasks-list': {
    title: `Tasks: the list of ${TASKS} from the cache`,
    unit: 'requests/s',
    run: driveTasks(askList)
  },
  'tasks-nginx': {
    title: 'The same through nginx, which passes it on to the gateway',
    unit: 'requests/s',
    missing: withoutNginx,
    run: driveTasks(askList, 'gateway')
  },
  'tasks-redis': {
    title: 'The same through nginx, which reads it from Redis (`TASKS_SOURCE=redis`)',
    unit: 'requests/s',
    missing: withoutRedisModule,
    run: driveTasks(askList, 'redis')
  },
  'tasks-read': {
    title: 'Tasks: one by its id, from Postgres',
    unit: 'requests/s',
    run: driveTasks(askOne)
  },
  'tasks-mixed': {
    title: 'Tasks: the list, while every tenth request changes a task',
    unit: 'requests/s',
    run: driveTasks(askAndChange)
  }
}
