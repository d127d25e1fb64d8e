import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t, { type Test } from 'tap'
import { type FormDefinition, text } from '#schema/form'
import storeSubmission from '#schema/jobs/store-submission'
import { buildRegistry, loadDefinitions, loadFolder } from '#schema/registry'

const JOBS = { 'store-submission': storeSubmission }
const FORM: FormDefinition = { title: 'A form', fields: { name: text({ title: 'Name', maxLength: 5 }) } }

/** A folder of compiled definitions as the build makes one. */
async function makeFolder(t: Test, files: Record<string, string>): Promise<URL> {
  const root = await mkdtemp(join(tmpdir(), 'beeline-registry-'))
  t.teardown(() => rm(root, { recursive: true }))
  const folder = join(root, 'build/schema/forms')
  await mkdir(folder, { recursive: true })
  await writeFile(join(root, 'package.json'), '{ "type": "module" }')
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content)
  return pathToFileURL(`${folder}/`)
}

t.test('every definition that ships loads, under the name of its file', async (t) => {
  const { forms, jobs } = buildRegistry(await loadDefinitions())
  t.ok(forms.size >= 3, 'contact and at least two more')
  t.ok(forms.has('contact'))
  t.ok(jobs.has('store-submission'))
  for (const [name, form] of forms) {
    t.equal(form.name, name)
    t.ok(jobs.has(form.job), `${name} goes to a job type that is there`)
    t.ok(form.thanks && form.submit, `${name} has its texts`)
  }
  const kinds = new Set(
    [...forms.values()].flatMap(({ fields }) => Object.values(fields).map((field) => kindOf(field)))
  )
  t.strictSame([...kinds].sort(), ['array', 'boolean', 'choice', 'integer', 'number', 'string'], 'all kinds of field')
})

const kindOf = (schema: object) => ('type' in schema ? schema.type : 'choice')

t.test('a form has its defaults and the check of its data', async (t) => {
  const { forms } = buildRegistry({ forms: { plain: FORM }, jobs: JOBS })
  const form = forms.get('plain')
  t.match(form, { job: 'store-submission', submit: 'Send', description: '', thanks: /Thank you/ })
  t.strictSame(form?.check({ name: 'Ada' }), { value: { name: 'Ada' } })
  t.strictSame(
    form
      ?.check({ name: 'Augusta', x: 1 })
      .errors?.map(({ pointer }) => pointer)
      .sort(),
    ['/name', '/x']
  )
})

t.test('a submission on its way to a job is checked by the schema of its form', async (t) => {
  const { jobs } = buildRegistry({ forms: { plain: FORM }, jobs: JOBS })
  const check = jobs.get('store-submission')?.checkPayload
  t.equal(check?.({ form: 'plain', data: { name: 'Ada' } }).errors, undefined)
  t.strictSame(check?.({ form: 'plain', data: { name: '' } }).errors, [
    { pointer: '/data/name', detail: 'is required' }
  ])
  t.strictSame(check?.({ form: 'gone', data: {} }).errors, [{ pointer: '/form', detail: 'is not a known form: gone' }])
  t.match(check?.({ form: 'plain' }).errors, [{ pointer: '/data', detail: 'is required' }])
})

t.test('a submission is as good as when it was accepted, whatever became of its form', async (t) => {
  const edited = { ...FORM, fields: { ...FORM.fields, city: text({ title: 'City', maxLength: 50 }) } }
  const typeWith = (forms: Record<string, FormDefinition>) => {
    const type = buildRegistry({ forms, jobs: JOBS }).jobs.get('store-submission')
    if (!type) throw new Error('no type')
    return type
  }
  const before = typeWith({ plain: FORM })
  const same = typeWith({ plain: FORM })
  const after = typeWith({ plain: edited })
  const without = typeWith({ other: FORM })
  const old = { form: 'plain', data: { name: 'Ada' } }
  const accepted = before.admitPayload(old).value
  t.match(accepted, { ...old, form_version: /^[\w-]{12}$/ }, 'it carries the version of its form')
  t.strictSame(same.admitPayload(old).value, accepted, 'which is the same in every process')

  t.equal(after.checkPayload(accepted).errors, undefined, 'it is run after its form was edited')
  t.equal(without.checkPayload(accepted).errors, undefined, 'and by a consumer that does not know its form')
  const broken = { ...Object(accepted), data: { name: 7 } }
  t.match(before.checkPayload(broken).errors, [{ pointer: '/data/name' }], 'its own form still checks it')

  t.match(after.admitPayload(accepted).errors, [{ pointer: '/data/city' }], 'to be accepted anew it must fit anew')
  t.match(after.checkPayload(old).errors, [{ pointer: '/data/city' }], 'and so must what has no version')
  const forged = { form: 'plain', data: { name: 'Ada', city: 'Rome' }, form_version: 'mine' }
  t.match(after.admitPayload(forged).value, { form_version: /^[\w-]{12}$/ }, 'a sender does not choose the version')
})

t.test('broken definitions are named, all of them, one line each', async (t) => {
  const forms = { bad: { ...FORM, job: 'nowhere' }, worse: { ...FORM, title: '' } }
  t.throws(() => buildRegistry({ forms, jobs: { 'a-job': { ...storeSubmission, queue: '' } } }), {
    message: [
      'schema/jobs/a-job.ts: queue is missing',
      "schema/forms/bad.ts: job 'nowhere' has no definition in schema/jobs/nowhere.ts",
      'schema/forms/worse.ts: title is missing',
      "schema/forms/worse.ts: job 'store-submission' has no definition in schema/jobs/store-submission.ts"
    ].join('\n')
  })
})

t.test('a folder gives the default exports by file name, and only of modules', async (t) => {
  const folder = await makeFolder(t, {
    'one.js': 'export default 1',
    'two.js': 'export default 2',
    'one.js.map': '{}',
    'notes.txt': 'x'
  })
  t.strictSame(await loadFolder(folder), { one: 1, two: 2 })
})

t.test('a file that cannot be loaded, or exports nothing, is named', async (t) => {
  const faults: [string, RegExp][] = [
    ['export const form = 1', /^schema\/forms\/odd\.ts has no default export/],
    ['export default {', /^schema\/forms\/odd\.ts cannot be loaded: Unexpected/],
    ["throw new Error('at home')", /^schema\/forms\/odd\.ts cannot be loaded: at home$/],
    ["import 'not-installed-anywhere'", /^schema\/forms\/odd\.ts cannot be loaded: Cannot find package/]
  ]
  for (const [content, message] of faults) {
    const folder = await makeFolder(t, { 'odd.js': content })
    await t.rejects(loadFolder(folder), { message })
  }
})
