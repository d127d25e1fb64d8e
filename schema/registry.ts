/** Loads the definitions, one file each, and refuses the incomplete, the unbounded and the homeless by name. */
import { createHash } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import Type, { type TSchema } from 'typebox'
import { longestBody, longestJson } from './body-size.js'
import { type Checked, compile } from './compile.js'
import type { FormDefinition } from './form.js'
import type { JobDefinition } from './job.js'
import { lintForm, lintJob } from './lint.js'
import type { Fault } from './problem.js'
import { SubmissionPayload } from './submission.js'

export interface Definitions {
  forms: Record<string, FormDefinition>
  jobs: Record<string, JobDefinition>
}

export type Check = (value: unknown) => Checked<unknown>

/** A form's definition, named after its file, defaults filled in, with the schema of its data. */
export interface Form extends Required<FormDefinition> {
  name: string
  schema: TSchema
  /** A short hash of the schema: another one after each edit of the fields. */
  version: string
  check: Check
  /** Bytes of the longest body that can fit. */
  longestBody: number
}

/** A job type's definition, named after its file. */
export interface JobType extends JobDefinition {
  name: string
  /** Checks what is to be accepted and answers what to keep: of a submission, with the version of the form that it fits. */
  admitPayload: Check
  /** Checks what was accepted. A submission that another version of its form accepted is as good as it was then. */
  checkPayload: Check
  checkResult: Check
  /** Bytes of the longest body that can fit. */
  longestPayload: number
  /** Bytes of the longest result that can fit. */
  longestResult: number
}

export interface Registry {
  forms: ReadonlyMap<string, Form>
  jobs: ReadonlyMap<string, JobType>
}

/** Bytes around a form's data in the payload of its job. */
const ENVELOPE = 500

/** The definitions in `schema/forms` and `schema/jobs`: file name = name, default export = definition. */
export async function loadDefinitions(): Promise<Definitions> {
  const [forms, jobs] = await Promise.all([
    loadFolder<FormDefinition>(new URL('forms/', import.meta.url)),
    loadFolder<JobDefinition>(new URL('jobs/', import.meta.url))
  ])
  return { forms, jobs }
}

/**
 * The default exports of a folder's modules, by file name.
 * @throws Error naming a file that cannot be loaded or has no default export
 */
export async function loadFolder<T>(folder: URL): Promise<Record<string, T>> {
  const files = (await readdir(folder)).filter((file) => file.endsWith('.js')).sort()
  const source = folder.pathname.split('/build/').at(-1)
  const entries = files.map(async (file) => {
    const name = file.slice(0, -'.js'.length)
    const { default: value } = await import(new URL(file, folder).href).catch((cause: Error) => {
      throw new Error(`${source}${name}.ts cannot be loaded: ${cause.message}`, { cause })
    })
    if (value === undefined) throw new Error(`${source}${name}.ts has no default export: export what it defines`)
    return [name, value as T] as const
  })
  return Object.fromEntries(await Promise.all(entries))
}

/**
 * Checks the definitions and compiles their schemas.
 * @throws Error naming every culprit, one line each.
 */
export function buildRegistry({ forms, jobs }: Definitions): Registry {
  const faults = [
    ...Object.entries(jobs).flatMap(([name, job]) => lintJob(name, job)),
    ...Object.entries(forms).flatMap(([name, form]) => lintForm(name, form, jobs))
  ]
  if (faults.length) throw new Error(faults.join('\n'))
  const builtForms = new Map(Object.entries(forms).map(([name, form]) => [name, buildForm(name, form)]))
  const builtJobs = new Map(
    Object.entries(jobs).map(([name, job]) => {
      const check = compile(job.payload)
      const checks =
        job.payload === SubmissionPayload ? withForms(check, builtForms) : { admitPayload: check, checkPayload: check }
      return [
        name,
        {
          ...job,
          ...checks,
          name,
          checkResult: compile(job.result),
          longestResult: longestJson(job.result),
          longestPayload:
            job.payload === SubmissionPayload
              ? Math.max(...[...builtForms.values()].map((form) => form.longestBody)) + ENVELOPE
              : longestJson(job.payload)
        }
      ]
    })
  )
  return { forms: builtForms, jobs: builtJobs }
}

function buildForm(name: string, definition: FormDefinition): Form {
  const schema = Type.Object(definition.fields, { additionalProperties: false })
  return {
    job: 'store-submission',
    thanks: 'Thank you. We have received it.',
    submit: 'Send',
    description: '',
    ...definition,
    name,
    schema,
    version: createHash('sha256').update(JSON.stringify(schema)).digest('base64url').slice(0, 12),
    check: compile(schema),
    longestBody: longestBody(definition.fields)
  }
}

function withForms(check: Check, forms: ReadonlyMap<string, Form>): Pick<JobType, 'admitPayload' | 'checkPayload'> {
  const admit = (payload: SubmissionPayload): Checked<SubmissionPayload> => {
    const form = forms.get(payload.form)
    if (!form) return { errors: [{ pointer: '/form', detail: `is not a known form: ${payload.form}` }] }
    const { errors } = form.check(payload.data)
    // whoever sends a version does not choose it
    return errors ? { errors: errors.map(inData) } : { value: { ...payload, form_version: form.version } }
  }
  const withPayload = (then: (payload: SubmissionPayload) => Checked<unknown>): Check => {
    return (given) => {
      const checked = check(given)
      return checked.errors ? checked : then(checked.value as SubmissionPayload) // its schema has just been checked
    }
  }
  return {
    admitPayload: withPayload(admit),
    checkPayload: withPayload((payload) => {
      const { form, form_version } = payload
      const isOfAnother = form_version !== undefined && form_version !== forms.get(form)?.version
      return isOfAnother ? { value: payload } : admit(payload)
    })
  }
}

const inData = ({ pointer, detail }: Fault): Fault => ({ pointer: `/data${pointer}`, detail })
